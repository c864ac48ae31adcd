// The frame around pages: tabs, controls, the setting in the address, and when pages are drawn.
// What a page is stands in main.js.

import { createControls } from "./controls.js";
import { element } from "./dom.js";
import { createFrames } from "./frames.js";
import { fragmentOf, parametersOf, readSetting } from "./state.js";
import { createTabs } from "./tabs.js";

const WRITE_AFTER = 250; // ms; browsers limit how often an address may be replaced

// Show `pages` in the element `root`. Returns {show(id), settle()}; `settle()` is a promise that is
// kept once every computation of the page is done.
export function start(pages, root) {
  const app = { pages, frames: createFrames(), current: null, timer: 0 };
  app.tablist = element("nav", { class: "tabs", "aria-label": "Pages" });
  app.problems = element("p", { class: "problem", role: "status", "aria-live": "polite" });
  root.append(app.tablist, app.problems);
  app.views = new Map(pages.map((page) => [page.id, viewOf(app, page, root)]));
  app.tabs = createTabs(app.tablist, pages, (id) => {
    app.problems.textContent = ""; // they were of the page that is left
    showPage(app, id);
  });
  addEventListener("hashchange", () => fromAddress(app));
  fromAddress(app);
  return { show: (id) => showPage(app, id), settle: () => app.frames.idle(), frames: app.frames };
}

function viewOf(app, page, root) {
  const panel = element("section", {
    class: "page",
    id: `page-${page.id}`,
    role: "tabpanel",
    "aria-labelledby": `tab-${page.id}`,
  });
  panel.hidden = true;
  root.append(panel);
  return {
    page,
    panel,
    drawn: null,
    controls: null,
    setting: readSetting(page.controls, new Map()).setting,
  };
}

// Draw a page when it is first looked at, and tell it its setting.
function showPage(app, id) {
  const view = app.views.get(id);
  for (const other of app.views.values()) other.panel.hidden = other !== view;
  app.current = view;
  app.tabs.show(id);
  if (!view.drawn) drawPage(app, view);
  refreshView(app, view, Object.keys(view.setting));
}

function drawPage(app, view) {
  const { page, panel } = view;
  const body = element("div", { class: "views" });
  const head = element("div", { class: "head" });
  panel.append(head);
  if (page.controls.length > 0) {
    const rows = element("form", {
      class: "controls",
      "aria-label": "Settings",
      submit: (e) => e.preventDefault(),
    });
    view.controls = createControls(rows, page.controls, page.id, (key, value) =>
      changeSetting(app, view, { [key]: value }),
    );
    panel.append(rows);
  } else panel.classList.add("plain");
  panel.append(body);
  view.drawn = page.draw(body, {
    head,
    frames: app.frames,
    set: (changes) => changeSetting(app, view, changes),
    open: (id) => showPage(app, id),
  });
}

function changeSetting(app, view, changes) {
  const keys = Object.keys(changes).filter((key) => view.setting[key] !== changes[key]);
  if (keys.length === 0) return;
  view.setting = { ...view.setting, ...changes };
  app.problems.textContent = "";
  refreshView(app, view, keys);
}

function refreshView(app, view, keys) {
  view.controls?.show(view.setting);
  view.drawn?.update?.(view.setting, keys);
  clearTimeout(app.timer);
  app.timer = setTimeout(() => toAddress(app), WRITE_AFTER);
}

function toAddress(app) {
  const fragment = fragmentOf(app.current.page, app.current.setting);
  if (fragment !== location.hash) history.replaceState(null, "", fragment);
}

function fromAddress(app) {
  const parameters = parametersOf(location.hash);
  const asked = parameters.get("page") ?? app.pages[0].id;
  const view = app.views.get(asked) ?? app.views.get(app.pages[0].id);
  const { setting, problems } = readSetting(view.page.controls, parameters);
  if (!app.views.has(asked)) {
    problems.unshift(
      `page: expected one of ${[...app.views.keys()].join(", ")}, got "${asked.slice(0, 40)}".`,
    );
  }
  view.setting = setting;
  app.problems.textContent = problems.join(" ");
  showPage(app, view.page.id);
}
