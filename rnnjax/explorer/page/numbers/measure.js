// All numbers of the main page from one setting: what window.rnnjax.compute returns.

import { inFloat32 } from "./float32.js";
import { prepare, withGain } from "./network.js";
import { forward } from "./scan.js";
import {
  finished,
  lyapunovExponents,
  productSingularValues,
  stepSingularValues,
} from "./spectrum.js";
import { backwardWithWeights } from "./weight_gradient.js";

// Setting as in pages/gradient_controls.js, and `want`: which of float32, singularValues (at `lag`)
// exponents, weights and states to return as well; `own` is a sequence as in frame/own_sequence.js.
// Arrays are plain, logs are natural. At lag 0 the singular values of a step are those at lag 1.
// Raises RangeError for singular values at a lag that is no whole number from 0 to T.
export function compute(setting, want = [], own = null) {
  const network = withGain(prepare(setting, own), setting.gain);
  const run = forward(network);
  const { logs, logWeightNorm } = backwardWithWeights(network, run);
  const found = { log_norm: [...logs], log_weight_norm: logWeightNorm };
  if (want.includes("weights"))
    found.weights = { W: [...network.W], ...plainArrays(network.weights), x: [...network.x] };
  if (want.includes("states")) found.states = [...run.states];
  if (want.includes("float32")) found.float32 = finished(inFloat32(network));
  if (want.includes("singularValues")) {
    const { lag } = setting;
    if (!(Number.isInteger(lag) && lag >= 0 && lag <= network.T)) {
      throw new RangeError(`lag: expected a whole number from 0 to ${network.T}, got ${lag}`);
    }
    found.step = [...finished(stepSingularValues(network, run, Math.max(1, lag)))];
    found.product = [...finished(productSingularValues(network, run, lag))];
  }
  if (want.includes("exponents"))
    found.exponents = [...finished(lyapunovExponents(network, run, network.cell.n_h))];
  return found;
}

function plainArrays({ U, b, V, c }) {
  return Object.fromEntries(
    Object.entries({ U, b, V, c })
      .filter(([, v]) => v)
      .map(([k, v]) => [k, [...v]]),
  );
}
