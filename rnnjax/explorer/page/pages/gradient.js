// The main page: the gradient over lag and gain of one small network, computed as settings change.

import { createCommand } from "../frame/command.js";
import { element } from "../frame/dom.js";
import { onOwnSequence, ownSequence } from "../frame/own_sequence.js";
import { powerText } from "../charts/ticks.js";
import { inFloat32 } from "../numbers/float32.js";
import { compute } from "../numbers/measure.js";
import { prepare, withGain } from "../numbers/network.js";
import { forward } from "../numbers/scan.js";
import {
  genericDirections,
  lyapunovExponents,
  productSingularValues,
  stepSingularValues,
} from "../numbers/spectrum.js";
import { foldIn, keyOf, normal, randomBits, split, uniform } from "../numbers/threefry.js";
import { boundAtGain1, boundOf, lineOf } from "../numbers/theory_lines.js";
import { backwardWithWeights, logClipFactor } from "../numbers/weight_gradient.js";
import { gradientControls, NETWORK_KEYS } from "./gradient_controls.js";
import { mapJob } from "./gradient_map.js";
import { clipText, float32Text, sourceText } from "./gradient_notes.js";
import { commandOf, gradientIntro } from "./gradient_text.js";
import {
  gradientViews,
  showDecay,
  showExponents,
  showMap,
  showSingularValues,
  showTraces,
} from "./gradient_views.js";

const MOST_EXPONENTS = 12;

export const gradientPage = {
  id: "gradient",
  title: "Gradient by lag and gain",
  controls: gradientControls,
  draw: drawGradient,
  api: { compute, genericDirections, draws: { keyOf, foldIn, split, randomBits, uniform, normal } },
};

function drawGradient(root, { set, frames, head }) {
  gradientIntro(head);
  const page = { frames, facts: element("ul", { class: "facts wide", "aria-live": "polite" }) };
  page.sourceNote = element("p", { class: "note wide" });
  root.append(page.sourceNote, page.facts);
  const choose = (changes) => set(inRange(page, changes));
  page.views = gradientViews(root, choose);
  page.command = createCommand(root, "The same measured by rnnjax");
  onOwnSequence(() => page.setting && updateGradient(page, page.setting, NETWORK_KEYS));
  return { update: (setting, keys) => updateGradient(page, setting, keys) };
}

// A step picked in the traces is a lag.
function inRange(page, { stepFromTrace, ...changes }) {
  const { T } = page.prepared;
  if (stepFromTrace !== undefined) changes.lag = T - stepFromTrace;
  if (changes.lag !== undefined) changes.lag = Math.max(0, Math.min(T, changes.lag));
  return changes;
}

function updateGradient(page, setting, keys) {
  page.setting = setting;
  if (keys.some((key) => NETWORK_KEYS.includes(key))) newNetwork(page, setting);
  page.lag = Math.min(setting.lag, page.prepared.T);
  page.views.map.mark({ x: page.lag, y: setting.gain });
  page.frames.schedule("curves", curvesJob(page));
  const { text, note } = commandOf(setting, ownSequence() !== null);
  page.command.show(text, note);
}

function newNetwork(page, setting) {
  const own = setting.input === "own" ? ownSequence() : null;
  page.prepared = prepare(setting, own);
  page.bound = undefined;
  page.sourceNote.textContent = sourceText(setting, own, page.prepared.T);
  page.frames.schedule(
    "map",
    mapJob(page.prepared, (values) => {
      showMap(page.views.map, values, page.prepared.T, page.setting);
    }),
  );
}

// What a change of the gain needs at once; spectra follow when the frame has time for them.
function* curvesJob(page) {
  const { setting, prepared, lag } = page;
  const network = withGain(prepared, setting.gain);
  const run = forward(network);
  page.bound ??= yield* boundAtGain1(prepared);
  yield;
  const { logs, logWeightNorm } = backwardWithWeights(network, run);
  yield;
  const float32 = yield* inFloat32(network);
  yield;
  const log10 = logs.map((log) => log / Math.LN10);
  const factor =
    setting.clip === "norm" ? logClipFactor(logWeightNorm, setting.limit) / Math.LN10 : null;
  showDecay(page.views.decay, {
    log10,
    lag,
    float32: [...float32.flushed.norms].map(Math.log10),
    line: lineOf(setting),
    bound: page.bound && boundOf(page.bound, setting.gain),
    clipped: factor === null ? null : log10.map((v) => v + factor),
  });
  page.views.decay.panel.setNote(float32Text(float32, log10));
  page.views.unrolled.show({ log10, chosen: lag });
  showTraces(page.views.traces, run, network.cell.n_h, network.T, lag);
  showFacts(page, { log10, lag, logWeightNorm, factor, run });
  page.frames.schedule("spectra", spectraJob(page, network, run));
}

function* spectraJob(page, network, run) {
  const { lag } = page;
  if (run.firstNotFinite >= 0) return;
  const step = yield* stepSingularValues(network, run, Math.max(1, lag));
  yield;
  const exponents = yield* lyapunovExponents(
    network,
    run,
    Math.min(MOST_EXPONENTS, network.cell.n_h),
  );
  showExponents(page.views.exponents, exponents, network.cell.n_h);
  const product = yield* productSingularValues(network, run, lag);
  showSingularValues(page.views.values, step, product, lag);
}

function showFacts(page, { log10, lag, logWeightNorm, factor, run }) {
  const T = log10.length - 1;
  const facts = [
    `‖dL/dh(T−${lag})‖ = ${powerText(log10[lag])}`,
    `factor per step over all ${T} steps: ${powerText(log10[T] / T, 4)}`,
    `‖dL/dW‖ = ${powerText(logWeightNorm / Math.LN10)}`,
  ];
  if (factor !== null) facts.push(clipText(factor, page.setting.limit));
  if (run.firstNotFinite >= 0)
    facts.push(`The state is not finite from step ${run.firstNotFinite} on.`);
  page.facts.replaceChildren(...facts.map((text) => element("li", {}, text)));
}
