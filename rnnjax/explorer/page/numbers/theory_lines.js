// What theory says of the log of the norm at lag k: a line and, for most cells, a bound. Both are
// straight through 0; a rate is what a step adds, in nats.

import { logSingularValues } from "./jacobi.js";
import { sigmoid } from "./activations.js";

// {label, rate} of the line, or null. Vanilla: g, the spectral radius of large random weights; gated
// cells: what a gate at its bias keeps.
export function lineOf({ cell, gain, leak, forget }) {
  if (cell === "lstm") return { label: "forget gate at its bias", rate: Math.log(sigmoid(forget)) };
  if (cell === "gru") return { label: "gate z at its bias", rate: Math.log(sigmoid(forget)) };
  if (cell === "jordan" || leak !== 1) return null;
  return { label: "k log₁₀ g", rate: Math.log(gain) };
}

// The rate of the bound on ||J|| at gain g, from the one at gain 1: what `boundAtGain1` returned.
export function boundOf({ steepest, leak, norm }, gain) {
  return Math.log(1 - leak + leak * steepest * gain * norm);
}

// {steepest, leak, norm} with ||J|| <= 1 - leak + leak steepest gain norm: gamma ||W|| of vanilla
// cells, gamma^2 ||V|| ||W|| of the Jordan network; null for gated cells. A generator.
export function* boundAtGain1({ setting, cell, weights }) {
  if (!cell.activation) return null;
  const { steepest } = cell.activation;
  const norm = yield* spectralNorm(weights.W, cell.n_z);
  if (setting.cell !== "jordan") return { steepest, leak: setting.leak, norm };
  return {
    steepest: steepest ** 2,
    leak: 1,
    norm: norm * (yield* spectralNorm(weights.V, cell.n_h)),
  };
}

// The largest singular value of a matrix, given row by row.
function* spectralNorm(matrix, nRows) {
  const width = matrix.length / nRows;
  const rows = Array.from({ length: nRows }, (_, i) =>
    Float64Array.from(matrix.subarray(i * width, (i + 1) * width)),
  );
  return Math.exp((yield* logSingularValues(rows, new Array(nRows).fill(0)))[0]);
}
