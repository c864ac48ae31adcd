// Axes of a cube's dims: numbers on a linear or logarithmic scale, or texts at equal distances.
//
// A cube axis is {axis, places}: `axis` as charts/canvas.js describes it, `places` where each
// coordinate lies on it, in the order of the coordinates.

// The axis of a dim. Coordinates that are texts, not finite or not in order stand at 0, 1, 2, ...
// Cells of a map reach half a step beyond the outer coordinates, curves (`tight`) do not.
export function cubeAxis(dim, tight = false) {
  const label = dimLabel(dim);
  const isNumeric = dim.numeric && isOrdered(dim.values);
  const places = isNumeric ? [...dim.values] : [...dim.values.keys()];
  const log = isNumeric && isGeometric(dim.values);
  const isSpread = tight && isNumeric && places.length > 1;
  const reach = isSpread ? { min: Math.min(...places), max: Math.max(...places) } : cellReach(places, log);
  const words = isNumeric ? {} : wordTicks(dim.labels);
  return { axis: { label, log, ...reach, ...words }, places };
}

// Ticks at the coordinates themselves, as many as may have room.
function wordTicks(labels) {
  const longest = Math.max(0, ...labels.map((label) => shortLabel(label).length));
  const every = Math.max(1, Math.ceil((labels.length * longest) / 90));
  const ticks = [...labels.keys()].filter((i) => i % every === 0);
  return { ticks, text: (i) => shortLabel(labels[i] ?? "") };
}

// The name of a dim or a variable with its unit.
export function dimLabel({ name, longName, units }) {
  const unit = unitOf({ units });
  return `${longName || name}${unit && ` (${unit})`}`;
}

const shortLabel = (text) => (text.length > 14 ? `${text.slice(0, 13)}…` : text);

function isOrdered(values) {
  const rises = values.length < 2 || values[1] > values[0];
  return values.every((v, i) => Number.isFinite(v) && (i === 0 || (rises ? v > values[i - 1] : v < values[i - 1])));
}

// Steps by about one factor over more than a decade.
function isGeometric(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (values.length < 3 || !(low > 0) || high / low < 10) return false;
  const factors = values.slice(1).map((v, i) => Math.abs(Math.log(v / values[i])));
  return Math.max(...factors) < 2.5 * Math.min(...factors);
}

// From half a step before the first place to half a step behind the last.
function cellReach(values, log) {
  const [edges, back] = [edgesOf(values, log), values.length > 1 && values[1] < values[0]];
  return back ? { min: edges[values.length], max: edges[0] } : { min: edges[0], max: edges[values.length] };
}

// Borders between neighbouring places, one more than there are places.
export function edgesOf(places, log) {
  if (places.length === 0) return [0, 1];
  const to = log ? Math.log : (v) => v;
  const from = log ? Math.exp : (v) => v;
  const at = places.map(to);
  const n = at.length;
  if (n === 1) return [from(at[0] - 0.5), from(at[0] + 0.5)];
  const inner = at.slice(1).map((v, i) => (v + at[i]) / 2);
  return [at[0] - (inner[0] - at[0]), ...inner, at[n - 1] + (at[n - 1] - inner[n - 2])].map(from);
}

// Which place is nearest to a value of the axis.
export function nearestOf(places, value, log) {
  const distance = (v) => Math.abs(log ? Math.log(v / value) : v - value);
  let best = 0;
  for (let i = 1; i < places.length; i += 1) if (distance(places[i]) < distance(places[best])) best = i;
  return best;
}

// The unit of a variable as a label has it: nothing where it is a plain number.
export function unitOf({ units }) {
  return units && units !== "1" ? units : "";
}

// Smallest and largest finite value, or null where there is none.
export function finiteRange(rows) {
  let [low, high] = [Infinity, -Infinity];
  for (const { cells } of rows) {
    for (const { value } of cells) {
      if (!Number.isFinite(value)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return low <= high ? { low, high } : null;
}

// The values that colours or an axis reach over.
export function rangeOf(data) {
  return data.limits ?? finiteRange(data.rows) ?? { low: 0, high: 1 };
}
