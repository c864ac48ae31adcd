// The radar question of the slides: two points are seen; where is the third, if it is known which
// came first, and if not?

import { createCurves } from "../charts/curves.js";
import { numberText } from "../charts/ticks.js";
import { element } from "../frame/dom.js";
import {
  RADAR_NETS, RADAR_START, bestGuess, pointForecasts, radarAnswer, radarPairs, radarUpdate,
  straightLines, thirdCells,
} from "../numbers/radar.js";
import { finiteLimits, introduction, numberTable, titled } from "./parts.js";
import { createRadarMap } from "./radar_map.js";

const RADAR_SIDE = 5;
const POINT_REACH = 2;
const MOST_RADAR_UPDATES = 300;
const RADAR_RATE = 0.03;
const NET_COLOURS = { RNN: "#1b4f9c", "ANN, ordered": "#0f766e", "ANN, without order": "#c2410c" };

const pointControl = (key, label, value) => ({ key, kind: "number", label, unit: "cells", value, min: -POINT_REACH, max: POINT_REACH, step: 0.1 });
const radarControls = [
  pointControl("ax", "First point, column", -1),
  pointControl("ay", "First point, row", -1),
  pointControl("bx", "Second point, column", 0),
  pointControl("by", "Second point, row", 0),
  { key: "snap", kind: "choice", label: "Dragged points", value: "cells", options: [{ value: "cells", label: "keep to the middle of cells" }, { value: "anywhere", label: "go anywhere" }] },
  { key: "updates", kind: "number", label: "Updates of the networks in training", value: MOST_RADAR_UPDATES, min: 0, max: MOST_RADAR_UPDATES, step: 1, integer: true },
];

const RADAR_INTRODUCTION = [
  "A radar sees a moving thing twice. If it is known which point came first, the third one lies as far "
  + "behind the second: 2*b* − *a*. A network that is given both points without their order cannot "
  + "tell the two directions apart. Both are equally likely, and the forecast with the least squared "
  + "error is their mean, the middle of the points: behind the last one, in the wrong direction. Drag "
  + "the points, or move them with the sliders.",
];
const RADAR_TRY = [
  ["The cells of the slides: expected (1, 1), wrong (−2, −2)", "ax=-1&ay=-1&bx=0&by=0"],
  ["At the border: only one direction stays on the grid, so that the order is not needed", "ax=-2&ay=0&bx=-1&by=0"],
  ["Twice as fast: the error without order is four times as large", "ax=-1&ay=0&bx=1&by=0"],
  ["Networks before training, then after 20 updates", "updates=20"],
  ["A thing that rests: the order does not matter", "ax=0&ay=0&bx=0&by=0"],
];

export const radarPage = { id: "radar", title: "Radar", controls: radarControls, draw: drawRadar, api: { radar: radarNumbers } };

// Training is the same for all points: the networks by update, {net: {weights: [], losses: []}}.
let trained = null;
function trainedNets() {
  if (trained) return trained;
  const pairs = radarPairs();
  trained = Object.fromEntries(Object.keys(RADAR_NETS).map((net) => {
    const found = { weights: [RADAR_START], losses: [] };
    for (let n = 0; n <= MOST_RADAR_UPDATES; n += 1) {
      const { weights, loss } = radarUpdate(net, found.weights[n], pairs, RADAR_RATE);
      found.losses.push(loss);
      found.weights.push(weights);
    }
    return [net, found];
  }));
  return trained;
}

// What the page shows for a setting.
export function radarNumbers({ ax, ay, bx, by, updates }) {
  const [a, b] = [[ax, ay], [bx, by]];
  const nets = Object.entries(trainedNets()).map(([net, { weights, losses }]) => ({
    net, weights: weights[updates], loss: losses[updates], answer: radarAnswer(net, weights[updates], a, b),
  }));
  return {
    ...pointForecasts(a, b), nets,
    known: thirdCells(a, b, RADAR_SIDE, true), unknown: thirdCells(a, b, RADAR_SIDE, false),
  };
}

function drawRadar(root, { set }) {
  introduction(root, "radar", RADAR_INTRODUCTION, RADAR_TRY);
  const state = { setting: null };
  const moved = (key, at) => {
    const step = state.setting.snap === "cells" ? 1 : 0.1;
    const [x, y] = at.map((v) => Number((Math.round(Math.max(-POINT_REACH, Math.min(POINT_REACH, v)) / step) * step).toFixed(1)) + 0);
    set({ [`${key}x`]: x, [`${key}y`]: y });
  };
  const views = {
    known: createRadarMap(root, { title: "Order known: the third point is 2b − a", moved }),
    unknown: createRadarMap(root, { title: "Order not known: two directions, and the mean of both", moved }),
    facts: titled(root, "What can be forecast", "wide"),
    losses: createCurves(root, { title: "One linear neuron in training: mean squared error over updates, in squares of the unit of the points", x: { label: "update" }, y: { label: "log10 of the mean squared error" } }),
    nets: titled(root, "The same neurons asked for the third point"),
    guesses: titled(root, "On a grid: how often the best guess of the third cell is right", "wide"),
  };
  views.facts.append(element("div"));
  views.nets.append(element("div"));
  views.guesses.append(guessTable());
  return {
    update(setting) {
      state.setting = setting;
      showRadar(views, setting);
    },
  };
}

function showRadar(views, setting) {
  const found = radarNumbers(setting);
  const [a, b] = [[setting.ax, setting.ay], [setting.bx, setting.by]];
  views.known.show({ a, b, arrow: true, names: ["1", "2"], marks: [{ at: found.ordered, colour: NET_COLOURS["ANN, ordered"], label: "forecast" }] });
  const share = (cell) => found.unknown.find((one) => one.cell.every((v, n) => v === cell[n]))?.p ?? 0;
  const isOnCells = [...a, ...b].every(Number.isInteger);
  const chance = (cell) => (isOnCells ? `${100 * share(cell)} %` : "50 %");
  views.unknown.show({
    a, b, arrow: false, names: ["?", "?"],
    marks: [
      { at: found.ordered, colour: "#7e22ce", label: chance(found.ordered), hollow: true },
      { at: found.reversed, colour: "#7e22ce", label: chance(found.reversed), hollow: true },
      { at: found.middle, colour: NET_COLOURS["ANN, without order"], label: "mean" },
    ],
  });
  views.unknown.panel.setNote(isOnCells ? "Chances of a thing that stays on the grid: a way that leads off it is ruled out." : "");
  views.facts.lastChild.replaceChildren(factTable(found));
  showLosses(views.losses, setting.updates);
  views.nets.lastChild.replaceChildren(netTable(found));
}

const pointText = (at) => `(${at.map((v) => numberText(Number(v.toFixed(3)), 4)).join(", ")})`;

function factTable({ ordered, reversed, middle, squaredSpeed, squaredError }) {
  return numberTable(["known", "best forecast (column, row)", "its mean squared error", "direction"], [
    ["which came first", pointText(ordered), "0", "right"],
    ["the wrong one taken for the first", pointText(reversed), numberText(9 * squaredSpeed), squaredSpeed ? "opposite" : "none"],
    ["both points, no order", pointText(middle), `${numberText(squaredError)} = 9/4 |b − a|²`, squaredSpeed ? "behind the last point" : "none"],
  ]);
}

function showLosses(chart, updates) {
  const xs = Array.from({ length: MOST_RADAR_UPDATES + 1 }, (_, n) => n);
  const curves = Object.entries(trainedNets()).map(([net, { losses }]) => ({
    label: net, xs, ys: losses.map((loss) => Math.log10(Math.max(loss, 1e-32))), colour: NET_COLOURS[net],
  }));
  chart.panel.setNote(`All networks start from the same weights. Without order the error stays at 9/4 of the mean squared speed. Dashed line: update ${updates}.`);
  chart.show({ x: { min: 0, max: MOST_RADAR_UPDATES }, y: finiteLimits(curves), curves, marks: [{ x: updates, label: "" }] });
}

function netTable({ nets, ordered }) {
  return numberTable(["network", "answer", "w_n", "w_x1", "w_x2", "w3"], nets.map(({ net, weights, answer }) => {
    const isUsed = (key) => (net === "RNN" ? key !== "wx2" : key !== "wn");
    const cells = ["wn", "wx1", "wx2", "w3"].map((key) => (isUsed(key) ? numberText(weights[key]) : "–"));
    const isRight = answer.every((v, n) => Math.abs(v - ordered[n]) < 0.05);
    return [net, `${pointText(answer)}${isRight ? ", right" : ""}`, ...cells];
  }));
}

function guessTable() {
  const rows = [[`${RADAR_SIDE} × ${RADAR_SIDE} cells`, false], [`${RADAR_SIDE} × ${RADAR_SIDE} cells, a torus`, true]].map(([label, torus]) => {
    const lines = straightLines(RADAR_SIDE, torus);
    const texts = [true, false].map((ordered) => {
      const { accuracy, crossEntropy } = bestGuess(lines, ordered);
      return `${numberText(100 * accuracy, 3)} %, ${numberText(crossEntropy, 3)} nat`;
    });
    return [label, String(lines.length), ...texts];
  });
  return numberTable(["grid", "ways", "order known", "order not known"], rows);
}
