// Curves over a common x, named at their right ends, with values read out under the pointer.

import { drawAxes, leftMargin, line, plotArea, widest } from "./axes.js";
import { createChart, haloText } from "./canvas.js";
import { FAINT, GRID, INK, LINE_COLOURS } from "./colours.js";
import { numberText } from "./ticks.js";

const LINE_HEIGHT = 14;

export function createCurves(parent, fixed) {
  let area = null;
  const chart = createChart(parent, fixed, {
    paint(g, width, height, data) {
      area = areaOf(g, width, height, fixed, data);
      drawAxes(g, area);
      drawLevels(g, area, data.levels ?? []);
      drawMarks(g, area, data.marks ?? []);
      clippedTo(g, area, () => data.curves.forEach((curve, i) => drawCurve(g, area, curve, i)));
      drawNames(g, area, data.curves);
      const { hover } = chart.panel;
      if (hover && area.holds(...hover)) drawHover(g, area, data.curves, hover[0]);
    },
    at: (px, py) => (area?.holds(px, py) ? px : null),
    read: (px, data) => readOut(area, fixed, data.curves, px),
    pick: (px) => fixed.onPick(area.atX(px)),
  });
  return chart;
}

function areaOf(g, width, height, fixed, data) {
  const x = { ...fixed.x, ...data.x };
  const y = { ...fixed.y, ...data.y };
  const names = data.curves.filter((c) => c.label).map((c) => c.label);
  const right = names.length ? Math.min(0.42 * width, widest(g, names) + 14) : 14;
  const margins = { left: leftMargin(g, y, height), right, top: 26, bottom: 42 };
  return plotArea(width, height, margins, x, y);
}

function clippedTo(g, area, draw) {
  g.save();
  g.beginPath();
  g.rect(area.left, area.top, area.width, area.height);
  g.clip();
  draw();
  g.restore();
}

function colourOf(curve, i) {
  return curve.colour ?? LINE_COLOURS[i % LINE_COLOURS.length];
}

function drawCurve(g, area, curve, i) {
  g.strokeStyle = colourOf(curve, i);
  g.fillStyle = g.strokeStyle;
  g.lineWidth = curve.width ?? 1.8;
  g.setLineDash(curve.dash ?? []);
  g.beginPath();
  let pen = false;
  for (let j = 0; j < curve.xs.length; j += 1) {
    const y = area.y(curve.ys[j]);
    if (!Number.isFinite(y)) {
      pen = false;
      continue;
    }
    const bounded = Math.max(-1e5, Math.min(1e5, y)); // canvas loses lines beyond its integers
    if (pen) g.lineTo(area.x(curve.xs[j]), bounded);
    else g.moveTo(area.x(curve.xs[j]), bounded);
    pen = true;
    if (curve.dots) g.fillRect(area.x(curve.xs[j]) - 2, bounded - 2, 4, 4);
  }
  g.stroke();
  g.setLineDash([]);
}

function drawLevels(g, area, levels) {
  for (const level of levels) {
    if (level.y < area.yAxis.min || level.y > area.yAxis.max) continue;
    g.strokeStyle = FAINT;
    g.setLineDash([2, 3]);
    line(g, area.left, area.y(level.y), area.right, area.y(level.y));
    g.setLineDash([]);
    if (!level.label) continue;
    g.fillStyle = FAINT;
    g.textAlign = "left";
    g.textBaseline = "bottom";
    haloText(g, level.label, area.left + 4, area.y(level.y) - 1);
  }
}

function drawMarks(g, area, marks) {
  for (const mark of marks) {
    if (mark.x < area.xAxis.min || mark.x > area.xAxis.max) continue;
    g.strokeStyle = INK;
    g.setLineDash([4, 3]);
    line(g, area.x(mark.x), area.top, area.x(mark.x), area.bottom);
    g.setLineDash([]);
    if (!mark.label) continue;
    g.fillStyle = INK;
    g.textBaseline = "bottom";
    const onRight = area.x(mark.x) < area.left + area.width / 2;
    g.textAlign = onRight ? "left" : "right";
    haloText(g, mark.label, area.x(mark.x) + (onRight ? 4 : -4), area.bottom - 3);
  }
}

// Names stand at the height where their curves end, moved apart where they would overlap.
function drawNames(g, area, curves) {
  const names = [];
  curves.forEach((curve, i) => {
    if (!curve.label) return;
    const y = area.y(lastFinite(curve.ys) ?? area.yAxis.min);
    const inside = Math.max(
      area.top + 7,
      Math.min(area.bottom - 7, Number.isFinite(y) ? y : area.top),
    );
    names.push({ text: curve.label, y: inside, colour: colourOf(curve, i) });
  });
  g.textAlign = "left";
  g.textBaseline = "middle";
  for (const name of spreadNames(names, area)) {
    g.fillStyle = name.colour;
    g.fillText(name.text, area.right + 6, name.y);
  }
}

function spreadNames(names, area) {
  const sorted = [...names].sort((a, b) => a.y - b.y);
  let lowest = -Infinity;
  for (const name of sorted) {
    name.y = Math.max(name.y, lowest + LINE_HEIGHT);
    lowest = name.y;
  }
  let highest = area.bottom + LINE_HEIGHT / 2;
  for (const name of sorted.reverse()) {
    name.y = Math.min(name.y, highest - LINE_HEIGHT / 2);
    highest = name.y - LINE_HEIGHT / 2;
  }
  return sorted;
}

function lastFinite(ys) {
  for (let j = ys.length - 1; j >= 0; j -= 1) if (Number.isFinite(ys[j])) return ys[j];
  return null;
}

function nearestIndex(xs, x) {
  let best = 0;
  for (let j = 1; j < xs.length; j += 1) if (Math.abs(xs[j] - x) < Math.abs(xs[best] - x)) best = j;
  return best;
}

function drawHover(g, area, curves, px) {
  const x = area.atX(px);
  g.strokeStyle = GRID;
  line(g, px, area.top, px, area.bottom);
  curves.forEach((curve, i) => {
    if (curve.xs.length === 0) return;
    const j = nearestIndex(curve.xs, x);
    const y = area.y(curve.ys[j]);
    if (!(y >= area.top && y <= area.bottom)) return;
    g.fillStyle = colourOf(curve, i);
    g.beginPath();
    g.arc(area.x(curve.xs[j]), y, 3.5, 0, 2 * Math.PI);
    g.fill();
  });
}

function readOut(area, fixed, curves, px) {
  const x = area.atX(px);
  const first = curves.find((curve) => curve.xs.length > 0);
  if (!first) return "";
  const values = curves
    .filter((curve) => curve.xs.length > 0 && (curve.name ?? curve.label))
    .map(
      (curve) => `${curve.name ?? curve.label}: ${numberText(curve.ys[nearestIndex(curve.xs, x)])}`,
    );
  return `${fixed.x.label} ${numberText(first.xs[nearestIndex(first.xs, x)])}: ${values.join("; ")}`;
}
