// Cubes of results: any variable as a map or as curves, and two cubes side by side.

import { createControls } from "../frame/controls.js";
import { element } from "../frame/dom.js";
import { defaultsOf } from "../frame/state.js";
import { cellDifference, commonPlaces, coordinateKeys, CubeError, cubeTable } from "../numbers/cube.js";
import { numberText } from "../charts/ticks.js";
import { finiteRange, unitOf } from "./cube_axis.js";
import { createCubeChart } from "./cube_chart.js";
import { allDims, resolveView, viewerControls } from "./viewer_setting.js";

const MOST_DRAWN = 600; // coordinates of a dim in one view

// The page of the cubes that a file was made from; see main.js for what a page is.
export function viewerPage(cubes) {
  return {
    id: "cube",
    title: cubes.length > 1 ? "Two results" : "Result",
    controls: viewerControls(cubes),
    draw: (root) => drawViewer(root, cubes),
    api: { cubeView: (setting) => cubeView(cubes, setting) },
  };
}

// A viewer with controls of its own, for cubes that come when the page is open already.
export function openViewer(root, cubes) {
  const form = element("form", { class: "controls", "aria-label": "What is shown", submit: (e) => e.preventDefault() });
  const body = element("div", { class: "views" });
  root.replaceChildren(element("div", { class: "page" }, form, body));
  let setting = defaultsOf(viewerControls(cubes));
  const viewer = drawViewer(body, cubes);
  const controls = createControls(form, viewerControls(cubes), "dropped", (key, value) => {
    setting = { ...setting, [key]: value };
    controls.show(setting);
    viewer.update(setting);
  });
  controls.show(setting);
  viewer.update(setting);
}

function drawViewer(root, cubes) {
  const heading = element("div", { class: "wide intro" });
  root.append(heading);
  const charts = cubes.map((cube) => createCubeChart(root, { title: cube.name, height: 360 }));
  if (cubes.length === 1) charts[0].element.classList.add("wide");
  if (cubes.length === 2) {
    charts.push(createCubeChart(root, { title: "Difference", height: 360 }));
    charts[2].element.classList.add("wide");
  }
  root.append(...cubes.map(aboutCube));
  return {
    update(setting) {
      const view = cubeView(cubes, setting);
      showHeading(heading, view);
      view.parts.forEach((part, n) => showPart(charts[n], part));
    },
  };
}

function showHeading(heading, { variable }) {
  const lines = [];
  if (variable) {
    lines.push(element("h2", {}, variable.name));
    const unit = unitOf(variable) && `, in ${unitOf(variable)}`;
    lines.push(element("p", {}, `${variable.longName || "No description is kept"}${unit}. Dims: ${variable.dims.join(", ") || "none"}.`));
    if (variable.note) lines.push(element("p", { class: "note" }, `Numbers: ${variable.note}.`));
  } else lines.push(element("p", { class: "problem" }, "This file holds no variable with numbers."));
  heading.replaceChildren(...lines);
}

function showPart(chart, part) {
  chart.panel.setTitle(part.title);
  chart.panel.setNote(part.note);
  chart.panel.canvas.hidden = !part.data;
  chart.show(part.data);
}

// Where a cube comes from, folded away; texts of a file are set as text.
function aboutCube({ name, attributes, notes }) {
  const rows = attributes.map(([key, value]) => element("tr", {}, element("td", {}, key), element("td", {}, value)));
  return element("details", { class: "wide about" }, element("summary", {}, `About ${name}`),
    ...notes.map((note) => element("p", { class: "note" }, note)),
    element("table", {}, element("tbody", {}, ...rows)));
}

// What the viewer shows for a setting, without drawing it: {variable, parts}, a part a chart with
// {title, note, data}; data is null where a note says why.
export function cubeView(cubes, setting) {
  const dims = allDims(cubes);
  const view = resolveView(cubes, dims, setting);
  if (!view) return { variable: null, parts: cubes.map(({ name }) => ({ title: name, note: "", data: null })) };
  const shown = cubes.map((cube) => partOf(cube, view, setting, dims));
  if (cubes.length === 2) shown.push(differencePart(shown, view));
  alignLimits(shown.slice(0, cubes.length));
  return { variable: view.variable, parts: shown.map((part) => withTitle(part, view, dims)) };
}

// Both cubes in the same colours, so that they can be compared.
function alignLimits(parts) {
  const ranges = parts.map(({ data }) => data && finiteRange(data.rows)).filter(Boolean);
  if (ranges.length < 2) return;
  const limits = { low: Math.min(...ranges.map((r) => r.low)), high: Math.max(...ranges.map((r) => r.high)) };
  for (const { data } of parts) if (data) data.limits = limits;
}

function partOf(cube, view, setting, dims) {
  const variable = cube.variables.find(({ name }) => name === view.variable.name);
  if (!variable) return { name: cube.name, data: null, note: `This cube has no variable ${view.variable.name}.` };
  const missing = [view.x, view.y].find((dim) => dim !== null && !variable.dims.includes(dim));
  if (missing !== undefined) return { name: cube.name, data: null, note: `Here the variable has no dim ${missing}.` };
  const { at, over, told, problem } = placesIn(cube, variable, view, setting, dims);
  if (problem) return { name: cube.name, data: null, note: problem };
  if (variable.shape.includes(0)) return { name: cube.name, data: null, note: "A dim has no coordinates: there are no values." };
  const drawn = [view.x, view.y].filter((dim) => dim !== null);
  const every = new Map(drawn.map((dim) => [dim, Math.ceil(cube.dims.get(dim).values.length / MOST_DRAWN)]));
  const table = cubeTable(variable, { x: view.x, y: view.y, at, over, every });
  return { ...drawnPart(cube, variable, view, table, every), told };
}

// Every n-th coordinate of a dim.
function thinned(dim, n) {
  return partOfDim(dim, dim.values.map((_, place) => [place]).filter(([place]) => place % n === 0));
}

// Where a cube has the fixed coordinates, {at, over, told}; its own dims that the other cube lacks are
// taken as asked. `told` is what its title says of them, for it may have other dims than the other.
function placesIn(cube, variable, view, setting, dims) {
  const own = variable.dims.filter((dim) => dim !== view.x && dim !== view.y);
  const at = new Map();
  const over = [];
  for (const dim of own) {
    const asked = setting[`at:${dim}`] ?? "median";
    if (!/^\d+$/.test(asked)) {
      over.push(dim);
      continue;
    }
    const known = dims.get(dim);
    const place = coordinateKeys(cube.dims.get(dim)).indexOf(known.keys[Number(asked)]);
    if (place < 0) return { problem: `This cube has nothing at ${dim} = ${known.labels[Number(asked)]}.` };
    at.set(dim, place);
  }
  const fixed = [...at].map(([dim, place]) => `${dim} = ${cube.dims.get(dim).labels[place]}`);
  return { at, over, told: toldOf(fixed, over) };
}

function drawnPart(cube, variable, view, table, every) {
  const value = { name: variable.name, units: variable.units };
  const thin = [...every].filter(([, n]) => n > 1).map(([dim, n]) => `Of ${dim} one coordinate in ${n} is drawn.`);
  const note = [...thin, statusNote(table, view.kind)].filter(Boolean).join(" ");
  if (view.x === null) {
    const [[only]] = table;
    return { name: cube.name, data: null, note: oneNumberText(only, value), only, value };
  }
  const [x, y] = [view.x, view.y].map((dim) => (dim === null ? null : thinned(cube.dims.get(dim), every.get(dim))));
  const rows = table.map((cells, row) => ({ label: y ? y.labels[row] : "", cells, thin: view.each }));
  return { name: cube.name, note, data: { kind: view.kind, x, y, rows, value, limits: null } };
}

function oneNumberText({ value, status }, variable) {
  const unit = unitOf(variable) && ` ${unitOf(variable)}`;
  return `${numberText(value, 6)}${unit}${status && `, status ${status}`}`;
}

// How many of the cells drawn are not plain numbers, and why.
function statusNote(table, kind) {
  const cells = table.flat();
  const counts = new Map();
  for (const one of cells) {
    const word = notPlain(one);
    if (word) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  if (counts.size === 0) return "";
  const listed = [...counts].sort((a, b) => b[1] - a[1]).map(([word, count]) => `${count} ${word}`);
  const shown = kind === "map" ? "Grey: not a number." : "A curve has a gap where it is not finite.";
  return `Of ${cells.length} cells: ${listed.join("; ")}. ${shown}`;
}

// What is told of a cell: its status unless that is ok, or that it is no finite number.
function notPlain({ status, value }) {
  if (status.includes(",")) return "of several states (the pointer tells which)";
  if (status !== "ok" && status !== "") return status;
  return Number.isFinite(value) ? "" : numberText(value);
}

// The second cube minus the first, on the coordinates that both have.
function differencePart([a, b], view) {
  const name = `${b.name} minus ${a.name}`;
  if (a.only && b.only) return { name, data: null, note: oneNumberText(cellDifference(a.only, b.only), a.value) };
  if (!a.data || !b.data) return { name, data: null, note: "No difference: one of the two has nothing here." };
  try {
    const columns = commonPlaces(a.data.x, b.data.x);
    const rows = a.data.y ? commonPlaces(a.data.y, b.data.y) : [[0, 0]];
    if (!columns.length || !rows.length) return { name, data: null, note: "No difference: the two have no coordinates in common." };
    const table = rows.map(([p, q]) => columns.map(([i, j]) => cellDifference(a.data.rows[p].cells[i], b.data.rows[q].cells[j])));
    const x = partOfDim(a.data.x, columns);
    const y = a.data.y && partOfDim(a.data.y, rows);
    const drawn = table.map((cells, row) => ({ label: a.data.rows[rows[row][0]].label, cells, thin: view.each }));
    const unlike = a.told.join() !== b.told.join() && "The two differ in other dims: see their titles.";
    const note = [`On ${columns.length * rows.length} common coordinates.`, unlike, statusNote(table, view.kind)].filter(Boolean).join(" ");
    return { name, note, data: { ...a.data, x, y, rows: drawn, limits: null } };
  } catch (error) {
    if (error instanceof CubeError) return { name, data: null, note: `No difference: ${error.message}.` };
    throw error;
  }
}

function partOfDim(dim, pairs) {
  const at = (list) => pairs.map(([place]) => list[place]);
  return { ...dim, values: at(dim.values), labels: at(dim.labels) };
}

function withTitle(part, view, dims) {
  const fixed = [...view.places].map(([dim, k]) => `${dim} = ${dims.get(dim).labels[dims.get(dim).keys.indexOf(k)]}`);
  const told = part.told ?? toldOf(fixed, view.over);
  const rows = view.y && (view.kind === "map" ? ` and ${view.y}` : `, one curve per ${view.y}`);
  const over = view.x === null ? "" : ` over ${view.x}${rows ?? ""}`;
  return { ...part, title: `${part.name}: ${[`${view.variable.name}${over}`, ...told].join(", ")}` };
}

const toldOf = (fixed, over) => [...fixed, ...(over.length ? [`median over ${over.join(", ")}`] : [])];
