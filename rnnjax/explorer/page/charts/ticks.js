// Round numbers along an axis, and numbers as text.

// Ticks in [low, high] at 1, 2 or 5 times a power of ten, about `count` of them; a logarithmic axis
// has powers of ten, or 1, 2 and 5 times these where it spans few of them.
export function ticksOf(axis, count) {
  return axis.log ? logTicks(axis.min, axis.max, count) : linearTicks(axis, count);
}

function linearTicks({ min: low, max: high, integer }, count) {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [low];
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step =
    [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999 && (!integer || s >= 1)) ??
    1;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

function logTicks(low, high, count) {
  const decades = Math.log10(high / low);
  const factors = decades > 2 ? [1] : decades > 1 ? [1, 2, 4] : [1, 1.5, 2, 3, 4, 5, 7];
  const every = Math.max(1, Math.ceil(decades / Math.max(1, count)));
  const ticks = [];
  for (let d = Math.floor(Math.log10(low)); d <= Math.ceil(Math.log10(high)); d += 1) {
    if (decades > 2 && d % every !== 0) continue;
    ticks.push(...factors.map((f) => f * 10 ** d));
  }
  return ticks.filter((t) => t >= low * 0.999999 && t <= high * 1.000001);
}

// The texts of the ticks of an axis {log, text(v)}, with the digits that make neighbours differ.
export function tickTexts(axis, ticks) {
  if (axis.text) return ticks.map((v) => axis.text(v));
  const size = Math.max(...ticks.map(Math.abs));
  const step = Math.min(...ticks.slice(1).map((v, i) => Math.abs(v - ticks[i])));
  const needed = Math.ceil(Math.log10(size / step)) + 1;
  const digits = axis.log || !Number.isFinite(needed) ? 4 : Math.max(4, Math.min(15, needed));
  return ticks.map((v) => numberText(v, digits));
}

// A number in at most `digits` digits: 0.25, 1.3e−40, −12; an integer below 10^6 has all of its
// digits. "not a number" and "∞" in words.
export function numberText(value, digits = 4) {
  if (Number.isNaN(value)) return "not a number";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const plain = size >= 1e-3 && size < 1e6;
  const rounded = Number.isInteger(value) ? value : Number(value.toPrecision(digits));
  const text = plain ? String(rounded) : shortExponent(value, digits);
  return text.replaceAll("-", "−");
}

function shortExponent(value, digits) {
  const [mantissa, exponent] = value.toExponential(Math.max(0, digits - 1)).split("e");
  return `${Number(mantissa)}e${exponent.replace("+", "")}`;
}

// 10 to the power `log10`, as text, at any magnitude: "3.2e−400".
export function powerText(log10, digits = 3) {
  if (!Number.isFinite(log10)) return log10 === -Infinity ? "0" : numberText(log10);
  if (Math.abs(log10) < 6) return numberText(10 ** log10, digits);
  const exponent = Math.floor(log10);
  const mantissa = Number((10 ** (log10 - exponent)).toPrecision(digits));
  const text = mantissa < 10 ? `${mantissa}e${exponent}` : `1e${exponent + 1}`;
  return text.replaceAll("-", "−");
}
