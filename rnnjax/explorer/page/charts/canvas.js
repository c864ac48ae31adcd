// README of charts/: a small toolkit of drawings on canvas.
//
// Every chart is made once, `create...(parent, fixed)`, and shown as often as numbers change,
// `chart.show(data)`. All charts have
//   chart.element        its <figure>, already a child of `parent`
//   chart.show(data)     draw these data from now on
//   chart.panel          its panel (below): setTitle(text), setNote(text)
// `fixed` has in common: title (what it shows, with units), height (pixels, default 260),
// wide (true: over all columns of the page), onPick (called on click or Enter, see the chart).
// Arrow keys move the place that is read out, with Shift by a larger step.
// An axis is {label, min, max, log, integer}; `label` carries the unit, min and max belong to `show`.
//
//   curves.js     createCurves(parent, {title, x: {label}, y: {label}, onPick(x)})
//                 show({x: {min, max}, y: {min, max}, curves: [{label, xs, ys, colour, dash, width,
//                 dots}], levels: [{y, label}], marks: [{x, label}]})   NaN breaks a curve
//                 a curve's `name` stands in the read-out in place of its label
//   heat_map.js   createHeatMap(parent, {title, x: {label}, y: {label}, bar: {label}, onPick(x, y),
//                 value(v): text of a value in the read-out, scale: "diverging" | "sequential"})
//                 show({xs, ys, values, limit, low, marker: {x, y}})   values[row * xs.length +
//                 column], rows along ys; diverging: white at 0, ends at +-limit; sequential: from
//                 low to limit; undefined rows are NaN, drawn grey; mark({x, y}) moves the marker
//   bars.js       createBars(parent, {title, y: {label}, x: {label}})
//                 show({bars: [{label, value, colour, note}], y: {min, max}})
//   unrolled.js   createUnrolled(parent, {title, onPick(lag)})
//                 show({log10: numbers by lag, chosen: lag})
//
// Below charts: `createChart`, what all of them share, on `createPanel` (a canvas of the device's
// resolution in a figure with a title, a line of notes and a line that reads values out);
// `plotArea` and `drawAxes` in axes.js.

import { INK } from "./colours.js";

const FONT = "12px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

// A figure: title, canvas, a read-out below it and a note. `paint(g, width, height)` draws it,
// `read(px, py)` returns the text that is read out at a place, or "".
export function createPanel(parent, { title, height = 260, wide = false, paint, read, pick }) {
  const element = document.createElement("figure");
  element.className = wide ? "panel wide" : "panel";
  const caption = childOf(element, "figcaption", title);
  const canvas = childOf(element, "canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", title);
  canvas.style.height = `${height}px`;
  const readout = childOf(element, "p", " ");
  readout.className = "readout";
  const note = childOf(element, "p");
  note.className = "note";
  parent.append(element);
  const panel = { element, canvas, hover: null, asked: false };
  panel.setTitle = (text) => {
    setText(caption, text);
    canvas.setAttribute("aria-label", text);
  };
  panel.setNote = (text) => setText(note, text);
  panel.say = (text) => setText(readout, text || " ");
  panel.redraw = () => askForFrame(panel, () => paintPanel(panel, height, paint));
  listenTo(panel, read, pick);
  listenToKeys(panel, readout, read, pick);
  new ResizeObserver(panel.redraw).observe(element);
  return panel;
}

// A chart on a panel: `show(data)` keeps the data and draws them. Of `of`, `paint(g, width, height,
// data)` draws; `at(px, py, data)`, null outside of what is drawn, is what lies at a place;
// `read(place, data)` is its text and `pick(place)` is called when it is chosen, both optional.
export function createChart(parent, fixed, { paint, at, read, pick }) {
  let data = null;
  const placeOf = (px, py) => (data ? at(px, py, data) : null);
  const withPlace = (act) => act && ((px, py) => {
    const place = placeOf(px, py);
    return place === null ? "" : act(place, data);
  });
  const panel = createPanel(parent, {
    ...fixed,
    paint: (g, width, height) => data && paint(g, width, height, data),
    read: withPlace(read),
    pick: fixed.onPick && withPlace(pick),
  });
  return {
    element: panel.element,
    panel,
    show(next) {
      data = next;
      panel.redraw();
    },
  };
}

function childOf(parent, tag, text = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  parent.append(element);
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Several requests within a frame are one drawing.
function askForFrame(panel, action) {
  if (panel.asked) return;
  panel.asked = true;
  requestAnimationFrame(() => {
    panel.asked = false;
    action();
  });
}

function paintPanel(panel, height, paint) {
  const { canvas } = panel;
  const width = canvas.clientWidth;
  if (width === 0) return; // its page is not shown
  const ratio = window.devicePixelRatio || 1;
  const pixels = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) {
    [canvas.width, canvas.height] = pixels;
  }
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, height);
  g.font = FONT;
  g.fillStyle = INK;
  g.strokeStyle = INK;
  g.lineWidth = 1;
  g.setLineDash([]);
  paint(g, width, height);
}

function listenTo(panel, read, pick) {
  const { canvas } = panel;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointermove", (event) => {
    panel.hover = place(event);
    if (pick && event.buttons === 1) pick(...panel.hover);
    if (read) panel.say(read(...panel.hover));
    panel.redraw();
  });
  canvas.addEventListener("pointerleave", () => {
    panel.hover = null;
    panel.say("");
    panel.redraw();
  });
  if (!pick) return;
  canvas.style.cursor = "crosshair";
  canvas.addEventListener("click", (event) => pick(...place(event)));
}

const KEY_MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const KEY_STEPS = [4, 40]; // pixels, without and with Shift

// The same by keys, from the middle of the canvas.
function listenToKeys(panel, readout, read, pick) {
  const { canvas } = panel;
  canvas.tabIndex = 0;
  canvas.addEventListener("keydown", (event) => {
    const move = KEY_MOVES[event.key];
    if (!move && !(pick && event.key === "Enter")) return;
    event.preventDefault();
    const size = [canvas.clientWidth, canvas.clientHeight];
    panel.hover ??= size.map((length) => length / 2);
    if (!move) return pick(...panel.hover);
    const step = KEY_STEPS[Number(event.shiftKey)];
    panel.hover = panel.hover.map((at, i) => Math.max(0, Math.min(size[i], at + step * move[i])));
    readout.setAttribute("aria-live", "polite");
    if (read) panel.say(read(...panel.hover));
    panel.redraw();
    return undefined;
  });
  canvas.addEventListener("blur", () => {
    panel.hover = null;
    readout.removeAttribute("aria-live");
    panel.say("");
    panel.redraw();
  });
}

// Text with a white edge, so that it stays readable on lines.
export function haloText(g, text, x, y) {
  g.save();
  g.strokeStyle = "white";
  g.lineWidth = 3;
  g.lineJoin = "round";
  g.setLineDash([]);
  g.strokeText(text, x, y);
  g.restore();
  g.fillText(text, x, y);
}
