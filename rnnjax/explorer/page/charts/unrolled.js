// The network unrolled in time: one circle a step, the arrow between two steps as wide as what is
// left of the gradient on its way back.

import { createChart } from "./canvas.js";
import { FAINT, INK, css, diverging } from "./colours.js";
import { powerText } from "./ticks.js";

export function createUnrolled(parent, fixed) {
  let places = [];
  return createChart(parent, { height: 150, ...fixed }, {
    paint(g, width, height, data) {
      places = placesOf(width, lagsShown(width, data));
      drawArrows(g, places, height / 2, data);
      places.forEach((place) => drawStep(g, place, height / 2, data));
    },
    at: (px) => nearestPlace(places, px) || null,
    read: ({ lag }, { log10 }) => `lag ${lag}: ‖dL/dh‖ = ${powerText(log10[lag])}`,
    pick: ({ lag }) => fixed.onPick(lag),
  });
}

// As many lags as fit, from 0 to the chosen one and one further, evenly spaced.
function lagsShown(width, { log10, chosen }) {
  const longest = log10.length - 1;
  const room = Math.max(3, Math.min(14, Math.floor((width - 70) / 52)));
  const parts = Math.min(room - 1, chosen);
  const spacing = parts > 0 ? chosen / parts : 1;
  const lags = Array.from({ length: parts + 1 }, (_, i) => Math.round(i * spacing));
  for (
    let lag = chosen + Math.round(spacing);
    lags.length <= room && lag <= longest;
    lag += Math.round(spacing)
  )
    lags.push(lag);
  return lags;
}

// Time goes to the right, so that lag 0 stands at the right end.
function placesOf(width, lags) {
  const n = lags.length;
  const pitch = (width - 70) / Math.max(1, n - 1);
  return lags.map((lag, i) => ({
    lag,
    x: width - 35 - i * pitch,
    radius: Math.min(13, pitch / 3),
  }));
}

function nearestPlace(places, px) {
  return places.reduce((a, b) => (a && Math.abs(a.x - px) < Math.abs(b.x - px) ? a : b), null);
}

// One pixel at 10^-12 or less, 16 at 10^2 or more: wide enough to see, narrow enough to fit.
function widthOf(log10) {
  if (!Number.isFinite(log10)) return log10 === Infinity ? 16 : 0;
  return Math.max(0.4, Math.min(16, 8 * 2 ** (log10 / 2.5)));
}

function drawArrows(g, places, y, data) {
  places.slice(1).forEach((place, i) => {
    const log10 = data.log10[place.lag];
    const from = places[i].x - places[i].radius;
    const to = place.x + place.radius;
    const width = widthOf(log10);
    if (width === 0) return;
    g.strokeStyle = colourOfNorm(log10);
    g.fillStyle = g.strokeStyle;
    g.lineWidth = width;
    g.beginPath();
    g.moveTo(from, y);
    g.lineTo(to, y);
    g.stroke();
  });
}

// Pale colours, near 10^0, would not be seen on white.
function colourOfNorm(log10) {
  if (Math.abs(log10) < 0.3) return FAINT;
  const t = Math.max(0.35, Math.min(1, Math.abs(log10) / 8));
  return css(diverging(log10 < 0 ? -t : t));
}

function drawStep(g, place, y, data) {
  const chosen = place.lag === data.chosen;
  g.fillStyle = chosen ? "#fff3c4" : "white";
  g.strokeStyle = INK;
  g.lineWidth = chosen ? 2.5 : 1.2;
  g.beginPath();
  g.arc(place.x, y, place.radius, 0, 2 * Math.PI);
  g.fill();
  g.stroke();
  g.fillStyle = INK;
  g.textAlign = "center";
  g.textBaseline = "top";
  g.fillText(place.lag === 0 ? "T" : `T−${place.lag}`, place.x, y + place.radius + 6);
  if (place.lag === 0) {
    g.textBaseline = "bottom";
    g.fillText("L = u·h", place.x - 4, y - place.radius - 8);
  }
}
