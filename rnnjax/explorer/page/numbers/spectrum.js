// Singular values of Jacobians and of their products, and finite-time Lyapunov exponents.
//
// The functions are generators that yield about every millisecond and return their result, for
// frame/frames.js; `finished` runs one at once.

import { logSingularValues } from "./jacobi.js";
import { gradedQR } from "./qr.js";
import { addTransposed, multiply, rescale } from "./scan.js";
import { keyOf, normal } from "./threefry.js";

const WORK = 5e5; // multiplications between two yields

export function finished(generator) {
  for (;;) {
    const { done, value } = generator.next();
    if (done) return value;
  }
}

// J_t^T v into `out`, without the exponent of the step; t counts from 0.
function pullThrough({ cell, W }, run, t, v, dq, out) {
  cell.pull(run.tape, t * cell.tape, v, dq, out);
  addTransposed(W, cell.n_z, cell.n_s, dq, out);
}

// The Jacobian of the step from h_t to h_{t+1}, {rows, exponent}: row i is J^T e_i.
export function jacobian(network, run, t) {
  const { n_h, n_z } = network.cell;
  const rows = Array.from({ length: n_h }, (_, i) => {
    const unit = new Float64Array(n_h);
    unit[i] = 1;
    const out = new Float64Array(n_h);
    pullThrough(network, run, t, unit, new Float64Array(n_z), out);
    return out;
  });
  return { rows, exponent: run.exponents[t] };
}

// Natural logs of the singular values of the step at a lag, dh_{T-lag+1}/dh_{T-lag}, descending.
export function* stepSingularValues(network, run, lag) {
  const { rows, exponent } = jacobian(network, run, network.T - lag);
  return yield* logSingularValues(rows, new Array(rows.length).fill(exponent));
}

// Natural logs of the singular values of dh_T/dh_{T-lag}, descending. Its transpose is Q D R, with
// J^T Q = Q' r and D' R' = r D R, as in rnnjax.probes.log_singular_values. Q starts generic, so that
// directions come out in the order of their growth and the rows of D R stay far from parallel.
export function* productSingularValues(network, run, lag) {
  const { n_h, n_z } = network.cell;
  let Q = genericDirections(n_h, n_h);
  let next = new Float64Array(n_h * n_h);
  let rows = Array.from({ length: n_h }, (_, i) => Q.slice(i * n_h, (i + 1) * n_h));
  let exponents = new Array(n_h).fill(0);
  const dq = new Float64Array(n_z);
  let work = 0;
  for (let k = 1; k <= lag; k += 1) {
    const t = network.T - k;
    for (let j = 0; j < n_h; j += 1) {
      pullThrough(network, run, t, columnOf(Q, n_h, j), dq, columnOf(next, n_h, j));
    }
    const r = withoutRounding(gradedQR(next, n_h, n_h), n_h);
    [rows, exponents] = timesTriangular(r, rows, exponents, run.exponents[t]);
    [Q, next] = [next, Q];
    work += 4 * n_h ** 3;
    if (work > WORK) {
      work = 0;
      yield k;
    }
  }
  return yield* logSingularValues(rows, exponents);
}

// r with the rows that are nothing but rounding set to 0: the rank that QR blurs. A pivot that is
// small beside its row turns the columns before it, and rows below hold its rounding that many times.
function withoutRounding(r, n) {
  const sizes = Array.from({ length: n }, (_, i) =>
    Math.max(...r.subarray(i * n, (i + 1) * n).map(Math.abs)),
  );
  const largest = Math.max(...sizes);
  let amplified = 0;
  sizes.forEach((size, i) => {
    if (size <= (n + amplified) * Number.EPSILON * largest) r.fill(0, i * n, (i + 1) * n);
    const pivot = r[i * n + i];
    amplified = Math.max(amplified, pivot > 0 ? size / pivot : 1);
  });
  return r;
}

// Rows of r D R with their exponents; r is upper triangular times 2^exponent.
function timesTriangular(r, rows, exponents, exponent) {
  const n = rows.length;
  const made = rows.map((_, i) => {
    let top = -Infinity;
    for (let j = i; j < n; j += 1) if (r[i * n + j] !== 0) top = Math.max(top, exponents[j]);
    const sum = new Float64Array(n);
    if (top === -Infinity) return [sum, 0];
    for (let j = i; j < n; j += 1) {
      const factor = r[i * n + j] * 2 ** (exponents[j] - top);
      if (factor !== 0) for (let m = 0; m < n; m += 1) sum[m] += factor * rows[j][m];
    }
    return [sum, top + exponent + rescale(sum)];
  });
  return [made.map(([row]) => row), made.map(([, e]) => e)];
}

// The first `count` finite-time Lyapunov exponents over steps 1..T, nats per step, descending, from
// generic first directions; others give values that differ by some 1/T.
export function* lyapunovExponents(network, run, count) {
  const { cell, W, T } = network;
  const { n_h, n_s, n_z } = cell;
  let Q = genericDirections(n_h, count);
  let next = new Float64Array(n_h * count);
  const q = new Float64Array(n_z);
  const sums = new Float64Array(count);
  let work = 0;
  for (let t = 0; t < T; t += 1) {
    for (let j = 0; j < count; j += 1) {
      const v = columnOf(Q, n_h, j);
      multiply(W, n_z, n_s, v, q);
      cell.push(run.tape, t * cell.tape, v, q, columnOf(next, n_h, j));
    }
    const R = gradedQR(next, n_h, count);
    for (let j = 0; j < count; j += 1)
      sums[j] += Math.log(R[j * count + j]) + run.exponents[t] * Math.LN2;
    [Q, next] = [next, Q];
    work += count * (n_z * n_s + 3 * n_h * count);
    if (work > WORK) {
      work = 0;
      yield t;
    }
  }
  return sums
    .map((sum) => sum / T)
    .sort()
    .reverse();
}

// Orthonormal directions, the same ones in every run: Float64Array of `count` columns.
export function genericDirections(n, count) {
  const Q = Float64Array.from(normal(keyOf(0), n * count));
  gradedQR(Q, n, count);
  return Q;
}

function columnOf(matrix, n, j) {
  return matrix.subarray(j * n, (j + 1) * n);
}
