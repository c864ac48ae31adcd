// A part of a cube as curves, named at their right ends.

import { drawAxes, leftMargin, line, plotArea, widest } from "../charts/axes.js";
import { GRID, LINE_COLOURS, css, diverging } from "../charts/colours.js";
import { dimLabel, rangeOf } from "./cube_axis.js";

const NAME_HEIGHT = 13; // pixels of a name beside its curve
const MOST_NAMES = 40; // curves that are named; of more the pointer reads out which they are

export function paintCubeCurves(g, width, height, chart) {
  const { data, x } = chart;
  const range = rangeOf(data);
  const margin = 0.04 * (range.high - range.low) || 0.5;
  const y = { label: dimLabel({ name: data.value.name, units: data.value.units }), min: range.low - margin, max: range.high + margin };
  const names = data.y ? data.rows.map((row, i) => ({ text: row.label, colour: rowColour(data, i) })) : [];
  const needed = widest(g, names.map(({ text }) => text)) + 14;
  const isBeside = needed <= 0.3 * width && names.length <= (height - 66) / NAME_HEIGHT;
  if (!isBeside) chart.legend = names.length <= MOST_NAMES ? names : [];
  const margins = { left: leftMargin(g, y, height), right: isBeside ? needed : 14, top: 24, bottom: 42 };
  chart.area = plotArea(width, height, margins, x.axis, y);
  drawAxes(g, chart.area);
  g.save();
  g.beginPath();
  g.rect(chart.area.left, chart.area.top, chart.area.width, chart.area.height);
  g.clip();
  data.rows.forEach((row, i) => strokeRow(g, chart, row, rowColour(data, i)));
  g.restore();
  if (isBeside) paintRowNames(g, chart);
  if (chart.hover && chart.area.holds(...chart.hover)) {
    g.strokeStyle = GRID;
    line(g, chart.hover[0], chart.area.top, chart.hover[0], chart.area.bottom);
  }
}

// Colours that differ, or, of many rows, from blue over to red, without the pale ones between.
function rowColour(data, i) {
  if (data.rows.length <= LINE_COLOURS.length) return LINE_COLOURS[i];
  if (data.rows[i].thin) return LINE_COLOURS[0];
  const share = i / (data.rows.length - 1);
  return css(diverging(share < 0.5 ? share - 1 : share));
}

function strokeRow(g, { area, x }, { cells, thin }, colour) {
  g.strokeStyle = colour;
  g.fillStyle = colour;
  g.lineWidth = thin ? 1 : 1.8;
  g.beginPath();
  let pen = false;
  cells.forEach(({ value }, i) => {
    const [px, py] = [area.x(x.places[i]), area.y(value)];
    if (!Number.isFinite(value)) {
      pen = false;
      return;
    }
    if (pen) g.lineTo(px, py);
    else g.moveTo(px, py);
    pen = true;
    if (cells.length < 40) g.fillRect(px - 2, py - 2, 4, 4);
  });
  g.stroke();
}

function paintRowNames(g, { data, area }) {
  const names = data.rows.map((row, i) => {
    const last = row.cells.map(({ value }) => value).filter(Number.isFinite).pop();
    return { text: row.label, colour: rowColour(data, i), y: area.y(last ?? area.yAxis.min) };
  });
  g.textAlign = "left";
  g.textBaseline = "middle";
  const sorted = names.sort((a, b) => a.y - b.y);
  const pitch = Math.min(NAME_HEIGHT, area.height / sorted.length);
  sorted.forEach((name, i) => {
    const lowest = i ? sorted[i - 1].y + pitch : area.top + 6;
    name.y = Math.max(lowest, Math.min(name.y, area.bottom - (sorted.length - 1 - i) * pitch - 4));
    g.fillStyle = name.colour;
    g.fillText(name.text, area.right + 6, name.y);
  });
}
