// Axes of a plot: where numbers lie on the canvas, ticks, labels with units.

import { FAINT, GRID, INK } from "./colours.js";
import { tickTexts, ticksOf } from "./ticks.js";

// The area of a plot inside margins {left, right, top, bottom}, with x(v), y(v) in pixels and their
// inverses atX(px), atY(py). Axes are {min, max, log, label, ticks: [numbers], text(v)}.
export function plotArea(width, height, margins, x, y) {
  const area = {
    left: margins.left,
    top: margins.top,
    xAxis: x,
    yAxis: y,
    width: Math.max(10, width - margins.left - margins.right),
    height: Math.max(10, height - margins.top - margins.bottom),
  };
  area.right = area.left + area.width;
  area.bottom = area.top + area.height;
  area.x = (v) => area.left + shareOf(x, v) * area.width;
  area.y = (v) => area.bottom - shareOf(y, v) * area.height;
  area.atX = (px) => valueAt(x, (px - area.left) / area.width);
  area.atY = (py) => valueAt(y, (area.bottom - py) / area.height);
  area.holds = (px, py) =>
    px >= area.left - 1 && px <= area.right + 1 && py >= area.top - 1 && py <= area.bottom + 1;
  return area;
}

function shareOf(axis, v) {
  if (axis.log) return Math.log(v / axis.min) / Math.log(axis.max / axis.min);
  return (v - axis.min) / (axis.max - axis.min || 1);
}

function valueAt(axis, t) {
  if (axis.log) return axis.min * (axis.max / axis.min) ** t;
  return axis.min + t * (axis.max - axis.min);
}

// Ticks, their numbers, grid lines if asked for, and the labels of both axes.
export function drawAxes(g, area, { grid = true } = {}) {
  const { xAxis, yAxis } = area;
  const xs = xAxis.ticks ?? ticksOf(xAxis, Math.max(2, area.width / 75));
  const ys = yAxis.ticks ?? ticksOf(yAxis, Math.max(2, area.height / 42));
  g.lineWidth = 1;
  if (grid) drawGrid(g, area, xs, ys);
  g.fillStyle = INK;
  g.strokeStyle = FAINT;
  g.textBaseline = "top";
  const [xTexts, yTexts] = [tickTexts(xAxis, xs), tickTexts(yAxis, ys)];
  xs.forEach((v, i) => {
    line(g, area.x(v), area.bottom, area.x(v), area.bottom + 4);
    centredText(g, xTexts[i], area.x(v), area.bottom + 6);
  });
  g.textAlign = "right";
  g.textBaseline = "middle";
  ys.forEach((v, i) => {
    line(g, area.left - 4, area.y(v), area.left, area.y(v));
    g.fillText(yTexts[i], area.left - 7, area.y(v));
  });
  g.strokeRect(area.left, area.top, area.width, area.height);
  drawLabels(g, area);
}

function drawGrid(g, area, xs, ys) {
  g.strokeStyle = GRID;
  for (const v of xs) line(g, area.x(v), area.top, area.x(v), area.bottom);
  for (const v of ys) line(g, area.left, area.y(v), area.right, area.y(v));
}

function drawLabels(g, area) {
  g.textAlign = "center";
  g.textBaseline = "bottom";
  g.fillText(area.xAxis.label ?? "", area.left + area.width / 2, area.bottom + 37);
  if (!area.yAxis.label) return;
  // Above the axis and level: read without turning the head, and never cut by a narrow margin.
  g.textAlign = "left";
  g.fillText(area.yAxis.label, 4, area.top - 8);
}

// A tick's text centred at x, but not beyond the left end of the canvas.
function centredText(g, text, x, y) {
  g.textAlign = "center";
  g.fillText(text, Math.max(g.measureText(text).width / 2 + 1, x), y);
}

export function line(g, x1, y1, x2, y2) {
  g.beginPath();
  g.moveTo(x1, y1);
  g.lineTo(x2, y2);
  g.stroke();
}

// The widest of some texts, pixels.
export function widest(g, texts) {
  return Math.max(0, ...texts.map((text) => g.measureText(text).width));
}

// The left margin that the numbers of a y axis need.
export function leftMargin(g, yAxis, height) {
  const ticks = yAxis.ticks ?? ticksOf(yAxis, Math.max(2, height / 42));
  return 14 + widest(g, tickTexts(yAxis, ticks));
}
