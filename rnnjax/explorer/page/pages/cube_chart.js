// One part of a cube as a map or as curves; under the pointer its value, coordinates and status.
//
// createCubeChart(parent, {title, height}).show({kind: "map" | "curves", x: dim, y: dim or null,
// rows: [{label, cells: [{value, status, count}], thin}], value: {name, units}, limits: {low, high}
// or null}), a row a curve, or a value of y in the order of its coordinates. limits are those of the
// colours, or of the axis of curves; by default smallest and largest value.

import { createPanel } from "../charts/canvas.js";
import { element } from "../frame/dom.js";
import { numberText } from "../charts/ticks.js";
import { cubeAxis, nearestOf, unitOf } from "./cube_axis.js";
import { paintCubeCurves } from "./cube_curves.js";
import { paintCubeMap } from "./cube_map.js";

export function createCubeChart(parent, { title, height = 320 }) {
  const chart = { data: null, area: null, hover: null };
  const panel = createPanel(parent, {
    title, height,
    paint: (g, width, tall) => {
      if (!chart.data) return;
      chart.hover = panel.hover;
      const isMap = chart.data.kind === "map";
      chart.x = cubeAxis(chart.data.x, !isMap);
      chart.legend = []; // what has no room beside its curve
      (isMap ? paintCubeMap : paintCubeCurves)(g, width, tall, chart);
      showLegend(legend, chart.legend);
    },
    read: (px, py) => (chart.area?.holds(px, py) ? readCube(chart, px, py) : ""),
  });
  const legend = element("ul", { class: "legend" });
  panel.canvas.after(legend);
  return {
    element: panel.element, panel,
    show(data) {
      chart.data = data;
      chart.area = null;
      panel.redraw();
    },
  };
}

function showLegend(legend, names) {
  legend.replaceChildren(...names.map(({ text, colour }) => {
    const item = element("li", {}, text);
    item.style.color = colour; // by the object model, which the page's policy allows
    return item;
  }));
}

function readCube({ data, area, x, y }, px, py) {
  const column = nearestOf(x.places, area.atX(px), x.axis.log);
  if (data.kind === "map") return readCubeCell(data, column, nearestOf(y.places, area.atY(py), y.axis.log));
  const distance = (row) => Math.abs(area.y(data.rows[row].cells[column].value) - py);
  let best = 0;
  data.rows.forEach((_, row) => {
    if (distance(row) < distance(best) || Number.isNaN(distance(best))) best = row;
  });
  return data.rows.length ? readCubeCell(data, column, best) : "";
}

// What is read out of one cell.
export function readCubeCell(data, column, row) {
  const { cells } = data.rows[row];
  const found = cells[column];
  if (!found) return "";
  const unit = unitOf(data.value) && ` ${unitOf(data.value)}`;
  const places = [`${data.x.name} = ${data.x.labels[column]}`];
  if (data.y) places.push(`${data.y.name} = ${data.y.labels[row]}`);
  const state = found.status ? `, status ${found.status}` : "";
  const of = found.count > 1 ? ` (median of ${found.count})` : "";
  return `${places.join(", ")}: ${data.value.name} = ${numberText(found.value, 6)}${unit}${of}${state}`;
}
