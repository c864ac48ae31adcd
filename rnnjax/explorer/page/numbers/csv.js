// Comma-separated values: a table of texts, a sequence of inputs, or a cube.
//
// Errors are a `CsvError` in one line that names line and column. Contents are texts and numbers
// throughout: nothing of a file is ever run or taken as markup.

import { coordinateLabels } from "./cube.js";

export const CSV_LIMITS = {
  bytes: 16e6,
  lines: 200000,
  columns: 1000,
  cell: 300, // characters
  steps: 512, // of a sequence
  inputs: 64, // of a sequence
  number: 1e100, // the largest size of a number in a sequence
};

// A message for the user, in one line.
export class CsvError extends Error {}

const NUMBER_PATTERN = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

const NOT_A_NAME = /^([+-]?(nan|inf(inity)?)|n\/?a|null|none)$/i; // of a column: what stands for no number

// A text as a message shows it: quoted, without control characters, cut.
export function shownCell(text, limit = 40) {
  const cut = text.length > limit ? `${text.slice(0, limit - 3)}...` : text;
  const plain = [...cut].map((c) => (/[\p{C}\p{Zl}\p{Zp}]/u.test(c) ? "?" : c)).join("");
  return `'${plain}'`;
}

// The text of a file of bytes; raises CsvError where it is no UTF-8 text, or too long.
export function textOfFile(bytes) {
  if (bytes.length > CSV_LIMITS.bytes) {
    throw new CsvError(`expected a file of at most ${CSV_LIMITS.bytes / 1e6} MB, got ${(bytes.length / 1e6).toFixed(1)} MB`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new CsvError("expected text in UTF-8, got other bytes");
  }
}

// The rows of a text: a list of {line, cells}, separated by the first of comma, semicolon and tab
// that the first line holds outside quotation marks. Cells in double quotes may hold separators and
// line ends.
export function parseCsv(text) {
  const [first] = text.split("\n", 1);
  const unquoted = first.replaceAll(/"[^"]*"/g, "");
  const separator = [",", ";", "\t"].find((mark) => unquoted.includes(mark)) ?? ",";
  const reader = { text, separator, at: 0, line: 1, rows: [] };
  while (reader.at < text.length) readCsvRow(reader);
  while (reader.rows.length && isEmptyLine(reader.rows[reader.rows.length - 1])) reader.rows.pop();
  if (!reader.rows.length) throw new CsvError("expected numbers, got an empty file");
  return reader.rows;
}

const isEmptyLine = ({ cells }) => cells.length === 1 && cells[0] === "";

function readCsvRow(reader) {
  const { text, separator } = reader;
  const row = { line: reader.line, cells: [] };
  for (;;) {
    row.cells.push(readCsvCell(reader, row));
    if (row.cells.length > CSV_LIMITS.columns) {
      throw new CsvError(`line ${row.line}: expected at most ${CSV_LIMITS.columns} columns, got more`);
    }
    if (text[reader.at] !== separator) break;
    reader.at++;
  }
  if (text[reader.at] === "\r") reader.at++;
  if (text[reader.at] === "\n") reader.at++;
  reader.line++;
  reader.rows.push(row);
  if (reader.rows.length > CSV_LIMITS.lines) {
    throw new CsvError(`expected at most ${CSV_LIMITS.lines} lines, got more`);
  }
}

function readCsvCell(reader, { line, cells }) {
  const { text, separator } = reader;
  const place = `line ${line}, column ${cells.length + 1}`;
  const quoted = text[reader.at] === '"';
  const from = reader.at + (quoted ? 1 : 0);
  let end = from;
  if (quoted) {
    end = text.indexOf('"', from);
    while (end >= 0 && text[end + 1] === '"') end = text.indexOf('"', end + 2);
    if (end < 0) throw new CsvError(`${place}: expected a closing quotation mark, got none`);
  } else {
    while (end < text.length && !["\n", "\r", separator].includes(text[end])) end++;
  }
  const found = text.slice(from, end);
  reader.at = end + (quoted ? 1 : 0);
  if (quoted) reader.line += found.split("\n").length - 1;
  checkCsvCell(found, place);
  if (quoted && reader.at < text.length && !["\n", "\r", separator].includes(text[reader.at])) {
    throw new CsvError(`${place}: expected a separator after the closing quotation mark`);
  }
  return quoted ? found.replaceAll('""', '"') : found.trim();
}

function checkCsvCell(found, place) {
  if (found.length > CSV_LIMITS.cell) {
    throw new CsvError(`${place}: expected at most ${CSV_LIMITS.cell} characters, got ${found.length}`);
  }
  if (found.includes("\0")) throw new CsvError(`${place}: expected text, got a NUL character`);
}

// Raises CsvError unless every row has as many columns as the first.
function checkCsvWidths(rows) {
  const width = rows[0].cells.length;
  for (const { line, cells } of rows) {
    if (cells.length !== width) {
      const got = isEmptyLine({ cells }) ? "an empty line" : cells.length;
      throw new CsvError(`line ${line}: expected ${width} columns, as in line 1, got ${got}`);
    }
  }
}

// A sequence of inputs: rows are steps, columns inputs, with or without a line of names first.
//
// Returns {names, x, scaling}: x a list over steps of lists over inputs, each input with mean 0 and
// standard deviation 1; scaling {mean, deviation, constant} of each; a constant input is 0.
export function sequenceOf(rows) {
  checkCsvWidths(rows);
  const [head] = rows;
  const isNamed = head.cells.every((text) => text !== "" && !NUMBER_PATTERN.test(text) && !NOT_A_NAME.test(text));
  const body = isNamed ? rows.slice(1) : rows;
  const names = head.cells.map((text, n) => (isNamed ? text : `column ${n + 1}`));
  checkCsvSize(body.length, CSV_LIMITS.steps, "steps (lines of numbers)");
  checkCsvSize(names.length, CSV_LIMITS.inputs, "inputs (columns)");
  const values = body.map(({ line, cells }) => cells.map((text, n) => numberInCell(text, line, n, isNamed ? names[n] : "")));
  if (body.length < 2) throw new CsvError(`expected at least 2 steps, got ${body.length}`);
  const scaling = names.map((_, n) => scalingOf(values.map((row) => row[n])));
  const x = values.map((row) => row.map((value, n) => scaledBy(scaling[n], value)));
  return { names, x, scaling };
}

function checkCsvSize(size, limit, what) {
  if (size > limit) throw new CsvError(`expected at most ${limit} ${what}, got ${size}`);
}

function numberInCell(text, line, column, name) {
  const place = `line ${line}, column ${column + 1}${name ? ` (${shownCell(name)})` : ""}`;
  if (!NUMBER_PATTERN.test(text)) {
    throw new CsvError(`${place}: expected a number, got ${text === "" ? "nothing" : shownCell(text)}`);
  }
  const value = Number(text);
  if (!(Math.abs(value) <= CSV_LIMITS.number)) {
    throw new CsvError(`${place}: expected a number of at most ${CSV_LIMITS.number}, got ${shownCell(text)}`);
  }
  return value;
}

function scalingOf(values) {
  const constant = values.every((value) => value === values[0]);
  const mean = constant ? values[0] : values.reduce((sum, v) => sum + v / values.length, 0);
  const largest = Math.max(...values.map((v) => Math.abs(v - mean)));
  if (constant || largest === 0) return { mean, deviation: 0, constant: true };
  // In units of the largest distance: the squares of tiny numbers would be 0.
  const square = values.reduce((sum, v) => sum + ((v - mean) / largest) ** 2 / values.length, 0);
  return { mean, deviation: largest * Math.sqrt(square), constant: false };
}

const scaledBy = ({ mean, deviation, constant }, value) => (constant ? 0 : (value - mean) / deviation);

// Whether a table is a cube as `rnnjax export` writes it: a column with its status beside it.
export function isCube([{ cells }]) {
  return cells.some((name) => name !== "" && cells.includes(`${name}_status`));
}

// A cube (see cube.js) of a table as `rnnjax export RESULTS FILE.csv` writes it.
export function cubeOf(rows, name) {
  checkCsvWidths(rows);
  const [head, ...body] = rows;
  checkCsvNames(head.cells);
  if (!body.length) throw new CsvError("line 2: expected cells of a cube, got none");
  const isVariable = (text) => head.cells.includes(`${text}_status`);
  const first = head.cells.findIndex(isVariable);
  const dims = head.cells.slice(0, first).map((text, n) => csvDim(text, body.map(({ cells }) => cells[n])));
  const shape = dims.map((dim) => dim.values.length);
  const size = shape.reduce((product, n) => product * n, 1);
  if (size > 10 * CSV_LIMITS.lines) throw new CsvError(`expected at most ${10 * CSV_LIMITS.lines} cells, got axes for ${size}`);
  const places = csvPlaces(body, dims, size);
  const variables = head.cells.slice(first).filter(isVariable).map((text) => csvVariable(text, head.cells, body, { dims, shape, size, places }));
  const notes = ["Names and units are not kept in a CSV file.", ...leftOutOf(head.cells.slice(first))];
  if (body.length < size) {
    notes.push(`${body.length} of ${size} cells have a line. Every column before ${shownCell(head.cells[first])} is taken for a dim.`);
  }
  return { name, attributes: [], notes, dims: new Map(dims.map((dim) => [dim.name, dim])), variables };
}

// A line for each column that is neither a variable nor the status of one.
function leftOutOf(names) {
  const isVariable = (text) => names.includes(`${text}_status`);
  return names.filter((text) => !isVariable(text) && !(text.endsWith("_status") && names.includes(text.slice(0, -"_status".length))))
    .map((text) => `${shownCell(text)}: left out, because no column holds its status.`);
}

function checkCsvNames(names) {
  for (const [n, text] of names.entries()) {
    if (text === "" || names.indexOf(text) !== n) {
      throw new CsvError(`line 1, column ${n + 1}: expected a name of its own, got ${text === "" ? "nothing" : shownCell(text)}`);
    }
  }
}

function csvDim(name, texts) {
  const numeric = texts.every((text) => NUMBER_PATTERN.test(text));
  const found = numeric ? texts.map(Number) : texts; // 1 and 1.0 are one coordinate
  const values = [...new Set(found)];
  const labels = numeric ? coordinateLabels(values) : values;
  const places = new Map(values.map((value, n) => [value, n]));
  return { name, longName: "", units: "", values, numeric, labels, index: new Map(texts.map((text, n) => [text, places.get(found[n])])) };
}

// Where each line belongs in the data of a variable; every place at most once.
function csvPlaces(body, dims, size) {
  const taken = new Uint8Array(size);
  return body.map(({ line, cells }) => {
    const flat = dims.reduce((sum, dim, n) => sum * dim.values.length + dim.index.get(cells[n]), 0);
    if (taken[flat]) {
      const at = dims.map((dim, n) => `${dim.name} = ${cells[n]}`).join(", ");
      throw new CsvError(`line ${line}: expected each cell once, got ${shownCell(at, 120)} again`);
    }
    taken[flat] = 1;
    return flat;
  });
}

const NUMBER_WORDS = new Map([
  ["", NaN],
  ["nan", NaN],
  ["inf", Infinity],
  ["-inf", -Infinity],
  ["true", 1],
  ["false", 0],
]);

function csvVariable(name, names, body, { dims, shape, size, places }) {
  const [column, status] = [names.indexOf(name), names.indexOf(`${name}_status`)];
  const data = new Float64Array(size).fill(NaN);
  const words = new Array(size).fill("missing");
  for (const [n, { line, cells }] of body.entries()) {
    const word = cells[column].toLowerCase();
    data[places[n]] = NUMBER_WORDS.get(word) ?? anyNumberInCell(cells[column], line, column, name);
    words[places[n]] = cells[status];
  }
  return { name, dims: dims.map((dim) => dim.name), shape, longName: "", units: "", note: "", data, status: (flat) => words[flat] };
}

function anyNumberInCell(text, line, column, name) {
  if (!NUMBER_PATTERN.test(text)) {
    throw new CsvError(`line ${line}, column ${column + 1} (${shownCell(name)}): expected a number, got ${shownCell(text)}`);
  }
  const value = Number(text);
  if (!Number.isFinite(value)) {
    throw new CsvError(`line ${line}, column ${column + 1} (${shownCell(name)}): expected a number of float64, got ${shownCell(text)}`);
  }
  return value;
}
