// A network with its sequence, from a setting; what does not depend on the gain is made once.

import { cellOf } from "./cells.js";
import { initialWeights, scaled, sizesOf, whiteNoise } from "./weights.js";

// Setting {cell, weights, activation, leak, bias, forget, n, T, seed} -> {cell, T, drives, weights},
// to be completed by `withGain`. `own`, if given, is {values (T x n_x), length, columns}.
export function prepare(setting, own = null) {
  const T = own ? Math.min(own.length, setting.T) : setting.T;
  const n_x = own ? own.columns.length : undefined;
  const sizes = sizesOf(setting, n_x);
  const weights = initialWeights(setting, n_x);
  const x = own ? own.values : whiteNoise({ ...setting, T }, sizes);
  const cell = cellOf(setting, weights, n_x);
  return { setting, cell, T, weights, x, drives: drivesOf(weights, x, T, sizes) };
}

// The prepared network with its recurrent weights times `gain`.
export function withGain(prepared, gain) {
  return { ...prepared, W: scaled(prepared.weights.W, gain) };
}

// U x_t + b at every step, Float64Array (T x n_z).
function drivesOf({ U, b }, x, T, { n_x, n_z }) {
  const drives = new Float64Array(T * n_z);
  for (let t = 0; t < T; t += 1) {
    for (let i = 0; i < n_z; i += 1) {
      let sum = b[i];
      for (let j = 0; j < n_x; j += 1) sum += U[i * n_x + j] * x[t * n_x + j];
      drives[t * n_z + i] = sum;
    }
  }
  return drives;
}
