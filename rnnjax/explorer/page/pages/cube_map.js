// A part of a cube as a map of colours, whose cells may differ in size.

import { drawAxes, leftMargin, line, plotArea } from "../charts/axes.js";
import { INK, css, diverging, sequential } from "../charts/colours.js";
import { tickTexts, ticksOf } from "../charts/ticks.js";
import { cubeAxis, edgesOf, rangeOf, unitOf } from "./cube_axis.js";

const COLOUR_BAR = 12; // pixels

// Colours of a map: diverging about 0 where values have both signs, else from white to dark.
export function colourScale(range) {
  if (range.low < 0 && range.high > 0) {
    const limit = Math.max(-range.low, range.high);
    return { min: -limit, max: limit, colour: (v) => diverging(v / limit) };
  }
  const [low, high] = range.low === range.high ? [range.low - 0.5, range.high + 0.5] : [range.low, range.high];
  if (high <= 0) return { min: low, max: high, colour: (v) => diverging(Number.isNaN(v) ? v : -share01(high, low, v)) };
  return { min: low, max: high, colour: (v) => sequential(share01(low, high, v)) };
}

const share01 = (low, high, v) => Math.max(0, Math.min(1, (v - low) / (high - low)));

export function paintCubeMap(g, width, height, chart) {
  const { data, x } = chart;
  chart.y = cubeAxis(data.y);
  const scale = colourScale(rangeOf(data));
  const bar = { min: scale.min, max: scale.max };
  const right = COLOUR_BAR + leftMargin(g, bar, height) + 14;
  const left = Math.min(0.3 * width, leftMargin(g, chart.y.axis, height));
  chart.area = plotArea(width, height, { left, right, top: 24, bottom: 42 }, x.axis, chart.y.axis);
  g.imageSmoothingEnabled = false;
  const image = cubeImage(chart, scale);
  if (image) g.drawImage(image, chart.area.left, chart.area.top, chart.area.width, chart.area.height);
  drawAxes(g, chart.area, { grid: false });
  paintColourBar(g, chart.area, scale, data.value);
}

// One pixel a pixel of the plot: cells may differ in size.
function cubeImage({ data, area, x, y }, scale) {
  const [width, height] = [Math.round(area.width), Math.round(area.height)];
  const columns = whichOf(width, (px) => area.atX(area.left + px + 0.5), x);
  const rows = whichOf(height, (py) => area.atY(area.top + py + 0.5), y);
  if (!data.rows.length || !data.rows[0].cells.length) return null;
  const image = document.createElement("canvas");
  [image.width, image.height] = [width, height];
  const g = image.getContext("2d");
  const pixels = g.createImageData(width, height);
  const colours = data.rows.map(({ cells }) => cells.map(({ value }) => scale.colour(value)));
  for (let py = 0; py < height; py += 1) {
    for (let px = 0; px < width; px += 1) {
      const [r, green, b] = colours[rows[py]][columns[px]];
      pixels.data.set([r, green, b, 255], 4 * (py * width + px));
    }
  }
  g.putImageData(pixels, 0, 0);
  return image;
}

// The cell of each of `count` pixels whose value on the axis is at(pixel).
function whichOf(count, at, { axis, places }) {
  const edges = edgesOf(places, axis.log);
  const rises = edges[edges.length - 1] >= edges[0];
  const found = [];
  let cellAt = 0;
  for (let pixel = 0; pixel < count; pixel += 1) {
    const value = at(pixel);
    const behind = (n) => (rises ? value >= edges[n + 1] : value < edges[n + 1]);
    const before = (n) => (rises ? value < edges[n] : value >= edges[n]);
    while (cellAt < places.length - 1 && behind(cellAt)) cellAt += 1;
    while (cellAt > 0 && before(cellAt)) cellAt -= 1;
    found.push(cellAt);
  }
  return found;
}

function paintColourBar(g, area, scale, value) {
  const left = area.right + 12;
  const at = (v) => area.bottom - ((v - scale.min) / (scale.max - scale.min)) * area.height;
  for (let i = 0; i < area.height; i += 1) {
    g.fillStyle = css(scale.colour(scale.min + ((i + 0.5) / area.height) * (scale.max - scale.min)));
    g.fillRect(left, area.bottom - i - 1, COLOUR_BAR, 1.5);
  }
  g.strokeStyle = INK;
  g.strokeRect(left, area.top, COLOUR_BAR, area.height);
  g.fillStyle = INK;
  g.textAlign = "left";
  g.textBaseline = "middle";
  const ticks = ticksOf(scale, area.height / 42);
  const texts = tickTexts(scale, ticks);
  ticks.forEach((v, i) => {
    line(g, left + COLOUR_BAR, at(v), left + COLOUR_BAR + 3, at(v));
    g.fillText(texts[i], left + COLOUR_BAR + 6, at(v));
  });
  g.textAlign = "right";
  g.textBaseline = "bottom";
  g.fillText(unitOf(value), left + COLOUR_BAR + 34, area.top - 5);
}
