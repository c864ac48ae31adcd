// Tabs after the ARIA pattern: arrow keys, Home and End move between them.

// One tab a page in `parent`; `choose(id)` is called on click and key. Returns {show(id)}.
export function createTabs(parent, pages, choose) {
  parent.setAttribute("role", "tablist");
  parent.hidden = pages.length < 2;
  const buttons = pages.map((page) => tabOf(page, choose));
  parent.append(...buttons);
  parent.addEventListener("keydown", (event) => {
    const at = buttons.indexOf(document.activeElement);
    const last = buttons.length - 1;
    const goal = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last }[event.key];
    if (at < 0 || goal === undefined) return;
    event.preventDefault();
    const button = buttons[(goal + buttons.length) % buttons.length];
    button.focus();
    button.click();
  });
  return {
    show(id) {
      pages.forEach((page, i) => {
        buttons[i].setAttribute("aria-selected", String(page.id === id));
        buttons[i].tabIndex = page.id === id ? 0 : -1;
      });
    },
  };
}

function tabOf(page, choose) {
  const button = document.createElement("button");
  button.type = "button";
  button.id = `tab-${page.id}`;
  button.textContent = page.title;
  button.setAttribute("role", "tab");
  button.setAttribute("aria-controls", `page-${page.id}`);
  button.addEventListener("click", () => choose(page.id));
  return button;
}
