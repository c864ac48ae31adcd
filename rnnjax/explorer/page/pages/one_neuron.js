// The one neuron of the slides "RNN: simple RNN": two inputs worked out step by step, then a long
// list of inputs, the product of factors on the way back, and the gradient that each weight gets.

import { createCurves } from "../charts/curves.js";
import { numberText, powerText } from "../charts/ticks.js";
import { ACTIVATIONS } from "../numbers/activations.js";
import {
  EXAMPLE_STEPS, INPUT_KINDS, chainGradient, chainInputs, logNormOfSigned, shareOfOldest, workedExample,
} from "../numbers/one_neuron.js";
import { element } from "../frame/dom.js";
import { finiteLimits, introduction, numberTable, titled } from "./parts.js";

const N_OLDEST = 10;
const LN10 = Math.LN10;

const weightControl = (key, label, value) => ({ key, kind: "number", label, value, min: -4, max: 4, step: 0.05 });
const neuronControls = [
  { key: "f", kind: "choice", label: "Activation f", value: "identity",
    options: ["identity", "tanh", "sigmoid", "relu"].map((value) => ({ value, label: value === "identity" ? "identity, f(x) = x" : value })) },
  weightControl("wn", "Recurrent weight w_n", 0.8),
  weightControl("w1", "w1 (two inputs)", 0.5),
  weightControl("w2", "w2 (two inputs)", 0.25),
  weightControl("w3", "w3 (two inputs)", 2),
  { key: "T", kind: "number", label: "Inputs, (t−50) to (t) if 51", unit: "steps", value: 51, min: 2, max: 200, step: 1, integer: true },
  { key: "inputs", kind: "choice", label: "Long list of inputs", value: INPUT_KINDS[0], options: INPUT_KINDS.map((value) => ({ value, label: value })) },
  { key: "seed", kind: "number", label: "Seed of the inputs", value: 0, min: 0, max: 9999, step: 1, integer: true, shown: (s) => s.inputs === "random" },
  { key: "target", kind: "number", label: "Target of the output", value: 0.25, min: -4, max: 4, step: 0.05 },
  { key: "clip", kind: "number", label: "Clipping: largest norm of the gradient", value: 1, min: 0.001, max: 1000, step: 0.001, log: true },
];

const NEURON_INTRODUCTION = [
  "A neuron reads its inputs one after the other and keeps one number, *h*. At every step *h* becomes "
  + "f(*w_n* *h* + input). To learn, the error of the last output is carried back, and every step back "
  + "multiplies it by *w_n* f′. If these factors are below 1, the oldest inputs get almost no gradient "
  + "(it vanishes); above 1, they get almost all of it (it explodes).",
];
const NEURON_TRY = [
  ["w_n = 0.8, f(x) = x: 50 steps back, 1.4e−5 of the gradient is left", "f=identity&wn=0.8"],
  ["w_n = 1.2, f(x) = x: it grows 9100 times", "f=identity&wn=1.2"],
  ["tanh, w_n = 2: above 1, but the neuron saturates and the gradient vanishes", "f=tanh&wn=2"],
  ["sigmoid, w_n = 4: the bound (w_n/4)^k says nothing; the factors still vanish", "f=sigmoid&wn=4"],
  ["relu, random inputs: one step below 0 ends the path", "f=relu&wn=1&inputs=random"],
];

export const oneNeuronPage = {
  id: "one_neuron",
  title: "One neuron",
  controls: neuronControls,
  draw: drawOneNeuron,
  api: { oneNeuron: oneNeuronNumbers },
};

// Everything that the page shows for a setting.
export function oneNeuronNumbers({ f, wn, w1, w2, w3, T, inputs, seed, target, clip }) {
  const x = chainInputs(inputs, T, seed);
  const chain = chainGradient(f, wn, x, target, clip);
  return {
    x,
    example: workedExample(f, { w1, w2, w3, wn }),
    ...chain,
    shareOldest: shareOfOldest(chain.gradient.wx, N_OLDEST),
  };
}

function drawOneNeuron(root) {
  introduction(root, "one_neuron", NEURON_INTRODUCTION, NEURON_TRY);
  const facts = element("ul", { class: "facts wide" });
  root.append(facts);
  const example = titled(root, "Two inputs, 2 and 4: y = w3 f(4 w2 + w_n f(2 w1)), step by step", "wide");
  const views = {
    facts,
    example: element("div", { class: "facts" }),
    decay: createCurves(root, { title: "What the input at lag k does to the last output, |dy/dx|; input weights and w3 are 1", x: { label: "lag k (steps)" }, y: { label: "log10 |dy/dx|" } }),
    factors: createCurves(root, { title: "The factor of each step back, w_n f′(z) at lag k; the product of all factors is |dy/dx|", x: { label: "lag k (steps)" }, y: { label: "w_n f′(z)" } }),
    gradient: createCurves(root, { title: "Gradient of the error E = (y − target)²/2 by the weight of each input, and what clipping leaves", x: { label: "step t of the input" }, y: { label: "log10 |dE/dw|" } }),
    states: createCurves(root, { title: "State of the neuron", x: { label: "step t" }, y: { label: "h_t" } }),
    norms: titled(root, "Norm of the gradient of E by groups of weights", "wide"),
  };
  example.append(views.example);
  views.norms.append(element("div"));
  return { update: (setting) => showOneNeuron(views, setting) };
}

function showOneNeuron(views, setting) {
  const found = oneNeuronNumbers(setting);
  views.example.replaceChildren(...exampleTables(found.example, setting));
  showCoefficients(views.decay, found, setting);
  showFactors(views.factors, found, setting);
  showGradient(views.gradient, found);
  const steps = found.h.map((_, t) => t + 1);
  const h = { label: "h", xs: steps, ys: found.h };
  views.states.show({ x: { min: 1, max: setting.T }, y: finiteLimits([h]), curves: [h] });
  views.norms.lastChild.replaceChildren(normTable(found));
  views.facts.replaceChildren(...factsOf(found, setting).map((text) => element("li", {}, text)));
}

function exampleTables({ steps, gradient }, { w1, w2, w3, wn }) {
  const weights = [["w1", w1], ["w2", w2], ["w3", w3], ["w_n", wn]];
  return [
    numberTable(["step", "value"], EXAMPLE_STEPS.map((name, n) => [name, numberText(steps[n], 7)])),
    numberTable(["weight", "value", "dy/dweight"], weights.map(([name, value], n) => [name, numberText(value), numberText(gradient[n], 7)])),
  ];
}

function showCoefficients(chart, { lags, x }, { f, wn }) {
  const ks = x.map((_, k) => k);
  const bound = (k) => (k * Math.log(Math.abs(wn)) + (k + 1) * Math.log(ACTIVATIONS[f].steepest)) / LN10;
  const measured = { label: "measured", xs: ks, ys: lags.logSize.map((v) => v / LN10) };
  const theory = { label: f === "identity" ? "k log10 |w_n|" : "bound", dash: [5, 4], xs: ks, ys: wn === 0 ? [0, ...ks.slice(1).map(() => NaN)] : ks.map(bound) };
  const zero = lags.logSize.indexOf(-Infinity);
  chart.panel.setNote(zero < 0 ? "" : `Exactly 0 from lag ${zero} on: ${wn === 0 ? "w_n is 0" : "a slope of 0 ends the path"}.`);
  chart.show({ x: { min: 0, max: ks.length - 1 }, y: finiteLimits([measured, theory]), curves: [theory, measured] });
}

function showFactors(chart, { lags }, { wn }) {
  const ks = lags.factor.map((_, k) => k).slice(1);
  const factors = { label: "factor", xs: ks, ys: lags.factor.slice(1), dots: ks.length <= 60 };
  const { min, max } = finiteLimits([factors, { ys: [0, 1.15, wn < 0 ? -1.15 : 1] }]);
  chart.show({ x: { min: 1, max: Math.max(2, ks.length) }, y: { min, max }, curves: [factors], levels: [{ y: 1, label: "1: neither vanishes nor explodes" }, ...(wn < 0 ? [{ y: -1, label: "−1" }] : [])] });
}

function showGradient(chart, { gradient, logScale }) {
  const steps = gradient.wx.map((_, t) => t + 1);
  const before = { label: "before clipping", xs: steps, ys: gradient.wx.map(({ logSize }) => logSize / LN10) };
  const after = { label: "after clipping", dash: [4, 3], xs: steps, ys: before.ys.map((v) => v + logScale / LN10) };
  const note = logScale < 0
    ? `Clipping multiplies every entry by ${powerText(logScale / LN10)}: the curve moves down and keeps its form.`
    : "The norm is below the threshold: clipping changes nothing.";
  chart.panel.setNote(note);
  chart.show({ x: { min: 1, max: steps.length }, y: finiteLimits([before, after]), curves: logScale < 0 ? [before, after] : [before] });
}

function normTable({ gradient, logNorm, logScale }) {
  const groups = [["w_n", gradient.wn.logSize], ["w3", gradient.w3.logSize], ["input weights", logNormOfSigned(gradient.wx)], ["all weights", logNorm]];
  return numberTable(["weights", "before clipping", "after clipping"],
    groups.map(([name, log]) => [name, powerText(log / LN10, 4), powerText((log + logScale) / LN10, 4)]));
}

function factsOf({ y, lags, gradient, shareOldest }, { T, target }) {
  const left = (lags.logSize[T - 1] - lags.logSize[0]) / LN10;
  const share = T > N_OLDEST ? [`the ${N_OLDEST} oldest inputs get ${powerText(Math.log10(shareOldest))} of the gradient by input weights, before and after clipping`] : [];
  return [
    `y = ${numberText(y)}, target ${numberText(target)}`,
    Number.isNaN(left) ? "no input has a gradient: the slope at the last step is 0" : `oldest over newest input: ${powerText(left)}`,
    `dE/dw_n = ${gradient.wn.sign < 0 ? "−" : ""}${powerText(gradient.wn.logSize / LN10)}`,
    ...share,
  ];
}
