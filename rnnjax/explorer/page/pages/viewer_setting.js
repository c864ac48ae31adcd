// Which part of a cube the viewer shows: its controls, and what they ask for.

import { coordinateKeys } from "../numbers/cube.js";

const FEW = 12; // coordinates that make curves rather than a map
const MOST_LISTED = 2000; // coordinates to choose from
const REPLICATES = ["seed", "repeat", "draw", "quantile"]; // dims that are not drawn by themselves

// Names of all variables, those of the first cube first.
export function variableNames(cubes) {
  return [...new Set(cubes.flatMap((cube) => cube.variables.map(({ name }) => name)))];
}

// All dims of some cubes with the coordinates of any of them: a Map name -> {labels, keys}.
export function allDims(cubes) {
  const found = new Map();
  for (const { dims } of cubes) {
    for (const [name, dim] of dims) {
      const known = found.get(name) ?? { labels: [], keys: [] };
      const there = new Set(known.keys);
      coordinateKeys(dim).forEach((text, place) => {
        if (there.has(text)) return;
        known.labels.push(dim.labels[place]);
        known.keys.push(text);
      });
      found.set(name, known);
    }
  }
  return found;
}

// The controls of some cubes. `setting.variable` is the name of a variable, `x` and `y` dims or
// "auto" (y also "none"), `kind` how it is drawn, and "at:DIM" a place in `allDims` or "median" or
// "each".
export function viewerControls(cubes) {
  const dims = allDims(cubes);
  const names = variableNames(cubes).map((value) => ({ value, label: value }));
  const axes = [...dims.keys()].map((value) => ({ value, label: value }));
  const auto = { value: "auto", label: "automatic" };
  const of = (setting) => resolveView(cubes, dims, setting);
  return [
    { key: "variable", kind: "choice", label: "Variable", value: names[0]?.value ?? "", options: names },
    { key: "x", kind: "choice", label: "Horizontal axis", value: "auto", options: [auto, ...axes] },
    { key: "y", kind: "choice", label: "Rows of a map, or curves", value: "auto",
      options: [auto, { value: "none", label: "none" }, ...axes] },
    { key: "kind", kind: "choice", label: "Drawn as", value: "auto",
      options: [auto, { value: "map", label: "map" }, { value: "curves", label: "curves" }] },
    ...[...dims].map(([name, dim]) => placeControl(name, dim, (setting) => {
      const view = of(setting);
      return view !== null && [...view.free, ...view.extra].includes(name);
    })),
  ];
}

function placeControl(name, dim, shown) {
  const every = Math.ceil(dim.labels.length / MOST_LISTED);
  const places = dim.labels.map((label, place) => ({ value: String(place), label })).filter((_, place) => place % every === 0);
  const reduced = [{ value: "median", label: "median over all" }, { value: "each", label: "a curve each" }];
  const value = REPLICATES.includes(name) || places.length === 0 ? "median" : "0";
  const label = every > 1 ? `${name} (one in ${every} is listed)` : name;
  return { key: `at:${name}`, kind: "choice", label, value, options: [...reduced, ...places], shown };
}

// What a setting asks for: {variable, x, y, kind, free, places, over, extra, each}, or null where
// there is no such variable. `free` are the other dims, of which `over` are reduced to a median and
// `places` is a Map {dim: coordinate key}; `extra` are dims of the variable in another cube alone;
// `each`: y came from "a curve each".
export function resolveView(cubes, dims, setting) {
  const [variable, ...alike] = cubes.flatMap((cube) => cube.variables).filter(({ name }) => name === setting.variable);
  if (!variable) return null;
  const sizes = new Map(variable.dims.map((dim, n) => [dim, variable.shape[n]]));
  const x = sizes.has(setting.x) ? setting.x : automaticX(sizes);
  const others = [...sizes.keys()].filter((dim) => dim !== x);
  const asked = others.find((dim) => setting[`at:${dim}`] === "each") ?? null;
  const chosen = others.includes(setting.y) ? setting.y : null;
  const none = setting.y === "none";
  const y = chosen ?? asked ?? (none ? null : automaticY(sizes, others));
  const free = others.filter((dim) => dim !== y);
  const kind = kindOf(setting.kind, sizes, x, y);
  const extra = alike.flatMap((one) => one.dims).filter((dim) => !sizes.has(dim));
  return { variable, x, y, kind, free, extra, each: y !== null && y === asked && !chosen, ...placesOfFree(dims, free, setting) };
}

function placesOfFree(dims, free, setting) {
  const over = free.filter((dim) => !/^\d+$/.test(setting[`at:${dim}`] ?? "median"));
  const fixed = free.filter((dim) => !over.includes(dim));
  return { over, places: new Map(fixed.map((dim) => [dim, dims.get(dim).keys[Number(setting[`at:${dim}`])]])) };
}

// The last dim of 3 or more coordinates, or else of 2, that is no replicate.
function automaticX(sizes) {
  const drawn = [...sizes].filter(([name]) => !REPLICATES.includes(name)).reverse();
  const found = drawn.find(([, size]) => size > 2) ?? drawn.find(([, size]) => size > 1);
  return found?.[0] ?? [...sizes.keys()].pop() ?? null;
}

// The longest of the other dims that is no replicate.
function automaticY(sizes, others) {
  const usable = others.filter((dim) => sizes.get(dim) > 1 && !REPLICATES.includes(dim));
  return usable.sort((a, b) => sizes.get(b) - sizes.get(a))[0] ?? null;
}

function kindOf(asked, sizes, x, y) {
  if (y === null || x === null) return "curves";
  if (asked !== "auto") return asked;
  return sizes.get(x) > FEW && sizes.get(y) > FEW ? "map" : "curves";
}
