// The Jordan network of the workbook in training: cycle by cycle, in the three ways of the slides.

import { createBars } from "../charts/bars.js";
import { LINE_COLOURS } from "../charts/colours.js";
import { createCurves } from "../charts/curves.js";
import { numberText } from "../charts/ticks.js";
import { element } from "../frame/dom.js";
import {
  SHEETS, WEIGHT_NAMES, alikeSteps, dataPairs, errorsByStep, firstJordanWeights, forwardPair,
  meanPairError, onlineShares, sheetSteps, stepGradients, stepShares, trainingCycle,
} from "../numbers/jordan_training.js";
import { actionButton, finiteLimits, introduction, numberTable } from "./parts.js";

const MOST_CYCLES = 1000;
const A_FRAME = 40; // ms between two cycles while playing

const jordanControls = [
  { key: "cycles", kind: "number", label: "Training cycles done", value: 20, min: 0, max: MOST_CYCLES, step: 1, integer: true },
  { key: "sheet", kind: "choice", label: "Way whose weights and outputs are shown", value: "rnn", options: SHEETS.map((value) => ({ value, label: value })) },
  { key: "eta", kind: "number", label: "Learning rate η", value: 0.5, min: 0.01, max: 10, step: 0.01, log: true },
  { key: "seed", kind: "number", label: "Seed of the first weights", value: 0, min: 0, max: 9999, step: 1, integer: true },
  { key: "spread", kind: "number", label: "Standard deviation of the first weights", value: 1, min: 0.05, max: 5, step: 0.05 },
  { key: "pair", kind: "number", label: "Data pair shown", value: 1, min: 1, max: 81, step: 1, integer: true },
  { key: "rate", kind: "number", label: "Rate of updates after every step", value: 2, min: 0.01, max: 10, step: 0.01, log: true, help: "For the shares at the bottom only." },
];

const JORDAN_INTRODUCTION = [
  "A network with 3 inputs, 4 hidden units and 2 outputs predicts a short sequence of 5 steps; its "
  + "second output comes back as the third input of the next step. In each training cycle the "
  + "weights change once, by the mean over 27 data pairs; 54 other pairs are held out. `rnn` "
  + "corrects each step by itself. `rnn+et` multiplies the change that step *t* asks for by the ratio of "
  + "the two steps before. `rnn+et+dx` also carries the error back through the third input.",
];
const JORDAN_TRY = [
  ["Press Play: rnn falls slowly and steadily", "cycles=0"],
  ["300 cycles: which of the three has the smallest error?", "cycles=300"],
  ["Seed 1: the ratio of rnn+et divides by numbers near 0, and the error jumps", "cycles=300&seed=1&sheet=rnn%2Bet"],
  ["Learning rate 5: rnn still learns", "cycles=300&eta=5"],
  ["Why does t = 1 weigh most? Compare the curves at the bottom before and after training", "cycles=1000&eta=2"],
];

export const jordanPage = {
  id: "jordan",
  title: "Jordan network",
  controls: jordanControls,
  draw: drawJordan,
  api: { jordan: jordanNumbers },
};

const ALL_PAIRS = dataPairs();
const USED = ALL_PAIRS.filter(({ used }) => used);
const HELD_OUT = ALL_PAIRS.filter(({ used }) => !used);

// A training history {w: [weights by cycle], used: [errors], heldOut: [errors]} at cycle 0.
function beginning(seed, spread) {
  const history = { w: [], used: [], heldOut: [] };
  record(history, firstJordanWeights(seed, spread));
  return history;
}

function record(history, w) {
  history.w.push(w);
  history.used.push(meanPairError(w, USED));
  history.heldOut.push(meanPairError(w, HELD_OUT));
}

function advance(history, sheet, eta) {
  record(history, trainingCycle(sheet, history.w[history.w.length - 1], USED, eta));
}

// What the page shows, computed at once: {sheet: {weights, used, heldOut}}, each
// a list by cycle, and the shares of the steps with the last weights of rnn.
export function jordanNumbers({ seed, spread, eta, cycles, rate }) {
  const found = SHEETS.map((sheet) => {
    const history = beginning(seed, spread);
    for (let n = 0; n < cycles; n += 1) advance(history, sheet, eta);
    return [sheet, { weights: history.w.map((w) => [...w]), used: history.used, heldOut: history.heldOut }];
  });
  const last = Float64Array.from(found[0][1].weights[cycles]);
  return { ...Object.fromEntries(found), shares: sharesOf(last, rate) };
}

// How heavily the steps weigh for some weights, each way of counting: lists over t.
export function sharesOf(w, rate) {
  const equal = alikeSteps(w, USED);
  const errors = errorsByStep(w, USED);
  const sum = errors.reduce((a, b) => a + b, 0);
  return {
    local: stepShares(stepGradients(w, USED)),
    throughTime: stepShares(stepGradients(w, USED, { throughTime: true })),
    errors: errors.map((e) => e / sum),
    online: onlineShares(w, USED, rate),
    equal: stepShares(stepGradients(w, equal.pairs, { starts: equal.starts })),
  };
}

function drawJordan(root, { set, frames }) {
  introduction(root, "jordan", JORDAN_INTRODUCTION, JORDAN_TRY);
  const state = { histories: new Map(), timer: 0, setting: null, key: "" };
  const play = actionButton("Play", () => toggle());
  const buttons = element("div", { class: "wide buttons", role: "group", "aria-label": "Training" },
    actionButton("Step", () => set({ cycles: Math.min(MOST_CYCLES, state.setting.cycles + 1) })),
    play, actionButton("Reset", () => { stop(); set({ cycles: 0 }); }));
  const status = element("p", { class: "readout", role: "status" });
  root.append(buttons);
  buttons.append(status);
  const views = chartsOf(root);

  function stop() {
    clearInterval(state.timer);
    state.timer = 0;
    play.textContent = "Play";
  }
  function toggle() {
    if (state.timer) return stop();
    play.textContent = "Pause";
    state.timer = setInterval(() => {
      // A tab that was left does not go on; nor do cycles that are not computed yet pile up.
      if (root.offsetParent === null || state.setting.cycles >= MOST_CYCLES) stop();
      else if (done(state) >= state.setting.cycles) set({ cycles: state.setting.cycles + 1 });
    }, A_FRAME);
    return undefined;
  }
  return {
    update(setting) {
      state.setting = setting;
      const key = [setting.seed, setting.spread, setting.eta].join();
      if (key !== state.key) {
        state.key = key;
        state.histories = new Map(SHEETS.map((sheet) => [sheet, beginning(setting.seed, setting.spread)]));
      }
      frames.schedule("jordan", training(state, views, status));
    },
  };
}

// Cycles for which all three histories are there.
const done = ({ histories }) => Math.min(...[...histories.values()].map(({ w }) => w.length - 1));

function* training(state, views, status) {
  const { setting } = state;
  for (;;) {
    const behind = SHEETS.filter((sheet) => state.histories.get(sheet).w.length <= setting.cycles);
    if (behind.length === 0) break;
    for (const sheet of behind) advance(state.histories.get(sheet), sheet, setting.eta);
    if (done(state) % 20 === 0) status.textContent = `Computing: ${done(state)} of ${setting.cycles} cycles.`;
    yield;
  }
  showTraining(views, state);
  status.textContent = statusText(state);
  yield;
  showShares(views.shares, state);
}

function statusText({ setting, histories }) {
  const words = SHEETS.map((sheet) => `${sheet} ${errorText(histories.get(sheet).used[setting.cycles])}`);
  return `After ${setting.cycles} cycles, error of the pairs used: ${words.join(", ")}.`;
}

const errorText = (value) => (Number.isFinite(value) ? numberText(value) : "no number");

function chartsOf(root) {
  const errors = createCurves(root, { title: "Error over training cycles: mean over pairs of the sum over steps of half the squared error", x: { label: "training cycle" }, y: { label: "error E", log: true }, height: 300 });
  const table = element("section", {}, element("h3", {}, "Errors now, beginning, and best so far"), element("div"));
  root.append(table);
  return {
    errors, table: table.lastChild,
    outputs: createCurves(root, { title: "Outputs of one data pair and their targets", x: { label: "step t" }, y: { label: "output, target" } }),
    weights: createBars(root, { title: "The 26 weights", y: { label: "weight" } }),
    changes: createBars(root, { title: "What the steps ask for: norm of the change of the weights by step, after the ratio", y: { label: "‖dw_t‖" } }),
    shares: createCurves(root, { title: "Why does t = 1 weigh most? Share of each step in the sum of ‖dw_t‖", x: { label: "step t" }, y: { label: "share" }, height: 320 }),
  };
}

function showTraining(views, state) {
  const { setting, histories } = state;
  showErrors(views.errors, histories, setting.cycles);
  views.table.replaceChildren(errorTable(histories, setting.cycles));
  const w = histories.get(setting.sheet).w[setting.cycles];
  showOutputs(views.outputs, w, setting);
  const bars = [...w].map((value, n) => ({ label: WEIGHT_NAMES[n], value, colour: colourOfWeight(n) }));
  views.weights.panel.setTitle(`The 26 weights of ${setting.sheet} after ${setting.cycles} cycles`);
  views.weights.panel.setNote("w: hidden units from inputs 1 to 3; b: their biases; v: outputs from hidden units; c: biases of the outputs.");
  views.weights.show({ bars, y: barLimits(bars) });
  const norms = sheetSteps(setting.sheet, w, USED).map((dw, t) => ({ label: `t = ${t + 1}`, value: Math.hypot(...dw) }));
  views.changes.panel.setTitle(`What the steps of ${setting.sheet} ask for: norm of the change of the weights by step`);
  views.changes.panel.setNote(setting.sheet.includes("+et") ? "From t = 3 on each weight's change is multiplied by the ratio of the two steps before." : "");
  views.changes.show({ bars: norms, y: barLimits(norms) });
}

// From 0, with room above the longest bar.
function barLimits(bars) {
  const { min, max } = finiteLimits([{ ys: [0, ...bars.map(({ value }) => value)] }]);
  return { min: bars.every(({ value }) => value >= 0) ? 0 : min, max };
}

const colourOfWeight = (n) => LINE_COLOURS[n < 12 ? 0 : n < 16 ? 2 : n < 24 ? 1 : 4];

function showErrors(chart, histories, cycles) {
  const curves = SHEETS.flatMap((sheet, i) => {
    const { used, heldOut } = histories.get(sheet);
    const xs = used.slice(0, cycles + 1).map((_, n) => n);
    const finite = (errors) => errors.slice(0, cycles + 1).map((e) => (Number.isFinite(e) ? e : NaN));
    return [
      { label: sheet, xs, ys: finite(used), colour: LINE_COLOURS[i] },
      { name: `${sheet}, held out`, xs, ys: finite(heldOut), colour: LINE_COLOURS[i], dash: [3, 3], width: 1.2 },
    ];
  });
  const { min, max } = finiteLimits(curves.map(({ ys }) => ({ ys: ys.map(Math.log) })));
  chart.panel.setNote("Full lines: the 27 pairs used; dashed: the 54 held out. A line ends where the weights are no numbers any more. The ratio of rnn+et enlarges rounding errors, so that after about 20 cycles another program, which rounds otherwise, has another curve.");
  chart.show({ x: { min: 0, max: Math.max(1, cycles) }, y: { min: Math.exp(min), max: Math.exp(max) }, curves });
}

function errorTable(histories, cycles) {
  const rows = SHEETS.map((sheet) => {
    const { used, heldOut } = histories.get(sheet);
    const best = Math.min(...used.slice(0, cycles + 1));
    return [sheet, errorText(used[cycles]), errorText(heldOut[cycles]), errorText(used[0]), errorText(best)];
  });
  return numberTable(["way", "used", "held out", "at cycle 0", "best"], rows);
}

function showOutputs(chart, w, { pair, sheet }) {
  const one = ALL_PAIRS[pair - 1];
  const { outputs } = forwardPair(w, one);
  const xs = one.i2.map((_, t) => t + 1);
  const of = (label, n, target) => [
    { label, xs, ys: xs.map((_, t) => outputs[2 * t + n]), colour: LINE_COLOURS[n], dots: true },
    { label: target, xs, ys: xs.map((_, t) => one.y[t][n]), colour: LINE_COLOURS[n], dash: [4, 3], dots: true },
  ];
  chart.panel.setTitle(`Outputs of data pair ${pair} (${one.used ? "used" : "held out"}) and their targets, ${sheet}`);
  chart.panel.setNote(`i1 = ${numberText(one.amount)} at all steps; i2 = ${one.i2.map((v) => numberText(v, 3)).join(", ")}; i3 is output 2 of the step before.`);
  chart.show({ x: { min: 1, max: xs.length, ticks: xs }, y: { min: 0, max: 1 }, curves: [...of("output 1", 0, "target 1"), ...of("output 2 (fed back)", 1, "target 2")] });
}

function showShares(chart, { setting, histories }) {
  const w = histories.get(setting.sheet).w[setting.cycles];
  const found = sharesOf(w, setting.rate);
  const xs = found.local.map((_, t) => t + 1);
  const names = { local: "each step by itself", throughTime: "through time (dx)", errors: "share of |error|", online: "update every step", equal: "all steps alike" };
  const curves = Object.entries(names).map(([key, label]) => ({ label, xs, ys: found[key], dots: true }));
  chart.panel.setNote("t = 1 weighs most where errors are largest: targets begin near 0.1, where an untrained network answers 0.5. With updates after every step it weighs even more, since it has corrected already what later steps share. With steps that are all alike every share is 1/5; the way back through time adds little here.");
  chart.show({ x: { min: 1, max: xs.length, ticks: xs }, y: { min: 0, max: Math.max(0.45, finiteLimits(curves).max) }, curves, levels: [{ y: 0.2, label: "" }] });
}
