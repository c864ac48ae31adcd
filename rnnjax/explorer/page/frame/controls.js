// Controls with labels: a slider with a number field, a choice, a line of text.
//
// A control is {key, kind: "number" | "choice" | "text", label, value (the default), help} with
//   number: min, max, step, integer, log (the slider moves by factors), unit
//   choice: options: [{value, label}]
//   shown(setting): whether it applies; it is hidden where it does not

import { valueOf } from "./state.js";

const NOTCHES = 1000; // of a logarithmic slider

// All controls in `parent`; `changed(key, value)` is called with every usable value.
// Returns {show(setting)}, which sets what they display.
export function createControls(parent, controls, prefix, changed) {
  const made = controls.map((control) => {
    const row = document.createElement("div");
    row.className = `control ${control.kind}`;
    const make = { number: numberControl, choice: choiceControl, text: textControl }[control.kind];
    const show = make(row, control, `${prefix}-${control.key}`, (v) => changed(control.key, v));
    if (control.help) addHelp(row, control);
    parent.append(row);
    return { control, row, show };
  });
  return {
    show(setting) {
      for (const { control, row, show } of made) {
        row.hidden = control.shown ? !control.shown(setting) : false;
        show(setting[control.key]);
      }
    },
  };
}

function labelled(row, control, id) {
  const label = document.createElement("label");
  label.htmlFor = id;
  label.textContent = control.unit ? `${control.label} (${control.unit})` : control.label;
  row.append(label);
}

function addHelp(row, control) {
  const help = document.createElement("p");
  help.className = "help";
  help.textContent = control.help;
  row.append(help);
}

function inputOf(type, id, attributes = {}) {
  const element = document.createElement("input");
  element.type = type;
  element.id = id;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function numberControl(row, control, id, changed) {
  labelled(row, control, id);
  const { min, max, step } = control;
  const slider = inputOf("range", `${id}-slider`, { "aria-label": `${control.label}, slider` });
  const range = control.log ? [0, NOTCHES, 1] : [min, max, step];
  [slider.min, slider.max, slider.step] = range;
  const field = inputOf("number", id, { min, max, step: control.integer ? 1 : "any" });
  const error = document.createElement("p");
  error.className = "problem";
  error.id = `${id}-problem`;
  field.setAttribute("aria-describedby", error.id);
  slider.addEventListener("input", () => changed(fromSlider(control, Number(slider.value))));
  field.addEventListener("input", () => {
    const { value, expected } = valueOf(control, field.value);
    tell(expected);
    if (!expected) changed(value);
  });
  const tell = (expected) => {
    error.textContent = expected ? `Expected ${expected}.` : "";
    field.setAttribute("aria-invalid", String(Boolean(expected)));
  };
  row.append(slider, field, error);
  return (value) => {
    slider.value = toSlider(control, value);
    if (valueOf(control, field.value).value === value) return; // keeps "1." while it is typed
    if (document.activeElement === field && field.getAttribute("aria-invalid") === "true") return;
    field.value = String(value);
    tell("");
  };
}

function toSlider(control, value) {
  if (!control.log) return value;
  return Math.round(
    (NOTCHES * Math.log(value / control.min)) / Math.log(control.max / control.min),
  );
}

// Three digits: what a slider of this many notches can tell apart.
function fromSlider(control, place) {
  if (!control.log) return Number(place.toPrecision(12));
  const value = control.min * (control.max / control.min) ** (place / NOTCHES);
  return control.integer ? Math.round(value) : Number(value.toPrecision(3));
}

function choiceControl(row, control, id, changed) {
  labelled(row, control, id);
  const select = document.createElement("select");
  select.id = id;
  for (const { value, label } of control.options) select.append(new Option(label, value));
  select.addEventListener("change", () => changed(select.value));
  row.append(select);
  return (value) => {
    select.value = value;
  };
}

function textControl(row, control, id, changed) {
  labelled(row, control, id);
  const field = inputOf("text", id, { maxlength: 2000 });
  field.addEventListener("input", () => changed(field.value));
  row.append(field);
  return (value) => {
    if (field.value !== value) field.value = value;
  };
}
