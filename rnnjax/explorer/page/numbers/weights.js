// The initial weights of each cell as its init(key) in rnnjax draws them: the same seed is the same
// network. All numbers are float32 values.
//
// Weights are {W (n_z x n_s), U (n_z x n_x), b (n_z), ...}, row by row, with W for a gain of 1:
// `scaled` multiplies the gain in.

import { foldIn, keyOf, normal, split } from "./threefry.js";

export const N_INPUTS = 8; // white noise of rnnjax.tasks.WhiteNoise
const JORDAN = { n_x: 3, n_hidden: 4, n_y: 2 };

// The sizes of a cell: units n, entries of the state n_h, of what W is multiplied with n_s, and of
// the product n_z; inputs n_x, outputs n_y. `inputs` is given for a sequence of the reader's own.
export function sizesOf({ cell, n }, inputs) {
  const n_x = inputs ?? (cell === "jordan" ? JORDAN.n_x : N_INPUTS);
  if (cell === "neuron") return { n: 1, n_h: 1, n_s: 1, n_z: 1, n_x, n_y: 1 };
  if (cell === "lstm") return { n, n_h: 2 * n, n_s: n, n_z: 4 * n, n_x, n_y: 1 };
  if (cell === "gru") return { n, n_h: n, n_s: n, n_z: 3 * n, n_x, n_y: 1 };
  if (cell === "jordan")
    return { n: 2, n_h: JORDAN.n_y, n_s: JORDAN.n_y, n_z: JORDAN.n_hidden, n_x, n_y: JORDAN.n_y };
  return { n, n_h: n, n_s: n, n_z: n, n_x, n_y: 1 };
}

// The weights of a setting {cell, weights, bias, forget, n, seed}, with gain 1.
export function initialWeights(setting, n_x) {
  const sizes = sizesOf(setting, n_x);
  const key = foldIn(keyOf(setting.seed), 0);
  if (setting.cell === "jordan") return jordanWeights(key, sizes);
  if (setting.cell === "lstm" || setting.cell === "gru")
    return gatedWeights(key, sizes, setting.forget);
  return vanillaWeights(key, sizes, setting);
}

// White noise of a setting {T, seed}: Float32Array (T x n_x), the inputs of WhiteNoise.
export function whiteNoise({ T, seed }, { n_x, n_y }) {
  const drawn = normal(foldIn(keyOf(seed), 1), T * (n_x + n_y));
  return columnsOf(drawn, T, n_x + n_y, 0, n_x);
}

// W times the gain, float32 values as rnnjax rounds them.
export function scaled(W, gain) {
  const g = Math.fround(gain);
  return Float64Array.from(W, (w) => Math.fround(g * w));
}

function vanillaWeights(key, { n, n_x, n_y }, { cell, weights, bias }) {
  const [keyW, keyIO] = split(key);
  const drawn = normal(keyIO, n * n_x + n_y * n + n);
  const plain = cell === "neuron" || weights === "identity";
  const spread = Math.fround(bias);
  return {
    W: plain ? identityMatrix(n) : overRoot(normal(keyW, n * n), n),
    U: overRoot(drawn.subarray(0, n * n_x), n_x),
    b: drawn.slice(n * n_x + n_y * n).map((b) => spread * b),
  };
}

function gatedWeights(key, { n, n_x, n_y, n_z }, forget) {
  const [keyW, keyIO] = split(key);
  const gates = n_z / n;
  const W = new Float32Array(n_z * n);
  split(keyW, gates).forEach((k, i) => W.set(overRoot(normal(k, n * n), n), i * n * n));
  const drawn = normal(keyIO, n_z * n_x + n_y * n);
  const b = new Float32Array(n_z);
  b.fill(forget, n, 2 * n);
  return { W, U: overRoot(drawn.subarray(0, n_z * n_x), n_x), b };
}

function jordanWeights(key, { n_s, n_x, n_y, n_z }) {
  const n_in = n_x + n_s;
  const drawn = normal(key, n_z * n_in + n_y * n_z);
  // The cell multiplies by 1 / sqrt, which rounds otherwise than a division.
  const all = timesRounded(drawn.subarray(0, n_z * n_in), 1 / Math.sqrt(n_in));
  return {
    W: columnsOf(all, n_z, n_in, n_x, n_in),
    U: columnsOf(all, n_z, n_in, 0, n_x),
    b: new Float32Array(n_z),
    V: timesRounded(drawn.subarray(n_z * n_in), 1 / Math.sqrt(n_z)),
    c: new Float32Array(n_y),
  };
}

function overRoot(numbers, count) {
  const root = Math.fround(Math.sqrt(count));
  return numbers.map((v) => v / root);
}

function timesRounded(numbers, factor) {
  const rounded = Math.fround(factor);
  return numbers.map((v) => v * rounded);
}

function identityMatrix(n) {
  return Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
}

// Columns first..last-1 of a matrix of `width` columns.
function columnsOf(matrix, rows, width, first, last) {
  const out = new Float32Array(rows * (last - first));
  for (let i = 0; i < rows; i += 1) {
    out.set(matrix.subarray(i * width + first, i * width + last), i * (last - first));
  }
  return out;
}
