// Parts that several pages share: the paragraph at the top, tables of numbers, limits of axes.

import { element, prose } from "../frame/dom.js";

// Paragraphs, and what to try: [[text, "key=value&..."]], links that set the page.
export function introduction(root, page, paragraphs, tries = []) {
  const links = tries.map(([text, fragment]) =>
    element("li", {}, element("a", { href: `#page=${page}&${fragment}` }, text)));
  root.append(element("section", { class: "intro" },
    ...paragraphs.map((text) => prose("p", text)),
    ...(links.length ? [element("h3", {}, "What to try"), element("ol", {}, ...links)] : [])));
}

// A section with a title in `root`.
export function titled(root, title, kind = "") {
  const section = element("section", { class: kind }, element("h3", {}, title));
  root.append(section);
  return section;
}

// A table of texts, which scrolls where it is too wide: one line of heads, then rows.
export function numberTable(heads, rows) {
  const line = (tag, texts) => element("tr", {}, ...texts.map((text) => element(tag, {}, text)));
  const table = element("table", {}, element("thead", {}, line("th", heads)),
    element("tbody", {}, ...rows.map((row) => line("td", row))));
  return element("div", { class: "scroll" }, table);
}

// {min, max} of all finite values of some curves, with a margin; from 0 to 1 where there are none.
export function finiteLimits(curves) {
  let [min, max] = [Infinity, -Infinity];
  for (const { ys } of curves) {
    for (const value of ys) {
      if (!Number.isFinite(value)) continue;
      min = Math.min(min, value);
      max = Math.max(max, value);
    }
  }
  if (min > max) return { min: 0, max: 1 };
  const margin = 0.05 * (max - min) || Math.max(0.5, 0.05 * Math.abs(max));
  return { min: min - margin, max: max + margin };
}

// A button that calls a function.
export function actionButton(text, action) {
  return element("button", { type: "button", click: action }, text);
}
