// The setting of a page as the fragment of its address, and back: #page=gradient&gain=1.2&...

const MOST_LISTED_VALUES = 10; // of a choice, in a message

// Values of all controls without an address, {key: value}.
export function defaultsOf(controls) {
  return Object.fromEntries(controls.map((control) => [control.key, control.value]));
}

// The parameters of a fragment "#a=1&b=2", a Map of texts.
export function parametersOf(hash) {
  return new Map(new URLSearchParams(hash.replace(/^#/, "")));
}

// The fragment of a page with a setting, all of its controls named.
export function fragmentOf(page, setting) {
  const words = [["page", page.id]];
  for (const { key } of page.controls) words.push([key, String(setting[key])]);
  return `#${new URLSearchParams(words)}`;
}

// The setting that some parameters ask for. What is not given has its default; what cannot be used
// has it too, and a line in `problems` says so.
export function readSetting(controls, parameters) {
  const setting = defaultsOf(controls);
  const problems = [];
  const known = new Set(["page", ...controls.map((control) => control.key)]);
  for (const control of controls) {
    if (!parameters.has(control.key)) continue;
    const text = parameters.get(control.key);
    const { value, expected } = valueOf(control, text);
    if (expected)
      problems.push(
        `${control.key}: expected ${expected}, got ${shownText(text)}; ${control.value} is used.`,
      );
    else setting[control.key] = value;
  }
  for (const key of parameters.keys()) {
    if (!known.has(key)) problems.push(`${shownText(key)}: this page has no such setting.`);
  }
  return { setting, problems };
}

// One control's value from text: {value}, or {expected: what it should have been}.
export function valueOf(control, text) {
  if (control.kind === "choice") {
    const values = control.options.map((option) => option.value);
    return values.includes(text) ? { value: text } : { expected: `one of ${listed(values)}` };
  }
  if (control.kind === "text") return { value: text };
  const value = Number(text);
  const usable = text.trim() !== "" && Number.isFinite(value);
  const inside = usable && value >= control.min && value <= control.max;
  if (inside && !(control.integer && !Number.isInteger(value))) return { value };
  const kind = control.integer ? "a whole number" : "a number";
  return { expected: `${kind} from ${control.min} to ${control.max}` };
}

function listed(values) {
  return values.slice(0, MOST_LISTED_VALUES).join(", ") + (values.length > MOST_LISTED_VALUES ? ", ..." : "");
}

function shownText(text) {
  return text.length > 40 ? `"${text.slice(0, 40)}…"` : `"${text}"`;
}
