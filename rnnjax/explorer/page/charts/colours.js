// Colours on white: a diverging scale (blue below 0, white at 0, red above) and line colours that
// differ in lightness as well, for readers who do not tell hues apart.

const NEGATIVE = [
  [255, 255, 255],
  [188, 212, 235],
  [104, 160, 208],
  [41, 98, 168],
  [10, 40, 92],
];
const POSITIVE = [
  [255, 255, 255],
  [250, 208, 184],
  [238, 142, 108],
  [192, 44, 48],
  [98, 6, 22],
];

export const INK = "#1c2430";
export const FAINT = "#6b7280";
export const GRID = "#e3e7ec";
export const NOT_FINITE = [205, 205, 205];
export const LINE_COLOURS = ["#1b4f9c", "#c2410c", "#0f766e", "#7e22ce", "#8a6100", "#b0124f"];

// The colour at t in [-1, 1], [r, g, b] of 0..255; beyond it the colour of the end, grey for NaN.
export function diverging(t) {
  if (Number.isNaN(t)) return NOT_FINITE;
  const anchors = t < 0 ? NEGATIVE : POSITIVE;
  const place = Math.min(1, Math.abs(t)) * (anchors.length - 1);
  const below = Math.min(anchors.length - 2, Math.floor(place));
  const share = place - below;
  return anchors[below].map((c, i) => Math.round(c + share * (anchors[below + 1][i] - c)));
}

// The colour at t in [0, 1] of a scale from white to dark blue, [r, g, b].
export function sequential(t) {
  return Number.isNaN(t) ? NOT_FINITE : diverging(-Math.max(0, t));
}

export function css(rgb) {
  return `rgb(${rgb[0]}, ${rgb[1]}, ${rgb[2]})`;
}
