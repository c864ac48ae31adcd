// The explorer's pages and its interface for programs.
//
// A page is {id, title, controls, draw, api}:
//   id        its name in the address, #page=id&key=value
//   title     its tab
//   controls  the controls of its setting, see frame/controls.js; [] for a page without any
//   draw(root, {set, frames, open, head})   called once, when the page is first shown: puts its views
//             into the element `root` and returns {update(setting, keys)}, which is called whenever
//             the setting changes (`keys`: what changed; all of them at first).
//             set({key: value}) changes the setting, controls and address included;
//             frames.schedule(name, generator) runs long work in short pieces (frame/frames.js);
//             open(id) shows another page; head is an element above the controls, for an
//             introduction
//   api       functions that window.rnnjax offers beside `settle`, {name: function}; optional
// A sequence of the reader's own is shared by frame/own_sequence.js. Charts: charts/canvas.js.
//
// window.rnnjax: `settle()`, a promise that is kept once nothing is left to compute, `statistics`
// of the frames so far, and the functions of the pages, of which gradient.js has
// `compute(setting, want, own)` (numbers/measure.js), `draws` (numbers/threefry.js) and
// `genericDirections(n, count)` (numbers/spectrum.js).

import { start } from "./frame/app.js";
import { gradientPage } from "./pages/gradient.js";
import { jordanPage } from "./pages/jordan.js";
import { oneNeuronPage } from "./pages/one_neuron.js";
import { ownDataPage } from "./pages/own_data.js";
import { radarPage } from "./pages/radar.js";

const pages = [gradientPage, oneNeuronPage, jordanPage, radarPage, ownDataPage];
const app = start(pages, document.getElementById("app"));
window.rnnjax = Object.assign(
  { settle: app.settle, statistics: app.frames.statistics },
  ...pages.map((page) => page.api),
);
