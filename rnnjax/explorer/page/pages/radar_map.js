// The grid of the radar question: two points that can be moved, and forecasts of the third.

import { line } from "../charts/axes.js";
import { createPanel, haloText } from "../charts/canvas.js";
import { FAINT, GRID, INK } from "../charts/colours.js";

export const HALF = 2.5; // the grid reaches from -HALF to HALF cells
const SHOWN = [3, 4.6, 6.6]; // how far is drawn: forecasts may leave the grid
const NEAR = 26; // pixels within which a point is taken hold of

// A panel with show({a, b, arrow, marks: [{at: [x, y], colour, label, hollow}]}); moved(key, [x, y])
// is called with "a" or "b" as a point is dragged.
export function createRadarMap(parent, { title, moved }) {
  const map = { data: null, reach: SHOWN[0], scale: 1, centre: [0, 0], held: null };
  const panel = createPanel(parent, {
    title, height: 380,
    paint: (g, width, height) => map.data && paintRadar(g, width, height, map),
    read: (px, py) => (map.data ? readRadar(map, px, py) : ""),
  });
  listenForDrags(panel.canvas, map, moved, panel.redraw);
  return {
    element: panel.element, panel,
    show(data) {
      map.data = data;
      panel.redraw();
    },
  };
}

const toPixels = ({ scale, centre }, [x, y]) => [centre[0] + scale * x, centre[1] + scale * y];
const toCells = ({ scale, centre }, [px, py]) => [(px - centre[0]) / scale, (py - centre[1]) / scale];

function paintRadar(g, width, height, map) {
  const { data } = map;
  // A point that is held keeps its place under the pointer.
  if (!map.held) map.reach = reachOfMarks(data);
  map.scale = Math.min(width, height) / (2 * map.reach);
  map.centre = [width / 2, height / 2];
  const beside = normalTo(data.a, data.b);
  paintGrid(g, map);
  if (data.arrow) paintArrow(g, toPixels(map, data.a), toPixels(map, data.b));
  data.marks.forEach((mark) => paintMark(g, map, mark, beside));
  [data.a, data.b].forEach((at, n) => paintPoint(g, map, at, data.names[n], beside));
}

function reachOfMarks({ marks }) {
  const furthest = Math.max(...marks.flatMap(({ at }) => at.map(Math.abs)));
  return SHOWN.find((reach) => furthest + 0.4 <= reach) ?? furthest + 0.6;
}

// All points lie on one line: names stand on one side of it, labels of forecasts on the other. This
// is the unit vector to the latter, downward or to the right.
function normalTo(a, b) {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const length = Math.hypot(dx, dy);
  if (length === 0) return [1, 0];
  const [nx, ny] = [-dy / length, dx / length];
  const isTurned = Math.abs(nx) > 0.3 ? nx < 0 : ny < 0;
  return isTurned ? [-nx, -ny] : [nx, ny];
}

function paintBeside(g, text, px, py, [nx, ny], distance) {
  g.textAlign = nx > 0.3 ? "left" : nx < -0.3 ? "right" : "center";
  g.textBaseline = ny > 0.8 ? "top" : ny < -0.8 ? "bottom" : "middle";
  haloText(g, text, px + distance * nx, py + distance * ny);
}

function paintGrid(g, map) {
  g.strokeStyle = GRID;
  for (let k = -HALF; k <= HALF; k += 1) {
    line(g, ...toPixels(map, [k, -HALF]), ...toPixels(map, [k, HALF]));
    line(g, ...toPixels(map, [-HALF, k]), ...toPixels(map, [HALF, k]));
  }
  g.strokeStyle = FAINT;
  g.strokeRect(...toPixels(map, [-HALF, -HALF]), 2 * HALF * map.scale, 2 * HALF * map.scale);
}

function paintPoint(g, map, at, name, [nx, ny]) {
  const [px, py] = toPixels(map, at);
  g.fillStyle = INK;
  g.beginPath();
  g.arc(px, py, 7, 0, 2 * Math.PI);
  g.fill();
  paintBeside(g, name, px, py, [-nx, -ny], 12);
}

function paintArrow(g, [x1, y1], [x2, y2]) {
  const angle = Math.atan2(y2 - y1, x2 - x1);
  const tip = [x2 - 9 * Math.cos(angle), y2 - 9 * Math.sin(angle)];
  if (Math.hypot(x2 - x1, y2 - y1) < 22) return;
  g.strokeStyle = FAINT;
  g.fillStyle = FAINT;
  g.lineWidth = 2;
  line(g, x1, y1, ...tip);
  g.beginPath();
  g.moveTo(...tip);
  for (const turn of [2.6, -2.6]) g.lineTo(tip[0] + 9 * Math.cos(angle + turn), tip[1] + 9 * Math.sin(angle + turn));
  g.fill();
  g.lineWidth = 1;
}

function paintMark(g, map, { at, colour, label, hollow }, beside) {
  const [px, py] = toPixels(map, at);
  g.strokeStyle = colour;
  g.fillStyle = hollow ? "white" : colour;
  g.lineWidth = 2.5;
  g.beginPath();
  g.arc(px, py, 9, 0, 2 * Math.PI);
  g.fill();
  g.stroke();
  g.lineWidth = 1;
  g.fillStyle = colour;
  paintBeside(g, label, px, py, beside, 14);
}

function readRadar(map, px, py) {
  const [x, y] = toCells(map, [px, py]).map((v) => Number(v.toFixed(1)));
  return `column ${x}, row ${y}`.replaceAll("-", "−");
}

function listenForDrags(canvas, map, moved, drawn) {
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.style.touchAction = "none";
  canvas.style.cursor = "grab";
  canvas.addEventListener("pointerdown", (event) => {
    if (!map.data) return;
    const at = place(event);
    const distance = (key) => Math.hypot(...toPixels(map, map.data[key]).map((v, n) => v - at[n]));
    const key = distance("a") < distance("b") ? "a" : "b";
    if (distance(key) > NEAR) return;
    map.held = key;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (map.held) moved(map.held, toCells(map, place(event)));
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      map.held = null;
      drawn();
    });
  }
}
