// The Jordan network as a cell: h = s(W o + d), o' = s(V h + c); its state is its output.

import { slopesInto } from "./activations.js";

// The tape holds s'(hidden), then s'(output); both V and c stand in `weights`.
export function jordanCell(sizes, { V, c }, activation) {
  const { n_h, n_z } = sizes;
  const z = new Float64Array(n_z);
  const y = new Float64Array(n_h);
  const hidden = new Float64Array(n_z);
  return {
    ...sizes,
    tape: n_z + n_h,
    start: 0,
    activation,
    step(h, q, d, out, tape, at) {
      for (let j = 0; j < n_z; j += 1) {
        z[j] = q[j] + d[j];
        hidden[j] = activation.fn(z[j]);
      }
      for (let i = 0; i < n_h; i += 1) {
        y[i] = c[i];
        for (let j = 0; j < n_z; j += 1) y[i] += V[i * n_z + j] * hidden[j];
        out[i] = activation.fn(y[i]);
      }
      const first = slopesInto(activation, z, 0, n_z, tape, at);
      return first + slopesInto(activation, y, 0, n_h, tape, at + n_z);
    },
    pull(tape, at, v, dq, out) {
      for (let j = 0; j < n_z; j += 1) {
        let sum = 0;
        for (let i = 0; i < n_h; i += 1) sum += V[i * n_z + j] * tape[at + n_z + i] * v[i];
        dq[j] = tape[at + j] * sum;
      }
      out.fill(0);
    },
    push(tape, at, v, q, out) {
      for (let i = 0; i < n_h; i += 1) {
        let sum = 0;
        for (let j = 0; j < n_z; j += 1) sum += V[i * n_z + j] * tape[at + j] * q[j];
        out[i] = tape[at + n_z + i] * sum;
      }
    },
  };
}
