// The map of the norm over lag and gain: rows are computed a few a frame, coarse ones first.

import { withGain } from "../numbers/network.js";
import { backward, forward } from "../numbers/scan.js";
import { GAINS } from "./gradient_controls.js";

const N_ROWS = 49;

// Gains of the rows, evenly spaced in their logarithm.
export const mapGains = Array.from({ length: N_ROWS }, (_, i) =>
  Number((GAINS.min * (GAINS.max / GAINS.min) ** (i / (N_ROWS - 1))).toPrecision(3)),
);

// A job (frame/frames.js) that fills a map of the prepared network and calls `show(values)` as it
// goes; values[row * (T + 1) + lag] is log10 of the norm.
export function* mapJob(prepared, show) {
  const width = prepared.T + 1;
  const values = new Float64Array(N_ROWS * width).fill(NaN);
  for (const { row, reach } of coarseFirst(N_ROWS)) {
    const network = withGain(prepared, mapGains[row]);
    yield;
    const run = forward(network);
    yield;
    const logs = backward(network, run).map((log) => log / Math.LN10);
    for (let r = row; r < Math.min(N_ROWS, row + reach); r += 1) values.set(logs, r * width);
    show(values);
    yield;
  }
}

// Every 16th row, then every 8th ...; a coarse row stands for those up to the next one.
export function coarseFirst(count) {
  const order = [];
  for (let reach = 16; reach >= 1; reach /= 2) {
    for (let row = 0; row < count; row += reach) {
      if (reach === 16 || row % (2 * reach) !== 0) order.push({ row, reach });
    }
  }
  return order;
}
