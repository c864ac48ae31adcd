// The same gradient as plain float32 numbers, as a framework's automatic differentiation has it.
//
// States, products and sums are rounded to float32, forward and backward. With `flush`, backward
// results below the smallest normal number, 2^-126, are 0, as XLA computes on CPUs; without, they
// are rounded to the subnormal numbers, down to 2^-149.

import { FLOAT32 } from "./activations.js";
import { cellOf } from "./cells.js";

const SMALLEST_NORMAL = 2 ** -126;

// ||dL/dh_{T-k}|| at k = 0..T and the first lags at which it is 0 or not finite, -1 if at none:
// {norms, firstZero, firstNotFinite}, once with results flushed and once without. A generator that
// yields between the passes.
export function* inFloat32(network) {
  const {
    setting,
    weights,
    cell: { n_x },
  } = network;
  const cell = cellOf(setting, weights, n_x, FLOAT32);
  const tape = forwardTape(cell, network);
  yield;
  const flushed = backwardPass(cell, network, tape, SMALLEST_NORMAL);
  yield;
  return { flushed, kept: backwardPass(cell, network, tape, 0) };
}

// What the derivatives of all steps need, in float32: Float32Array (T x tape of the cell).
function forwardTape(cell, { W, drives, T }) {
  const { n_h, n_s, n_z } = cell;
  const tape = new Float32Array(T * cell.tape);
  const q = new Float32Array(n_z);
  let h = new Float32Array(n_h).fill(cell.start);
  let out = new Float32Array(n_h);
  for (let t = 0; t < T; t += 1) {
    multiplyRounded(W, n_z, n_s, h, q);
    const d = Float32Array.from(drives.subarray(t * n_z, (t + 1) * n_z));
    cell.step(h, q, d, out, tape, t * cell.tape);
    [h, out] = [out, h];
  }
  return tape;
}

function multiplyRounded(W, n_z, n_s, h, q) {
  for (let i = 0; i < n_z; i += 1) {
    let sum = 0;
    for (let j = 0; j < n_s; j += 1) sum = Math.fround(sum + Math.fround(W[i * n_s + j] * h[j]));
    q[i] = sum;
  }
}

// The pass in which results between -least and least are 0.
function backwardPass(cell, { W, T }, tape, least) {
  const { n_h, n_s, n_z } = cell;
  let v = new Float32Array(n_h).fill(1 / Math.sqrt(n_h));
  let out = new Float32Array(n_h);
  const dq = new Float32Array(n_z);
  const found = { norms: new Float64Array(T + 1), firstZero: -1, firstNotFinite: -1 };
  noteNorm(found, 0, v);
  for (let k = 1; k <= T; k += 1) {
    cell.pull(tape, (T - k) * cell.tape, v, dq, out);
    flush(dq, least);
    flush(out, least);
    for (let i = 0; i < n_z; i += 1) addRow(W, i * n_s, n_s, dq[i], out, least);
    noteNorm(found, k, out);
    [v, out] = [out, v];
  }
  return found;
}

function flush(v, least) {
  for (let i = 0; i < v.length; i += 1) if (v[i] < least && v[i] > -least) v[i] = 0;
}

// out += factor times a row of W; storing rounds to float32.
function addRow(W, row, n_s, factor, out, least) {
  for (let j = 0; j < n_s; j += 1) {
    let product = Math.fround(W[row + j] * factor);
    if (product < least && product > -least) product = 0;
    const sum = Math.fround(out[j] + product);
    out[j] = sum < least && sum > -least ? 0 : sum;
  }
}

// The squares of a norm leave float32 before the entries do: the norm is taken in float64.
function noteNorm(found, k, v) {
  let sum = 0;
  for (let i = 0; i < v.length; i += 1) sum += v[i] * v[i];
  found.norms[k] = Math.sqrt(sum);
  if (sum === 0 && found.firstZero < 0) found.firstZero = k;
  if (!Number.isFinite(sum) && found.firstNotFinite < 0) found.firstNotFinite = k;
}
