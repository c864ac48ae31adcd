// The charts of the main page, each shown from the numbers that gradient.js computes.

import { createBars } from "../charts/bars.js";
import { createCurves } from "../charts/curves.js";
import { createHeatMap } from "../charts/heat_map.js";
import { createUnrolled } from "../charts/unrolled.js";
import { FAINT } from "../charts/colours.js";
import { numberText, powerText } from "../charts/ticks.js";
import { mapGains } from "./gradient_map.js";

const LOG_NORM = "log₁₀ ‖dL/dh(T−k)‖";
const N_TRACES = 3;
const TRACE_STEPS = 60;
const LIMITS = [1, 2, 5, 10, 20, 40];

export function gradientViews(root, set) {
  return {
    map: createHeatMap(root, {
      title: "Norm of the gradient by lag and gain (click to choose)",
      height: 300,
      x: { label: "lag k (steps)", integer: true },
      y: { label: "gain g", log: true },
      bar: { label: LOG_NORM },
      value: (v) => `‖dL/dh(T−k)‖ = ${powerText(v)}`,
      onPick: (lag, gain) => set({ lag, gain }),
    }),
    decay: createCurves(root, {
      title: "Norm of the gradient by lag at the chosen gain",
      height: 300,
      x: { label: "lag k (steps)", integer: true },
      y: { label: LOG_NORM },
      onPick: (lag) => set({ lag: Math.round(lag) }),
    }),
    unrolled: createUnrolled(root, {
      title: "The network unrolled in time; line width: norm of the gradient on its way back",
      wide: true,
      height: 110,
      onPick: (lag) => set({ lag }),
    }),
    values: createCurves(root, {
      title: "Singular values of one step and of the product",
      x: { label: "number i", integer: true },
      y: { label: "log₁₀ σᵢ" },
    }),
    exponents: createBars(root, {
      title: "Finite-time Lyapunov exponents, largest first",
      x: { label: "number i" },
      y: { label: "λᵢ (nats per step)" },
    }),
    traces: createCurves(root, {
      title: "States of the first units around the step at lag k (click to choose)",
      wide: true,
      height: 220,
      x: { label: "step t", integer: true },
      y: { label: "h(t)" },
      onPick: (t) => set({ stepFromTrace: Math.round(t) }),
    }),
  };
}

// The map, white at norm 1; the scale ends at the first of LIMITS that nine tenths of it are within.
export function showMap(chart, values, T, setting) {
  const sizes = values
    .filter((v, i) => i % 7 === 0 && Number.isFinite(v))
    .map(Math.abs)
    .sort();
  const most = sizes[Math.floor(0.9 * sizes.length)];
  chart.show({
    xs: Array.from({ length: T + 1 }, (_, k) => k),
    ys: mapGains,
    values,
    limit: LIMITS.find((limit) => limit >= most) ?? LIMITS.at(-1),
    marker: { x: Math.min(setting.lag, T), y: setting.gain },
  });
}

export function showDecay(chart, { log10, float32, line, bound, clipped, lag }) {
  const T = log10.length - 1;
  const lags = Array.from({ length: T + 1 }, (_, k) => k);
  const straight = (rate) => lags.map((k) => (k * rate) / Math.LN10);
  const curves = [
    { label: "scale-free", xs: lags, ys: log10, width: 2.4 },
    { label: "float32", xs: lags, ys: float32, dash: [5, 4], width: 2.4 },
  ];
  if (clipped) curves.push({ label: "after clipping", xs: lags, ys: clipped, colour: "#0f766e" });
  if (line)
    curves.push({
      label: line.label,
      xs: lags,
      ys: straight(line.rate),
      colour: FAINT,
      dash: [7, 4],
      width: 1.2,
    });
  if (bound !== null)
    curves.push({
      label: "upper bound",
      xs: lags,
      ys: straight(bound),
      colour: FAINT,
      dash: [2, 3],
      width: 1.2,
    });
  const shown = [...log10, ...(clipped ?? [])].filter(Number.isFinite);
  const [low, high] = [Math.min(-1, ...shown), Math.max(1, ...shown)];
  const pad = 0.06 * (high - low);
  chart.show({
    x: { min: 0, max: T },
    y: { min: low - pad, max: high + pad },
    curves,
    levels: [{ y: 0 }],
    marks: [{ x: lag, label: `k = ${lag}` }],
  });
}

export function showSingularValues(chart, step, product, lag) {
  const log10 = (logs) => logs.map((log) => log / Math.LN10);
  const xs = Array.from(step, (_, i) => i + 1);
  const curves = [
    { label: "one step", xs, ys: log10(step), dots: true },
    { label: `${lag} steps`, xs, ys: log10(product), dots: true },
  ];
  const finite = curves.flatMap((curve) => [...curve.ys]).filter(Number.isFinite);
  const [low, high] = [Math.min(-1, ...finite), Math.max(0.5, ...finite)];
  const pad = 0.06 * (high - low);
  chart.show({
    x: { min: xs.length > 1 ? 1 : 0, max: Math.max(2, xs.length) },
    y: { min: low - pad, max: high + pad },
    curves,
  });
  chart.panel.setNote(
    `The step is the one at lag ${Math.max(1, lag)}; the product is dh(T)/dh(T−${lag}). Values ` +
      "that are exactly 0 are not drawn.",
  );
}

// Of the exponents of a state with n_h entries the largest.
export function showExponents(chart, exponents, n_h) {
  chart.show({ bars: Array.from(exponents, (value, i) => ({ label: String(i + 1), value })) });
  const text = `The largest is ${numberText(exponents[0], 3)} nats per step: `;
  const kind = exponents[0] > 0 ? "nearby states move apart." : "nearby states come together.";
  const told = Number.isFinite(exponents[0]) ? text + kind : "Perturbations are lost completely.";
  const some = exponents.length < n_h ? `The first ${exponents.length} of ${n_h}. ` : "";
  chart.panel.setNote(some + told);
}

// h(t) of the first units around step T - lag; states that are carried with an exponent may leave
// float64.
export function showTraces(chart, run, n_h, T, lag) {
  const first = Math.max(0, Math.min(T - lag - TRACE_STEPS / 2, T - TRACE_STEPS));
  const last = Math.min(T, first + TRACE_STEPS);
  const steps = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const curves = Array.from({ length: Math.min(N_TRACES, n_h) }, (_, i) => ({
    label: `unit ${i + 1}`,
    width: 1.5,
    xs: steps,
    ys: steps.map((t) => run.states[t * n_h + i] * 2 ** run.scale[t]),
  }));
  const finite = curves.flatMap((curve) => curve.ys).filter((h) => Math.abs(h) < 1e300);
  const size = Math.max(1e-300, ...finite.map(Math.abs));
  chart.show({
    x: { min: first, max: last },
    y: { min: -1.05 * size, max: 1.05 * size },
    curves,
    marks: [{ x: T - lag, label: `T−k = ${T - lag}` }],
  });
}
