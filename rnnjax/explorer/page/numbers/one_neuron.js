// One recurrent neuron, h_t = f(w_n h_{t-1} + w_t x_t), y = w_3 h_T, h_0 = 0.
//
//   y = w_3 f(x_2 w_2 + w_n f(x_1 w_1))                                  (1)   two inputs, by steps
//   dy/dx_{T-k} = w_3 w_{T-k} w_n^k prod_{t = T-k..T} f'(z_t)             (2)
//   dE/dw = (y - target) dy/dw,   E = (y - target)^2 / 2                  (3)
//
// A derivative is kept as a sign and the natural logarithm of its size, so that none underflows.
// The slides "RNN: simple RNN" work (1) out; `rnnjax.decks.chain` computes the same numbers.

import { ACTIVATIONS } from "./activations.js";
import { keyOf, uniform } from "./threefry.js";

// ln of the slope of the logistic function, at any distance from 0.
function logBell(z) {
  const size = Math.abs(z);
  return -size - 2 * Math.log1p(Math.exp(-size));
}

const LOG_SLOPES = {
  identity: () => 0,
  tanh: (z) => Math.log(4) + logBell(2 * z),
  sigmoid: logBell,
  relu: (z) => (z > 0 ? 0 : -Infinity),
};

export const EXAMPLE_STEPS = ["f(2 w1)", "4 w2", "4 w2 + w_n f(2 w1)", "f(4 w2 + w_n f(2 w1))", "y"];

// Every step of equation (1) and dy/dw1, dy/dw2, dy/dw3, dy/dw_n.
export function workedExample(name, { w1, w2, w3, wn }, [x1, x2] = [2, 4]) {
  const f = ACTIVATIONS[name];
  const h1 = f.fn(x1 * w1);
  const drive = x2 * w2;
  const z = drive + wn * h1;
  const h2 = f.fn(z);
  const back = w3 * f.slope(z);
  return {
    steps: [h1, drive, z, h2, w3 * h2],
    gradient: [back * wn * f.slope(x1 * w1) * x1, back * x2, h2, back * h1],
    slopes: [f.slope(x1 * w1), f.slope(z)],
  };
}

// States and arguments of f: {h, z} over t = 1..T, index t - 1; every input weight is 1.
export function chainStates(name, wn, x) {
  const f = ACTIVATIONS[name];
  const h = [];
  const z = [];
  for (const [t, input] of x.entries()) {
    z.push(wn * (t ? h[t - 1] : 0) + input);
    h.push(f.fn(z[t]));
  }
  return { h, z };
}

// Equation (2) at every lag, index k, with w_t = w_3 = 1.
//
// Returns {logSize, sign, factor, logFactor, logSlope}: factor is what lag k adds to the product,
// w_n f'(z_{T-k}), and f'(z_T) at lag 0; logFactor the natural logarithm of its size.
export function chainCoefficients(name, wn, z) {
  const f = ACTIVATIONS[name];
  const found = { logSize: [], sign: [], factor: [], logFactor: [], logSlope: [] };
  let total = 0;
  let sign = 1;
  for (let k = 0; k < z.length; k += 1) {
    const at = z[z.length - 1 - k];
    const weight = k ? wn : 1;
    const logSlope = LOG_SLOPES[name](at);
    const logFactor = Math.log(Math.abs(weight)) + logSlope;
    total += logFactor;
    sign *= Math.sign(weight);
    found.logSlope.push(logSlope);
    found.logFactor.push(logFactor);
    found.factor.push(weight * f.slope(at));
    found.logSize.push(total);
    found.sign.push(total === -Infinity ? 0 : sign);
  }
  return found;
}

// The sum of numbers that are given as signs and logarithms of their sizes, in the same form.
export function signedSum(terms) {
  const top = Math.max(-Infinity, ...terms.map((term) => term.logSize));
  if (top === -Infinity) return { logSize: -Infinity, sign: 0 };
  let sum = 0;
  for (const { logSize, sign } of terms) sum += sign * Math.exp(logSize - top);
  return { logSize: top + Math.log(Math.abs(sum)), sign: Math.sign(sum) };
}

// ln sqrt(sum of squares) of such numbers.
export function logNormOfSigned(terms) {
  return signedSum(terms.map(({ logSize }) => ({ logSize: 2 * logSize, sign: 1 }))).logSize / 2;
}

const asSigned = (value) => ({ logSize: Math.log(Math.abs(value)), sign: Math.sign(value) });
const signedProduct = (a, b) => ({ logSize: a.logSize + b.logSize, sign: a.sign * b.sign });

// Equation (3) for a chain whose inputs have weights of their own, all 1, as w_3.
//
// Returns y, error, the coefficients, the states, and `gradient`: {wx: one a step t, wn, w3} of
// {logSize, sign}; logNorm of all of them, logClipped after clipping to maxNorm, and logScale, what
// clipping adds to every logarithm.
export function chainGradient(name, wn, x, target, maxNorm) {
  const { h, z } = chainStates(name, wn, x);
  const lags = chainCoefficients(name, wn, z);
  const y = h[h.length - 1];
  const error = asSigned(y - target);
  const last = x.length - 1;
  const ofZ = x.map((_, t) => {
    const lag = last - t;
    return signedProduct(error, { logSize: lags.logSize[lag], sign: lags.sign[lag] });
  });
  const wx = ofZ.map((delta, t) => signedProduct(delta, asSigned(x[t])));
  const recurrent = ofZ.map((delta, t) => signedProduct(delta, asSigned(t ? h[t - 1] : 0)));
  const gradient = { wx, wn: signedSum(recurrent), w3: signedProduct(error, asSigned(y)) };
  const norm = logNormOfSigned([...wx, gradient.wn, gradient.w3]);
  const logScale = Math.min(0, Math.log(maxNorm) - norm);
  return { y, h, z, lags, gradient, logNorm: norm, logScale, logClipped: norm + logScale };
}

// Share of the n oldest inputs in the sum of |dE/dw_x|; 0 where there is no gradient.
export function shareOfOldest(wx, n) {
  const all = wx.map(({ logSize }) => ({ logSize, sign: 1 }));
  const total = signedSum(all);
  if (total.logSize === -Infinity) return 0;
  return Math.exp(signedSum(all.slice(0, n)).logSize - total.logSize);
}

export const INPUT_KINDS = ["1 at every step", "1 and -1 in turn", "random"];

// Inputs x_1..x_T: of size 1, or the first T of `jax.random.uniform(key(seed), minval=-1)`.
export function chainInputs(kind, length, seed) {
  if (kind === "random") return [...uniform(keyOf(seed), length)].map((u) => 2 * u - 1);
  return Array.from({ length }, (_, t) => (kind === INPUT_KINDS[1] && t % 2 ? -1 : 1));
}
