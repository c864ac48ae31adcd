// What the main page says beside its charts.

import { element, prose } from "../frame/dom.js";

const EXPLANATION = [
  "A recurrent network computes its state step by step, for a vanilla network",
  "*h*ₜ = f(*W* *h*ₜ₋₁ + *U* *x*ₜ + *b*). How a loss *L* at the last step *T* depends on the state *k*",
  "steps earlier is a product of *k* Jacobian matrices, and the norm of this gradient,",
  "‖d*L*/d*h*(*T*−*k*)‖, falls or grows roughly exponentially with the lag *k*. Where it is tiny,",
  "training learns nothing from that step; where it is huge, a step of training goes far too far.",
  "This page draws a small network as rnnjax does, runs it over *T* inputs and takes the gradient of",
  "*L* = *u*·*h*(*T*), with a fixed unit vector *u*, back through all steps. It carries the gradient as",
  "a vector and an exponent, so that no norm is lost, and computes everything in the browser whenever",
  "a setting changes.",
].join(" ");

const TRIALS = [
  [
    "page=gradient&cell=neuron&activation=identity&gain=0.5&bias=0&T=256&lag=127",
    "One linear neuron, w = 0.5",
    "the gradient halves at every step, and in float32 it is exactly 0 from lag 127 on.",
  ],
  [
    "page=gradient&cell=neuron&activation=identity&gain=2&bias=0&T=256&lag=128",
    "The same with w = 2",
    "it doubles, and in float32 it is infinite from lag 128 on.",
  ],
  [
    "page=gradient&cell=vanilla&activation=sigmoid&gain=4&T=256&lag=60",
    "Sigmoid units",
    "the slope is at most 1/4: the gradient vanishes at every gain of this range.",
  ],
  [
    "page=gradient&cell=lstm&forget=5&T=256&lag=100",
    "An LSTM with forget bias 5",
    "the forget gates keep 99% of the memory a step; compare with a bias of 0.",
  ],
  [
    "page=gradient&cell=vanilla&activation=identity&gain=1.3&T=128&lag=60&clip=norm&limit=1",
    "Clipping",
    "an exploding gradient is scaled down as a whole, and early steps keep their share of it.",
  ],
];

export function gradientIntro(head) {
  const items = TRIALS.map(([hash, name, text]) =>
    element("li", {}, element("a", { href: `#${hash}` }, name), `: ${text}`),
  );
  const trials = element("div", {}, element("h3", {}, "What to try"), element("ol", {}, ...items));
  head.append(element("div", { class: "intro" }, prose("p", EXPLANATION), trials));
}

// The command of rnnjax that measures the same, and what to know about it. Without a sequence of
// the reader's own (`hasOwn`) the page uses white noise, and so does the command.
export function commandOf(setting, hasOwn = false) {
  const own = setting.input === "own" && hasOwn;
  if (own || (setting.cell !== "vanilla" && setting.cell !== "neuron")) return pythonOf(setting, own);
  const neuron = setting.cell === "neuron";
  const words = [
    "rnnjax run gradient_norms --task white_noise",
    `--length ${setting.T} --n-h ${neuron ? 1 : setting.n} --weights ${neuron ? "identity" : setting.weights}`,
    `--bias ${setting.bias} --leak ${setting.leak} --axes.activation ${setting.activation}`,
    `--axes.gain ${setting.gain} --axes.seed ${setting.seed} --out results/explorer`,
  ];
  return {
    text: words.join(" \\\n  "),
    note:
      "Its variable log_norm is the natural logarithm of the norm, by lag. It computes in float32; " +
      "this page draws the same float32 weights and computes in float64.",
  };
}

const CELLS = {
  neuron: (s) => `rnnjax.Vanilla(n_x, 1, recurrent=rnnjax.cells.identity, ${vanillaFields(s)})`,
  vanilla: (s) =>
    `rnnjax.Vanilla(n_x, ${s.n}, recurrent=rnnjax.cells.${s.weights}, ${vanillaFields(s)})`,
  lstm: (s) => `rnnjax.LSTM(n_x, ${s.n}, gain=${s.gain}, forget_bias=${s.forget})`,
  gru: (s) => `rnnjax.GRU(n_x, ${s.n}, gain=${s.gain}, forget_bias=${s.forget})`,
  jordan: (s) =>
    `rnnjax.Jordan(n_x, 4, 2, activation=rnnjax.activations.${s.activation}, gain=${s.gain})`,
};

function vanillaFields(s) {
  return `activation=rnnjax.activations.${s.activation},\n    gain=${s.gain}, bias_gain=${s.bias}, leak=${s.leak}`;
}

// A program for what no command measures.
function pythonOf(setting, own) {
  const n_x = setting.cell === "jordan" ? 3 : 8;
  const n_y = setting.cell === "jordan" ? 2 : 1;
  const batch = own
    ? [
        'x = np.loadtxt("sequence.csv", delimiter=",", ndmin=2)  # skiprows=1 after a line of names',
        "spread = np.where(np.ptp(x, axis=0) > 0, x.std(axis=0), np.inf)",
        `x = ((x - x.mean(axis=0)) / spread)[:${setting.T}]`,
        "n_x = x.shape[1]",
        `batch = rnnjax.Batch(x, np.zeros((len(x), ${n_y})), np.ones(len(x)))`,
      ]
    : [
        `n_x = ${n_x}`,
        `task = rnnjax.tasks.WhiteNoise(length=${setting.T}, n_x=n_x, n_y=${n_y})`,
        "batch = task.sample(jax.random.fold_in(key, 1))",
      ];
  const lines = [
    own ? "import jax, numpy as np, rnnjax" : "import jax, rnnjax",
    `key = jax.random.key(${setting.seed})`,
    ...batch,
    `cell = ${CELLS[setting.cell](setting)}`,
    "params = cell.init(jax.random.fold_in(key, 0))",
    'print(rnnjax.probes.log_norm_by_lag(cell, None, params, batch)["log_norm"])',
  ];
  return {
    text: lines.join("\n"),
    note: "A program in Python; it prints the natural logarithm of the norm, by lag.",
  };
}
