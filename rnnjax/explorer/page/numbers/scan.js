// The states of a network over a sequence, and the gradient on its way back, free of underflow.
//
// A network is {cell, W, drives (T x n_z), T}: see network.js. The gradient is that of L = u.h_T with
// u = 1/sqrt(n_h) in every entry, as rnnjax.probes.log_norm_by_lag takes it without a loss. It is
// carried as a vector times 2^exponent, so that no depth makes it 0 or inf.

const LARGE = 2 ** 100;

// The run of a network: states (T + 1 rows of n_h; row t is h_t 2^-scale_t), scale, the tape of all
// steps and the exponents of their derivatives. `firstNotFinite` is the first step t whose state is
// not finite, -1 if none is.
export function forward({ cell, W, drives, T }) {
  const { n_h, n_s, n_z } = cell;
  const states = new Float64Array((T + 1) * n_h).fill(cell.start, 0, n_h);
  const run = {
    states,
    tape: new Float64Array(T * cell.tape),
    exponents: new Int32Array(T),
    scale: new Int32Array(T + 1),
    firstNotFinite: -1,
  };
  const q = new Float64Array(n_z);
  for (let t = 0; t < T; t += 1) {
    const drive = drives.subarray(t * n_z, (t + 1) * n_z);
    const [h, d, scale] = onOneScale(states.subarray(t * n_h, (t + 1) * n_h), drive, run.scale[t]);
    const out = states.subarray((t + 1) * n_h, (t + 2) * n_h);
    multiply(W, n_z, n_s, h, q);
    run.exponents[t] = cell.step(h, q, d, out, run.tape, t * cell.tape);
    run.scale[t + 1] = scale + (cell.homogeneous ? rescale(out) : 0);
    if (run.firstNotFinite < 0 && !out.every(Number.isFinite)) run.firstNotFinite = t + 1;
  }
  return run;
}

// State and drive in the same unit 2^scale. A state far below 1 is brought back to plain numbers by
// a drive that is not 0, beside which it is nothing.
function onOneScale(h, drive, scale) {
  if (scale === 0 || drive.every((d) => d === 0)) return [h, drive, scale];
  if (scale < 0) return [h.map((v) => v * 2 ** scale), drive, 0];
  const factor = 2 ** -scale;
  return [h, drive.map((d) => factor * d), scale];
}

// Natural logs of ||dL/dh_{T-k}|| at k = 0..T. `visit(t, v, exponent, dq, taken)`, if given, is
// called for each step t = T..1 with dL/dh_t and with dL/dq_t 2^-taken.
export function backward({ cell, W, T }, run, visit) {
  const { n_h, n_s, n_z } = cell;
  let v = new Float64Array(n_h).fill(1 / Math.sqrt(n_h));
  let out = new Float64Array(n_h);
  const dq = new Float64Array(n_z);
  const logs = new Float64Array(T + 1);
  let exponent = 0;
  logs[0] = logNorm(v, 0);
  for (let k = 1; k <= T; k += 1) {
    const t = T - k;
    cell.pull(run.tape, t * cell.tape, v, dq, out);
    visit?.(t + 1, v, exponent, dq, exponent + run.exponents[t]);
    addTransposed(W, n_z, n_s, dq, out);
    exponent += run.exponents[t] + rescale(out);
    logs[k] = logNorm(out, exponent);
    [v, out] = [out, v];
  }
  return logs;
}

// Bring the largest entry near 1 where it is far from it; the exponent taken out is returned.
export function rescale(v) {
  let largest = 0;
  for (let i = 0; i < v.length; i += 1) largest = Math.max(largest, Math.abs(v[i]));
  if ((largest < LARGE && largest > 1 / LARGE) || largest === 0 || !Number.isFinite(largest))
    return 0;
  const exponent = Math.floor(Math.log2(largest));
  // In two halves: 2^-exponent alone may be beyond float64.
  const half = 2 ** -Math.trunc(exponent / 2);
  const rest = 2 ** -(exponent - Math.trunc(exponent / 2));
  for (let i = 0; i < v.length; i += 1) v[i] = v[i] * half * rest;
  return exponent;
}

export function logNorm(v, exponent) {
  let sum = 0;
  for (let i = 0; i < v.length; i += 1) sum += v[i] * v[i];
  return 0.5 * Math.log(sum) + exponent * Math.LN2;
}

// out = W s, for the first n_s entries of s.
export function multiply(W, n_z, n_s, s, out) {
  for (let i = 0; i < n_z; i += 1) {
    let sum = 0;
    const row = i * n_s;
    for (let j = 0; j < n_s; j += 1) sum += W[row + j] * s[j];
    out[i] = sum;
  }
}

// out += W^T dq, in its first n_s entries.
export function addTransposed(W, n_z, n_s, dq, out) {
  for (let i = 0; i < n_z; i += 1) {
    const factor = dq[i];
    if (factor === 0) continue;
    const row = i * n_s;
    for (let j = 0; j < n_s; j += 1) out[j] += W[row + j] * factor;
  }
}
