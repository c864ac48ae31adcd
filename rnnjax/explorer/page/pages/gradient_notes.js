// Sentences of the main page that follow the numbers.

import { numberText, powerText } from "../charts/ticks.js";

// Where plain float32 loses the gradient, and its true norm there; where it is 0 for any number.
export function float32Text({ flushed, kept }, log10) {
  const gone = log10.indexOf(-Infinity);
  const isLost = (lag) => lag >= 0 && (gone < 0 || lag < gone);
  const parts = [];
  if (isLost(flushed.firstZero)) parts.push(zeroText(flushed.firstZero, kept.firstZero, log10));
  if (isLost(flushed.firstNotFinite)) {
    parts.push(`In float32 the gradient is not finite from lag ${flushed.firstNotFinite} on.`);
  }
  if (gone >= 0) {
    parts.push(
      `The gradient is exactly 0 from lag ${gone} on in every number format: no path back ` +
        "through active units is left.",
    );
  }
  return parts.join(" ") || "float32 holds this gradient at every lag of the sequence.";
}

function zeroText(flushed, kept, log10) {
  const later = kept >= 0 ? `it is 0 from lag ${kept} on` : "it is not 0 within this length";
  return (
    `In float32 the gradient is exactly 0 from lag ${flushed} on, with results below 2⁻¹²⁶ flushed ` +
    `to 0 (JAX on a CPU; drawn here). Where they are kept, ${later}. ` +
    `The true norm at lag ${flushed} is ${powerText(log10[flushed])}.`
  );
}

// What clipping at `limit` leaves; `factor` is the log10 of what it multiplies by.
export function clipText(factor, limit) {
  if (factor === 0) return `Clipping at ${numberText(limit)} leaves this gradient as it is.`;
  return (
    `Clipping at ${numberText(limit)} multiplies the gradient by ${powerText(factor)}: at all lags ` +
    "alike, so that the ratio between early and late steps stays."
  );
}

// Where the inputs come from; nothing for white noise.
export function sourceText(setting, own, T) {
  if (setting.input !== "own") return "";
  if (!own) {
    return (
      "No sequence of your own has been given: open the tab “Own data”. White noise is used until " +
      "then."
    );
  }
  const size = `${T} of ${own.length} steps, ${own.columns.length} inputs`;
  return `Inputs: ${own.name}, ${size}. ${own.note ?? ""}`;
}
