// A box with a command that measures the same, and a button that copies it.

import { element } from "./dom.js";

// Returns {show(text, note)} for a box in `parent`; `title` says what the text is.
export function createCommand(parent, title) {
  const code = element("code", { tabindex: "0" });
  const note = element("p", { class: "note" });
  const button = element("button", { type: "button", click: () => copyText(code, button) }, "Copy");
  const box = element(
    "section",
    { class: "command" },
    element("h3", {}, title),
    button,
    element("pre", {}, code),
    note,
  );
  parent.append(box);
  return {
    show(text, noteText = "") {
      if (code.textContent !== text) code.textContent = text;
      note.textContent = noteText;
    },
  };
}

async function copyText(code, button) {
  const done = await wasCopied(code);
  button.textContent = done ? "Copied" : "Selected: press Ctrl-C";
  setTimeout(() => {
    button.textContent = "Copy";
  }, 2000);
}

// A page opened from a file may not write to the clipboard everywhere; then the text is selected.
async function wasCopied(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    return false;
  }
}
