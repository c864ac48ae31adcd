// Bars from 0, each with its label below it and its number read out under the pointer.

import { drawAxes, leftMargin, line, plotArea } from "./axes.js";
import { createChart } from "./canvas.js";
import { FAINT, INK, LINE_COLOURS } from "./colours.js";
import { numberText } from "./ticks.js";

export function createBars(parent, fixed) {
  let area = null;
  return createChart(parent, fixed, {
    paint(g, width, height, data) {
      area = barArea(g, width, height, fixed, data);
      drawAxes(g, area);
      data.bars.forEach((bar, i) => drawOneBar(g, area, bar, i, data.bars.length));
      g.strokeStyle = FAINT;
      line(g, area.left, area.y(0), area.right, area.y(0));
    },
    at: (px, py, { bars }) => (area?.holds(px, py) && bars.length ? barAt(area, px, bars.length) : null),
    read(place, { bars }) {
      const { label, value, note } = bars[place];
      return `${label}: ${numberText(value)}${note ? `, ${note}` : ""}`;
    },
    pick: (place) => fixed.onPick(place),
  });
}

function barArea(g, width, height, fixed, data) {
  const values = data.bars.map((bar) => bar.value).filter(Number.isFinite);
  const y = { min: Math.min(0, ...values), max: Math.max(0, ...values), ...fixed.y, ...data.y };
  if (y.min === y.max) y.max = y.min + 1;
  const x = { min: 0, max: Math.max(1, data.bars.length), ticks: [], ...fixed.x };
  const margins = { left: leftMargin(g, y, height), right: 14, top: 26, bottom: 42 };
  return plotArea(width, height, margins, x, y);
}

function barAt(area, px, n) {
  return Math.max(0, Math.min(n - 1, Math.floor(area.atX(px))));
}

function drawOneBar(g, area, bar, i, n) {
  const pitch = area.width / n;
  const left = area.left + (i + 0.12) * pitch;
  const inside = Math.max(area.yAxis.min, Math.min(area.yAxis.max, bar.value));
  const [y, zero] = [area.y(inside), area.y(Math.max(0, area.yAxis.min))];
  g.fillStyle = bar.colour ?? LINE_COLOURS[0];
  // What is not a number has no bar; an infinity reaches to the end of the axis.
  const size = Number.isNaN(inside) ? 0 : Math.max(1, Math.abs(zero - y));
  if (size > 0) g.fillRect(left, Math.min(y, zero), 0.76 * pitch, size);
  g.fillStyle = INK;
  g.textAlign = "center";
  g.textBaseline = "top";
  const every = Math.max(1, Math.ceil(g.measureText("−00.0").width / pitch));
  if (i % every === 0) g.fillText(bar.label, left + 0.38 * pitch, area.bottom + 6);
}
