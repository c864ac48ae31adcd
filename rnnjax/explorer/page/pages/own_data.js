// The reader's own data: a file with a sequence, which becomes the input of the main page's network,
// or with a cube of results, which opens in the viewer. Nothing of it leaves the page.

import { createCurves } from "../charts/curves.js";
import { numberText } from "../charts/ticks.js";
import { element } from "../frame/dom.js";
import { setOwnSequence } from "../frame/own_sequence.js";
import { CSV_LIMITS, CsvError, cubeOf, isCube, parseCsv, sequenceOf, shownCell, textOfFile } from "../numbers/csv.js";
import { finiteLimits, introduction, numberTable } from "./parts.js";
import { openViewer } from "./viewer.js";

const MOST_CURVES = 6;
const OWN_DATA_INTRODUCTION = [
  "Choose a CSV file, or drop one here. It is read in this page and is sent nowhere. A sequence has a "
  + "row a step and a column an input, with or without a line of names; it becomes the input of the "
  + "network on the first page. A cube as `rnnjax export RESULTS cube.csv` writes it opens below.",
  `Limits: ${CSV_LIMITS.bytes / 1e6} MB and ${CSV_LIMITS.lines} lines a file; a sequence of 2 to ${CSV_LIMITS.steps} steps and at `
  + `most ${CSV_LIMITS.inputs} inputs, numbers up to ${numberText(CSV_LIMITS.number)}. Columns are separated by commas, semicolons or tabs; decimals have a point.`,
];

export const ownDataPage = { id: "own_data", title: "Own data", controls: [], draw: drawOwnData, api: { readCsv } };

// What a file holds: {kind: "sequence", sequence, scaling}, {kind: "cube", cube}, or {problem}, a
// line that says what was expected. `bytes` is a Uint8Array.
export function readCsv(name, bytes) {
  try {
    const rows = parseCsv(textOfFile(bytes));
    if (isCube(rows)) return { kind: "cube", cube: cubeOf(rows, shownName(name)) };
    return { kind: "sequence", ...asSequence(name, sequenceOf(rows)) };
  } catch (error) {
    if (error instanceof CsvError) return { problem: `${shownName(name)}: ${error.message}.` };
    throw error;
  }
}

const shownName = (name) => shownCell(name, 60).slice(1, -1);

function asSequence(name, { names, x, scaling }) {
  const note = scaling.some(({ constant }) => constant)
    ? "Each input was scaled to mean 0 and standard deviation 1; a constant one is 0."
    : "Each input was scaled to mean 0 and standard deviation 1.";
  const sequence = { name: shownName(name), values: Float64Array.from(x.flat()), length: x.length, columns: names, note };
  return { sequence, scaling };
}

function drawOwnData(root) {
  introduction(root, "own_data", OWN_DATA_INTRODUCTION);
  const input = element("input", { type: "file", id: "own-file", accept: ".csv,.tsv,.txt,text/csv" });
  const zone = element("div", { class: "wide drop" }, element("label", { for: "own-file" }, "CSV file"), input);
  const message = element("p", { class: "wide", role: "status", "aria-live": "polite", id: "own-message" });
  const result = element("div", { class: "wide" });
  root.append(zone, message, result);
  const take = (files) => takeFiles(files, message, result);
  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = ""; // the same file, changed, can be chosen again
  });
  zone.addEventListener("dragover", (event) => event.preventDefault());
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    take([...event.dataTransfer.files]);
  });
  return {};
}

async function takeFiles(files, message, result) {
  if (files.length === 0) return;
  const problem = await showFiles(files, message, result);
  message.className = problem ? "wide problem" : "wide";
  if (problem) message.textContent = problem;
}

// Shows what the file holds; returns a line that says why it does not.
async function showFiles(files, message, result) {
  if (files.length > 1) return `Expected one file, got ${files.length}.`;
  const [file] = files;
  const most = CSV_LIMITS.bytes;
  if (file.size > most) return `${shownName(file.name)}: expected a file of at most ${most / 1e6} MB, got ${(file.size / 1e6).toFixed(1)} MB.`;
  let bytes;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch (error) {
    return `${shownName(file.name)}: cannot be read (${error.name}).`;
  }
  const found = readCsv(file.name, bytes);
  if (found.problem) return found.problem;
  message.textContent = found.kind === "cube" ? cubeText(found.cube) : sequenceText(found.sequence);
  if (found.kind === "cube") openViewer(result, [found.cube]);
  else showSequence(result, found);
  return "";
}

function cubeText({ name, variables, dims }) {
  const axes = [...dims.values()].map((dim) => `${dim.name} (${dim.values.length})`);
  return `${name}: a cube of ${variables.length} variables over ${axes.join(", ")}.`;
}

function sequenceText({ name, length, columns, note }) {
  return `${name}: ${length} steps, ${columns.length} input${columns.length === 1 ? "" : "s"}. ${note}`;
}

function showSequence(result, { sequence, scaling }) {
  setOwnSequence(sequence);
  const link = element("a", { href: "#page=gradient&input=own" }, "Show the gradient of a network that reads this sequence");
  const views = element("div", { class: "views" });
  result.replaceChildren(element("p", {}, link), views);
  const { columns, length } = sequence;
  const table = element("section", {}, element("h3", {}, "How each input was scaled: (value − mean) / standard deviation"), numberTable(
    ["input", "mean", "standard deviation"],
    columns.map((name, n) => [name, numberText(scaling[n].mean), scaling[n].constant ? "0, constant: all values are 0 now" : numberText(scaling[n].deviation)]),
  ));
  views.append(table);
  const chart = createCurves(views, { title: "The inputs, scaled", x: { label: "step t" }, y: { label: "input / standard deviation" } });
  const xs = Array.from({ length }, (_, t) => t + 1);
  const curves = columns.slice(0, MOST_CURVES).map((label, n) => ({
    label: label.length > 16 ? `${label.slice(0, 15)}…` : label, xs, ys: xs.map((_, t) => sequence.values[t * columns.length + n]),
  }));
  chart.panel.setNote(columns.length > MOST_CURVES ? `The first ${MOST_CURVES} of ${columns.length} inputs.` : "");
  chart.show({ x: { min: 1, max: length }, y: finiteLimits(curves), curves });
}
