// The gradient with respect to the recurrent weights, dL/dW = sum_t dL/dq_t s_{t-1}^T, and what
// clipping by norm leaves of it.

import { backward, logNorm, rescale } from "./scan.js";

const RESCALE_FROM = 200; // exponents between a sum and a new term from which the sum is rescaled

// {logs: as backward(), logWeightNorm: natural log of ||dL/dW||}
export function backwardWithWeights(network, run) {
  const { n_h, n_s, n_z } = network.cell;
  const sum = { G: new Float64Array(n_z * n_s), exponent: -Infinity };
  const logs = backward(network, run, (t, v, exponent, dq, taken) => {
    const s = run.states.subarray((t - 1) * n_h, (t - 1) * n_h + n_s);
    addOuter(sum, dq, s, taken + run.scale[t - 1]);
  });
  if (sum.exponent === -Infinity) return { logs, logWeightNorm: -Infinity };
  const exponent = sum.exponent + rescale(sum.G); // squares of saturated slopes may be 0
  return { logs, logWeightNorm: logNorm(sum.G, exponent) };
}

// G 2^exponent += dq s^T 2^taken
function addOuter(sum, dq, s, taken) {
  if (dq.every((d) => d === 0) || s.every((v) => v === 0)) return;
  if (sum.exponent === -Infinity) sum.exponent = taken;
  if (taken > sum.exponent + RESCALE_FROM) {
    const smaller = 2 ** (sum.exponent - taken);
    for (let i = 0; i < sum.G.length; i += 1) sum.G[i] *= smaller;
    sum.exponent = taken;
  }
  const factor = 2 ** (taken - sum.exponent);
  for (let i = 0; i < dq.length; i += 1) {
    const part = factor * dq[i];
    if (part === 0) continue;
    for (let j = 0; j < s.length; j += 1) sum.G[i * s.length + j] += part * s[j];
  }
}

// The log of the factor min(1, limit / norm) that clipping by norm multiplies a gradient with.
export function logClipFactor(logNormOfGradient, limit) {
  return Math.min(0, Math.log(limit) - logNormOfGradient);
}
