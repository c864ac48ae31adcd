// A map of numbers over two axes with a colour bar, read out under the pointer and chosen by click.

import { drawAxes, leftMargin, line, plotArea } from "./axes.js";
import { createChart } from "./canvas.js";
import { INK, NOT_FINITE, css, diverging, sequential } from "./colours.js";
import { numberText, tickTexts, ticksOf } from "./ticks.js";

const BAR_WIDTH = 12;

export function createHeatMap(parent, fixed) {
  let area = null;
  let shown = null;
  const image = document.createElement("canvas");
  const shades = shadesOf(fixed);
  const chart = createChart(parent, fixed, {
    paint(g, width, height, data) {
      area = mapArea(g, width, height, fixed, data);
      g.imageSmoothingEnabled = false;
      g.drawImage(image, area.left, area.top, area.width, area.height);
      drawAxes(g, area, { grid: false });
      drawBar(g, area, fixed, data);
      if (data.marker) drawMarker(g, area, data.marker);
    },
    at: (px, py) => (area?.holds(px, py) ? [px, py] : null),
    read: (place, data) => readCell(area, fixed, data, ...place),
    pick: (place, data) => fixed.onPick(...chosenCell(area, data, ...place).slice(0, 2)),
  });
  return {
    ...chart,
    show(next) {
      shown = next;
      colourImage(image, fixed, shades, next);
      chart.show(next);
    },
    // Move the marker alone.
    mark(marker) {
      if (!shown) return;
      shown.marker = marker;
      chart.panel.redraw();
    },
  };
}

// Cells are drawn about their coordinates: the axes reach half a cell beyond the outer ones.
function mapArea(g, width, height, fixed, data) {
  const x = { ...fixed.x, ...reachOf(data.xs, fixed.x.log) };
  const y = { ...fixed.y, ...reachOf(data.ys, fixed.y.log) };
  const bar = { min: data.low ?? -data.limit, max: data.limit };
  const right = BAR_WIDTH + leftMargin(g, bar, height) + 14;
  const margins = { left: leftMargin(g, y, height), right, top: 26, bottom: 42 };
  return plotArea(width, height, margins, x, y);
}

function reachOf(values, log) {
  const n = values.length;
  if (n < 2)
    return log
      ? { min: values[0] / 1.5, max: values[0] * 1.5 }
      : { min: values[0] - 0.5, max: values[0] + 0.5 };
  if (log) {
    const half = Math.sqrt(values[1] / values[0]);
    return { min: values[0] / half, max: values[n - 1] * half };
  }
  const half = (values[1] - values[0]) / 2;
  return { min: values[0] - half, max: values[n - 1] + half };
}

function fractionOf(fixed, data, value) {
  if (fixed.scale !== "sequential") return value / data.limit;
  return (value - (data.low ?? 0)) / (data.limit - (data.low ?? 0));
}

function colourAt(fixed, t) {
  return fixed.scale === "sequential" ? sequential(t) : diverging(t);
}

const SHADES = 1024;

// Colours of the whole scale as [r, g, b] one after the other, which a map looks up by the pixel.
function shadesOf(fixed) {
  const lowest = fixed.scale === "sequential" ? 0 : -1;
  const shades = new Uint8ClampedArray(3 * (SHADES + 1));
  for (let i = 0; i <= SHADES; i += 1) {
    shades.set(colourAt(fixed, lowest + ((1 - lowest) * i) / SHADES), 3 * i);
  }
  return shades;
}

function shadeAt(fixed, t) {
  const from0 = fixed.scale === "sequential" ? t : (t + 1) / 2;
  return Math.round(SHADES * Math.max(0, Math.min(1, from0)));
}

function colourImage(image, fixed, shades, data) {
  const { xs, ys, values } = data;
  image.width = xs.length;
  image.height = ys.length;
  const g = image.getContext("2d");
  const pixels = g.createImageData(xs.length, ys.length);
  for (let row = 0; row < ys.length; row += 1) {
    for (let column = 0; column < xs.length; column += 1) {
      const t = fractionOf(fixed, data, values[row * xs.length + column] ?? NaN);
      const shade = 3 * shadeAt(fixed, t);
      const at = 4 * ((ys.length - 1 - row) * xs.length + column); // rows go up
      const known = !Number.isNaN(t);
      for (let c = 0; c < 3; c += 1)
        pixels.data[at + c] = known ? shades[shade + c] : NOT_FINITE[c];
      pixels.data[at + 3] = 255;
    }
  }
  g.putImageData(pixels, 0, 0);
}

function drawBar(g, area, fixed, data) {
  const left = area.right + 12;
  const bar = { min: data.low ?? -data.limit, max: data.limit };
  for (let i = 0; i < area.height; i += 1) {
    const value = bar.min + ((i + 0.5) / area.height) * (bar.max - bar.min);
    g.fillStyle = css(colourAt(fixed, fractionOf(fixed, data, value)));
    g.fillRect(left, area.bottom - i - 1, BAR_WIDTH, 1.5);
  }
  g.strokeStyle = INK;
  g.strokeRect(left, area.top, BAR_WIDTH, area.height);
  g.fillStyle = INK;
  g.textAlign = "left";
  g.textBaseline = "middle";
  const ticks = ticksOf(bar, area.height / 42);
  const texts = tickTexts(bar, ticks);
  ticks.forEach((v, i) => {
    const y = area.bottom - ((v - bar.min) / (bar.max - bar.min)) * area.height;
    line(g, left + BAR_WIDTH, y, left + BAR_WIDTH + 3, y);
    g.fillText(texts[i], left + BAR_WIDTH + 6, y);
  });
  g.textAlign = "right";
  g.textBaseline = "bottom";
  g.fillText(fixed.bar?.label ?? "", area.right + 12 + BAR_WIDTH + 26, area.top - 8);
}

function drawMarker(g, area, marker) {
  const [x, y] = [area.x(marker.x), area.y(marker.y)];
  g.save();
  g.beginPath();
  g.rect(area.left, area.top, area.width, area.height);
  g.clip();
  for (const [colour, width] of [
    ["white", 3],
    [INK, 1],
  ]) {
    g.strokeStyle = colour;
    g.lineWidth = width;
    line(g, area.left, y, area.right, y);
    line(g, x, area.top, x, area.bottom);
    g.strokeRect(x - 4, y - 4, 8, 8);
  }
  g.restore();
}

function chosenCell(area, data, px, py) {
  const column = closestTo(data.xs, area.atX(px), area.xAxis.log);
  const row = closestTo(data.ys, area.atY(py), area.yAxis.log);
  return [data.xs[column], data.ys[row], data.values[row * data.xs.length + column] ?? NaN];
}

function closestTo(values, v, log) {
  const distance = (u) => Math.abs(log ? Math.log(u / v) : u - v);
  let best = 0;
  for (let i = 1; i < values.length; i += 1)
    if (distance(values[i]) < distance(values[best])) best = i;
  return best;
}

function readCell(area, fixed, data, px, py) {
  const [x, y, value] = chosenCell(area, data, px, py);
  const text = fixed.value ? fixed.value(value) : numberText(value);
  return `${fixed.x.label} ${numberText(x)}, ${fixed.y.label} ${numberText(y)}: ${text}`;
}
