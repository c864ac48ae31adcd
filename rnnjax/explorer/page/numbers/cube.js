// A cube: variables over named dims, a status for every cell, slices and reductions of it.
//
// A cube is {name, attributes, notes, dims, variables}. A dim is {name, longName, units, values,
// labels}; values are numbers or texts, labels what is shown of them. A variable is {name, dims,
// shape, longName, units, note, data, status}; data is a typed array with the last dim fastest, and
// status(flat) the word for a cell, "" where the file holds none.

// A message for the user, in one line.
export class CubeError extends Error {}

const PACKED_TYPES = { f4: Float32Array, f8: Float64Array, i1: Int8Array };

// Numbers from {f4|f8|i1: base64 of little-endian bytes}.
export function numbersFrom(packed) {
  const [[type, text]] = Object.entries(packed);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let n = 0; n < letters.length; n += 1) bytes[n] = letters.charCodeAt(n);
  const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
  const size = PACKED_TYPES[type].BYTES_PER_ELEMENT;
  if (!littleEndian) {
    for (let n = 0; n < bytes.length; n += size) bytes.subarray(n, n + size).reverse();
  }
  return new PACKED_TYPES[type](bytes.buffer);
}

// The cube of one entry of the embedded JSON, as rnnjax/explorer/cube_json.py writes it.
export function decodeCube({ name, attributes, notes, dims, variables }) {
  const places = Object.fromEntries(dims.map((dim) => [dim.name, dim]));
  return {
    name,
    attributes,
    notes,
    dims: new Map(dims.map((dim) => [dim.name, decodedDim(dim)])),
    variables: variables.map((one) => ({
      ...one,
      shape: one.dims.map((dim) => places[dim].size),
      data: numbersFrom(one.data),
      status: statusWords(one),
    })),
  };
}

function decodedDim(dim) {
  const values = Array.isArray(dim.values) ? dim.values : [...numbersFrom(dim.values)];
  const numeric = !Array.isArray(dim.values);
  const labels = dim.labels ?? (numeric ? coordinateLabels(values) : values);
  return { ...dim, values, numeric, labels };
}

function statusWords({ status, meanings }) {
  if (status === null) return () => "";
  if (typeof status === "number") return () => meanings[status] ?? `code ${status}`;
  const codes = numbersFrom(status);
  return (flat) => meanings[codes[flat]] ?? `code ${codes[flat]}`;
}

// A number with up to `digits` digits, as text; an integer has all of its digits.
function shortNumber(value, digits) {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Number.isSafeInteger(value)) return String(value);
  return String(Number(value.toPrecision(digits)));
}

// Coordinates as texts of 6 digits, or of as many as unequal ones need to differ.
export function coordinateLabels(values) {
  const distinct = new Set(values).size;
  for (const digits of [6, 9, 12]) {
    const labels = values.map((value) => shortNumber(value, digits));
    if (new Set(labels).size === distinct) return labels;
  }
  return values.map((value) => shortNumber(value, 17));
}

// How far apart in a variable's data the neighbours along each dim lie, {dim: places}.
export function stridesOf({ dims, shape }) {
  let stride = 1;
  const found = new Map();
  for (let n = dims.length - 1; n >= 0; n -= 1) {
    found.set(dims[n], stride);
    stride *= shape[n];
  }
  return found;
}

// The place of the cell at a Map {dim: index}; dims that it does not name are at 0.
function placeOf(strides, at) {
  let place = 0;
  for (const [dim, index] of at) place += (strides.get(dim) ?? 0) * index;
  return place;
}

// Distances from a cell to all cells that differ from it along some dims only.
function offsetsOver(variable, strides, over) {
  let offsets = [0];
  for (const dim of over) {
    const size = variable.shape[variable.dims.indexOf(dim)];
    const steps = Array.from({ length: size }, (_, n) => n * strides.get(dim));
    offsets = offsets.flatMap((offset) => steps.map((step) => offset + step));
  }
  return offsets;
}

// The median in which infinities have a rank; NaN where a value is NaN, or there is none.
//
// Between -Infinity and a number it is -Infinity, as `rnnjax.reductions.median` has it.
export function rankedMedian(values) {
  if (!values.length || values.some(Number.isNaN)) return NaN;
  const ranked = [...values].sort((a, b) => a - b);
  const middle = (ranked.length - 1) / 2;
  const below = ranked[Math.floor(middle)];
  return Number.isInteger(middle) ? below : 0.5 * below + 0.5 * ranked[Math.ceil(middle)];
}

// One cell, or the median over the cells at some offsets: {value, status, count}.
function cubeCell(variable, place, offsets) {
  const values = offsets.map((offset) => variable.data[place + offset]);
  const status = statusOfCells(variable, place, offsets);
  return { value: rankedMedian(values), status, count: offsets.length };
}

// The word of all cells, or how often each: "7 ok, 1 underflow".
function statusOfCells(variable, place, offsets) {
  if (offsets.length === 1) return variable.status(place);
  const counts = new Map();
  for (const offset of offsets) {
    const word = variable.status(place + offset);
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  if (counts.size === 1) return counts.keys().next().value;
  return [...counts].map(([word, count]) => `${count} ${word || "without status"}`).join(", ");
}

// Cells over two dims, a row a coordinate of y: a list of lists of {value, status, count}.
//
// y may be null, for one row, and x for one cell; `at` is a Map {dim: index} of dims that are fixed,
// and the dims of `over` are reduced to their median. Of x and y every n-th coordinate is taken,
// `every` a Map {dim: n}.
export function cubeTable(variable, { x, y, at, over, every }) {
  const strides = stridesOf(variable);
  const offsets = offsetsOver(variable, strides, over);
  const step = (dim) => every.get(dim) ?? 1;
  const sizeOf = (dim) => (dim === null ? 1 : Math.ceil(variable.shape[variable.dims.indexOf(dim)] / step(dim)));
  const [dx, dy] = [x, y].map((dim) => (dim === null ? 0 : step(dim) * strides.get(dim)));
  const first = placeOf(strides, at);
  return Array.from({ length: sizeOf(y) }, (_, row) =>
    Array.from({ length: sizeOf(x) }, (__, column) =>
      cubeCell(variable, first + row * dy + column * dx, offsets)));
}

// What equal coordinates have in common: their text, or 12 digits of a number.
export function coordinateKey(value) {
  return typeof value === "number" ? `n${Number(value.toPrecision(12))}` : `t${value}`;
}

// The keys of all coordinates of a dim; of equal ones the later are numbered.
export function coordinateKeys({ values }) {
  const seen = new Map();
  return values.map((value) => {
    const text = coordinateKey(value);
    const times = (seen.get(text) ?? 0) + 1;
    seen.set(text, times);
    return times === 1 ? text : `${text} #${times}`;
  });
}

// The places that two dims have in common: a list of [place in a, place in b], in the order of a.
//
// Numbers are equal if 12 digits are. Raises CubeError where a coordinate stands twice.
export function commonPlaces(a, b) {
  const [first, second] = [a, b].map((dim) => {
    const places = new Map(dim.values.map((value, place) => [coordinateKey(value), place]));
    if (places.size < dim.values.length) {
      throw new CubeError(`${dim.name}: expected every coordinate once, got one of them twice`);
    }
    return places;
  });
  return [...first].filter(([k]) => second.has(k)).map(([k, place]) => [place, second.get(k)]);
}

// b minus a; NaN of two infinities that are alike.
export function cellDifference(a, b) {
  const status = a.status === b.status ? a.status : `${a.status} and ${b.status}`;
  return { value: b.value - a.value, status, count: Math.max(a.count, b.count) };
}
