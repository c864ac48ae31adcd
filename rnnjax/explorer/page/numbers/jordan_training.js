// Training of the Jordan network with 3 inputs, 4 hidden units and 2 outputs, as in the workbook.
//
//   h = s(W i + b),   o = s(V h + c),   i_t = (i1, i2_t, o2_{t-1})                      (1)
//   w <- w - eta sum_t dw_t,   dw_t the mean over the data pairs                        (2)
//   dw'_t = dw_t (dw_{t-1} / dw_{t-2})   from t = 3 on, each weight by itself            (3)
//
// "rnn" takes the error of each step by itself, "rnn+et" scales it by (3), and "rnn+et+dx" also
// adds di3 of the next step to the error of output 2: backpropagation through time. The numbers are
// those of `rnnjax.decks.workbook` in float64. A network is one Float64Array of 26 weights:
// W by rows (4 x 3), b (4), V by rows (2 x 4), c (2).

import { sigmoid } from "./activations.js";
import { keyOf, normal } from "./threefry.js";

export const SHEETS = ["rnn", "rnn+et", "rnn+et+dx"];
export const N_JORDAN_WEIGHTS = 26;
export const PAIR_START = 0.1;
const JORDAN_INPUTS = 3;
const JORDAN_HIDDEN = 4;
const JORDAN_OUTPUTS = 2;
const AT_B = JORDAN_INPUTS * JORDAN_HIDDEN;
const AT_V = AT_B + JORDAN_HIDDEN;
const AT_C = AT_V + JORDAN_HIDDEN * JORDAN_OUTPUTS;
const PAIR_STRENGTHS = [0.3, 0.6, 0.9];

export const WEIGHT_NAMES = [
  ...Array.from({ length: AT_B }, (_, n) => `w${Math.floor(n / JORDAN_INPUTS) + 1}${(n % JORDAN_INPUTS) + 1}`),
  ...Array.from({ length: JORDAN_HIDDEN }, (_, n) => `b${n + 1}`),
  ...Array.from({ length: AT_C - AT_V }, (_, n) => `v${Math.floor(n / JORDAN_HIDDEN) + 1}${(n % JORDAN_HIDDEN) + 1}`),
  ...Array.from({ length: JORDAN_OUTPUTS }, (_, n) => `c${n + 1}`),
];

// The first weights of `rnnjax.decks.workbook.network(spread)` for a seed; biases are 0.
export function firstJordanWeights(seed, spread) {
  const drawn = normal(keyOf(seed), AT_B + AT_C - AT_V);
  const factor = Math.fround(spread);
  const w = new Float64Array(N_JORDAN_WEIGHTS);
  for (let n = 0; n < AT_B; n += 1) w[n] = Math.fround(drawn[n] * factor);
  for (let n = AT_V; n < AT_C; n += 1) w[n] = Math.fround(drawn[n - AT_V + AT_B] * factor);
  return w;
}

// The 81 data pairs of `rnnjax.decks.DataPairs`, each {used, amount, i2, y}.
//
// i2 holds a number a step, y pairs (q_t, r_t); a balanced third of the pairs is used.
export function dataPairs(nSteps = 5) {
  const ramp = Array.from({ length: nSteps }, (_, t) => (t + 1) / nSteps);
  const shapes = [ramp, ramp.map(() => 0.5 + 0.5 / nSteps), [...ramp].reverse()];
  const pairs = [];
  for (let a = 0; a < 9; a += 1) {
    for (const [s, strength] of PAIR_STRENGTHS.entries()) {
      for (const [f, shape] of shapes.entries()) {
        const i2 = shape.map((value) => strength * value);
        pairs.push({ used: (a + s + f) % 3 === 0, ...dataPair(0.1 + 0.1 * a, i2) });
      }
    }
  }
  return pairs;
}

function dataPair(amount, i2) {
  let r = PAIR_START;
  const y = i2.map((value) => {
    const q = 0.1 + (0.8 * value * r) / 0.9;
    r += (0.1 + 0.4 * amount) * value * (0.9 - r);
    return [q, r];
  });
  return { amount, i2, y };
}

// Equation (1) along one pair: {hidden (T x 4), outputs (T x 2)}. `start` is o2 before step 1.
export function forwardPair(w, { amount, i2 }, start = PAIR_START) {
  const hidden = new Float64Array(i2.length * JORDAN_HIDDEN);
  const outputs = new Float64Array(i2.length * JORDAN_OUTPUTS);
  let fed = start;
  for (let t = 0; t < i2.length; t += 1) {
    const h = t * JORDAN_HIDDEN;
    for (let m = 0; m < JORDAN_HIDDEN; m += 1) {
      const row = m * JORDAN_INPUTS;
      hidden[h + m] = sigmoid(w[row] * amount + w[row + 1] * i2[t] + w[row + 2] * fed + w[AT_B + m]);
    }
    for (let n = 0; n < JORDAN_OUTPUTS; n += 1) {
      let sum = w[AT_C + n];
      for (let m = 0; m < JORDAN_HIDDEN; m += 1) sum += w[AT_V + n * JORDAN_HIDDEN + m] * hidden[h + m];
      outputs[t * JORDAN_OUTPUTS + n] = sigmoid(sum);
    }
    fed = outputs[t * JORDAN_OUTPUTS + 1];
  }
  return { hidden, outputs };
}

// Half the squared error of one pair, summed over its steps.
export function pairError(w, one) {
  const { outputs } = forwardPair(w, one);
  return outputs.reduce((sum, value, n) => sum + 0.5 * (value - targetOf(one, n)) ** 2, 0);
}

const targetOf = ({ y }, n) => y[n >> 1][n & 1]; // outputs lie in pairs, step after step

// The mean of `pairError` over pairs; Infinity where the weights have left all numbers.
export function meanPairError(w, pairs) {
  const mean = pairs.reduce((sum, one) => sum + pairError(w, one), 0) / pairs.length;
  return Number.isFinite(mean) ? mean : Infinity;
}

// dw_t, the mean over the pairs: a list over t of Float64Array(26).
//
// `throughTime` adds di3 of the next step to the error of output 2. `starts` gives o2 before the
// first step of every pair.
export function stepGradients(w, pairs, { throughTime = false, starts } = {}) {
  const steps = pairs[0].i2.map(() => new Float64Array(N_JORDAN_WEIGHTS));
  for (const [p, one] of pairs.entries()) {
    const start = starts ? starts[p] : PAIR_START;
    const run = forwardPair(w, one, start);
    let fed = 0;
    for (let t = steps.length - 1; t >= 0; t -= 1) {
      const { outputs } = run;
      const error = [0, 1].map((n) => outputs[2 * t + n] - one.y[t][n]);
      if (throughTime) error[1] += fed;
      const before = t ? outputs[2 * t - 1] : start;
      fed = addStepGradient(w, run, t, [one.amount, one.i2[t], before], error, steps[t]);
    }
  }
  for (const dw of steps) for (let n = 0; n < N_JORDAN_WEIGHTS; n += 1) dw[n] /= pairs.length;
  return steps;
}

// Adds the gradient of step t, from the error of its outputs, to `into`; returns di3.
function addStepGradient(w, { hidden, outputs }, t, inputs, error, into) {
  const delta = error.map((e, n) => e * outputs[2 * t + n] * (1 - outputs[2 * t + n]));
  let back = 0;
  for (let m = 0; m < JORDAN_HIDDEN; m += 1) {
    const h = hidden[t * JORDAN_HIDDEN + m];
    let sum = 0;
    for (let n = 0; n < JORDAN_OUTPUTS; n += 1) {
      const v = AT_V + n * JORDAN_HIDDEN + m;
      sum += w[v] * delta[n];
      into[v] += delta[n] * h;
    }
    const dh = sum * h * (1 - h);
    for (let k = 0; k < JORDAN_INPUTS; k += 1) into[m * JORDAN_INPUTS + k] += dh * inputs[k];
    into[AT_B + m] += dh;
    back += w[m * JORDAN_INPUTS + 2] * dh;
  }
  for (let n = 0; n < JORDAN_OUTPUTS; n += 1) into[AT_C + n] += delta[n];
  return back;
}

// Equation (3): Infinity or NaN where dw_{t-2} is 0, as arithmetic has it.
export function scaledByRatio(steps) {
  return steps.map((dw, t) =>
    t < 2 ? dw : dw.map((value, n) => value * (steps[t - 1][n] / steps[t - 2][n])),
  );
}

// dw_t of a sheet, scaled where it scales.
export function sheetSteps(sheet, w, pairs) {
  const steps = stepGradients(w, pairs, { throughTime: sheet.endsWith("+dx") });
  return sheet.includes("+et") ? scaledByRatio(steps) : steps;
}

// Equation (2): the weights after one training cycle.
export function trainingCycle(sheet, w, pairs, eta) {
  const next = Float64Array.from(w);
  for (const dw of sheetSteps(sheet, w, pairs)) {
    for (let n = 0; n < N_JORDAN_WEIGHTS; n += 1) next[n] -= eta * dw[n];
  }
  return next;
}

const weightNorm = (values) => Math.hypot(...values);

// ||dw_t|| over their sum: how heavily each step weighs.
export function stepShares(steps) {
  const norms = steps.map(weightNorm);
  const sum = norms.reduce((a, b) => a + b, 0);
  return norms.map((value) => value / sum);
}

// Mean over pairs and outputs of |o_t - y_t|, by step.
export function errorsByStep(w, pairs) {
  const sums = pairs[0].i2.map(() => 0);
  for (const one of pairs) {
    forwardPair(w, one).outputs.forEach((value, n) => {
      sums[n >> 1] += Math.abs(value - targetOf(one, n));
    });
  }
  return sums.map((sum) => sum / (pairs.length * JORDAN_OUTPUTS));
}

// Pairs whose steps are all alike, i2 = 0.5 and targets of 0.9, and the o2 that each keeps:
// {pairs, starts}. With them a larger share of t = 1 has no cause but the rule.
export function alikeSteps(w, pairs) {
  const equal = pairs.map((one) => ({
    ...one,
    i2: one.i2.map(() => 0.5),
    y: one.y.map(() => [0.9, 0.9]),
  }));
  const starts = equal.map((one) => {
    let fed = PAIR_START;
    for (let n = 0; n < 60; n += 1) [, fed] = forwardPair(w, { ...one, i2: [0.5] }, fed).outputs;
    return fed;
  });
  return { pairs: equal, starts };
}

// `shares` where the weights change after every step, at a learning rate.
export function onlineShares(w, pairs, eta, starts) {
  let now = Float64Array.from(w);
  let fed = starts ?? pairs.map(() => PAIR_START);
  const steps = pairs[0].i2.map((_, t) => {
    const at = pairs.map((one) => ({ amount: one.amount, i2: [one.i2[t]], y: [one.y[t]] }));
    const outputs = at.map((one, p) => forwardPair(now, one, fed[p]).outputs[1]);
    const [dw] = stepGradients(now, at, { starts: fed });
    now = now.map((value, n) => value - eta * dw[n]);
    fed = outputs;
    return dw;
  });
  return stepShares(steps);
}
