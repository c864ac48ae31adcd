// Singular values of a matrix of rows with exponents of their own, each to high relative accuracy.
//
// One-sided Jacobi rotations of the rows (Demmel and Veselic, Jacobi's method is more accurate than
// QR, SIAM Journal on Matrix Analysis, 1992), in units of each row's own length, so that rows may
// differ by any number of orders of magnitude.

import { logNorm } from "./scan.js";

const MOST_SWEEPS = 30;
const DONE = 1e-15;

// Natural logs of the singular values, descending; `rows` are Float64Arrays, row i times
// 2^exponents[i]. The rows are overwritten. A generator that yields after each sweep.
export function* logSingularValues(rows, exponents) {
  const logs = rows.map((row, i) => unitRow(row, exponents[i]));
  for (let sweep = 0; sweep < MOST_SWEEPS; sweep += 1) {
    let largest = 0;
    for (let i = 0; i < rows.length; i += 1) {
      for (let j = i + 1; j < rows.length; j += 1)
        largest = Math.max(largest, rotate(rows, logs, i, j));
    }
    if (largest < DONE * rows.length) break;
    yield;
  }
  return Float64Array.from(logs).sort().reverse();
}

// Divide a row by its length and return the log of the length.
function unitRow(row, exponent) {
  const log = logNorm(row, 0);
  if (log !== -Infinity) for (let i = 0; i < row.length; i += 1) row[i] /= Math.exp(log);
  return log === -Infinity ? log : log + exponent * Math.LN2;
}

// Make two rows orthogonal; returns the |cosine| they had. With x the longer and y the shorter, both
// of length 1, delta the ratio of their lengths and c their cosine: x + delta^2 kappa y and
// y - kappa x are orthogonal for the kappa below.
function rotate(rows, logs, i, j) {
  const [long, short] = logs[i] >= logs[j] ? [i, j] : [j, i];
  if (logs[short] === -Infinity) return 0;
  const [x, y] = [rows[long], rows[short]];
  let c = 0;
  for (let m = 0; m < x.length; m += 1) c += x[m] * y[m];
  if (Math.abs(c) < DONE) return 0;
  const delta = Math.exp(logs[short] - logs[long]);
  const gap = 1 - delta * delta;
  const kappa = (2 * c) / (gap + Math.hypot(gap, 2 * delta * c));
  for (let m = 0; m < x.length; m += 1) {
    const [a, b] = [x[m], y[m]];
    x[m] = a + delta * delta * kappa * b;
    y[m] = b - kappa * a;
  }
  const shrink = -0.5 * Math.log1p((delta * kappa) ** 2);
  logs[long] += shrink + unitRow(x, 0);
  const left = unitRow(y, 0);
  logs[short] = left === -Infinity ? left : logs[short] + shrink + left;
  return Math.abs(c);
}
