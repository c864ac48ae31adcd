// The page of cubes of results, made by `rnnjax explore`; the cubes stand in the element #data.
//
// window.rnnjax: `settle()` and `statistics` as in main.js, and `cubeView(setting)`, what the page
// shows for a setting, without drawing it.

import { start } from "./frame/app.js";
import { decodeCube } from "./numbers/cube.js";
import { viewerPage } from "./pages/viewer.js";

const cubes = JSON.parse(document.getElementById("data").textContent).cubes.map(decodeCube);
const page = viewerPage(cubes);
const app = start([page], document.getElementById("app"));
window.rnnjax = { settle: app.settle, statistics: app.frames.statistics, ...page.api };
