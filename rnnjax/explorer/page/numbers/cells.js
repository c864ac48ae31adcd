// The cells: what a step does between the product q = W s and the next state, and its derivative.
//
// With s the entries of the state that W reads and d = U x + b the drive, a cell is
//   {n_h, n_s, n_z, tape (numbers kept of a step), start (the initial state's entries),
//    activation where there is one, homogeneous: whether the state may be carried with a scale}
//   step(h, q, d, out, tape, at)    h_t into `out`, what its derivative needs into tape[at ...];
//                                   returns the exponent e of that derivative
//   pull(tape, at, v, dq, out)      J^T v: the part that goes through q into dq, the rest into out
//   push(tape, at, v, q, out)       J v, given q = W v_s
// and the derivative of a step is what pull and push say, times 2^e. J^T v = out + [W^T dq, 0].

import { FLOAT64, slopesInto } from "./activations.js";
import { jordanCell } from "./jordan_cell.js";
import { sizesOf } from "./weights.js";

// The cell of a setting {cell, activation, leak, n}, with the weights that a step itself reads, in
// one of the arithmetics of activations.js.
export function cellOf(setting, weights, n_x, arithmetic = FLOAT64) {
  const sizes = sizesOf(setting, n_x);
  const activation = arithmetic.activations[setting.activation];
  if (setting.cell === "lstm") return lstmCell(sizes, arithmetic);
  if (setting.cell === "gru") return gruCell(sizes, arithmetic);
  if (setting.cell === "jordan") return jordanCell(sizes, weights, activation);
  return vanillaCell(sizes, activation, setting.leak);
}

// h' = (1 - a) h + a f(q + d)
function vanillaCell(sizes, activation, leak) {
  const { n } = sizes;
  const keep = 1 - leak;
  const z = new Float64Array(n);
  return {
    ...sizes,
    tape: n,
    start: 0,
    activation,
    homogeneous: activation.homogeneous,
    step(h, q, d, out, tape, at) {
      for (let i = 0; i < n; i += 1) {
        z[i] = q[i] + d[i];
        out[i] = leak * activation.fn(z[i]) + keep * h[i];
      }
      const exponent = slopesInto(activation, z, 0, n, tape, at);
      if (keep === 0 || exponent === 0) return exponent;
      for (let i = 0; i < n; i += 1) tape[at + i] = 0; // nothing beside what the leak keeps
      return 0;
    },
    pull(tape, at, v, dq, out) {
      for (let i = 0; i < n; i += 1) {
        dq[i] = leak * tape[at + i] * v[i];
        out[i] = keep * v[i];
      }
    },
    push(tape, at, v, q, out) {
      for (let i = 0; i < n; i += 1) out[i] = leak * tape[at + i] * q[i] + keep * v[i];
    },
  };
}

// c' = s(f) c + s(i) tanh(g), h' = s(o) tanh(c'); the state is [h, c]. The tape holds, unit by unit,
// dc'/d(i, f, g), dh'/do, dh'/dc' and s(f).
function lstmCell(sizes, { sigmoid, tanh }) {
  const { n } = sizes;
  return {
    ...sizes,
    tape: 6 * n,
    start: 0,
    step(h, q, d, out, tape, at) {
      for (let j = 0; j < n; j += 1) {
        const [input, forget] = [sigmoid(q[j] + d[j]), sigmoid(q[n + j] + d[n + j])];
        const candidate = tanh(q[2 * n + j] + d[2 * n + j]);
        const output = sigmoid(q[3 * n + j] + d[3 * n + j]);
        const memory = forget * h[n + j] + input * candidate;
        const shown = tanh(memory);
        out[j] = output * shown;
        out[n + j] = memory;
        const k = at + 6 * j;
        tape[k] = input * (1 - input) * candidate;
        tape[k + 1] = forget * (1 - forget) * h[n + j];
        tape[k + 2] = input * (1 - candidate * candidate);
        tape[k + 3] = output * (1 - output) * shown;
        tape[k + 4] = output * (1 - shown * shown);
        tape[k + 5] = forget;
      }
      return 0;
    },
    pull(tape, at, v, dq, out) {
      for (let j = 0; j < n; j += 1) {
        const k = at + 6 * j;
        const memory = v[n + j] + tape[k + 4] * v[j];
        dq[j] = tape[k] * memory;
        dq[n + j] = tape[k + 1] * memory;
        dq[2 * n + j] = tape[k + 2] * memory;
        dq[3 * n + j] = tape[k + 3] * v[j];
        out[j] = 0;
        out[n + j] = tape[k + 5] * memory;
      }
    },
    push(tape, at, v, q, out) {
      for (let j = 0; j < n; j += 1) {
        const k = at + 6 * j;
        const memory =
          tape[k] * q[j] +
          tape[k + 1] * q[n + j] +
          tape[k + 2] * q[2 * n + j] +
          tape[k + 5] * v[n + j];
        out[j] = tape[k + 3] * q[3 * n + j] + tape[k + 4] * memory;
        out[n + j] = memory;
      }
    },
  };
}

// n' = tanh(d_n + s(r) q_n), h' = (1 - s(z)) n' + s(z) h. The tape holds, unit by unit, dh'/d(r, z,
// q_n) and s(z).
function gruCell(sizes, { sigmoid, tanh }) {
  const { n } = sizes;
  return {
    ...sizes,
    tape: 4 * n,
    start: 0,
    step(h, q, d, out, tape, at) {
      for (let j = 0; j < n; j += 1) {
        const reset = sigmoid(q[j] + d[j]);
        const z = q[n + j] + d[n + j];
        const [keep, open] = [sigmoid(z), sigmoid(-z)];
        const candidate = tanh(d[2 * n + j] + reset * q[2 * n + j]);
        out[j] = open * candidate + keep * h[j];
        const through = open * (1 - candidate * candidate);
        const k = at + 4 * j;
        tape[k] = through * q[2 * n + j] * reset * (1 - reset);
        tape[k + 1] = keep * open * (h[j] - candidate);
        tape[k + 2] = through * reset;
        tape[k + 3] = keep;
      }
      return 0;
    },
    pull(tape, at, v, dq, out) {
      for (let j = 0; j < n; j += 1) {
        const k = at + 4 * j;
        for (let part = 0; part < 3; part += 1) dq[part * n + j] = tape[k + part] * v[j];
        out[j] = tape[k + 3] * v[j];
      }
    },
    push(tape, at, v, q, out) {
      for (let j = 0; j < n; j += 1) {
        const k = at + 4 * j;
        out[j] =
          tape[k] * q[j] + tape[k + 1] * q[n + j] + tape[k + 2] * q[2 * n + j] + tape[k + 3] * v[j];
      }
    },
  };
}
