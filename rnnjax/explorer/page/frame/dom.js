// Elements by their parts. Text is always set as text, never as markup.

// element("p", {class: "note"}, "text", otherElement): attributes that are functions are listeners.
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Text in which `words` in backticks are set as code and *words* as variables.
export function prose(tag, text, attributes = {}) {
  const parts = text.split(/(`[^`]+`|\*[^*]+\*)/).map((part) => {
    if (part.startsWith("`")) return element("code", {}, part.slice(1, -1));
    if (part.startsWith("*")) return element("var", {}, part.slice(1, -1));
    return part;
  });
  return element(tag, attributes, ...parts);
}
