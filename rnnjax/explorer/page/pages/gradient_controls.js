// The controls of the main page, and which of them a cell has.

const heldBy =
  (...cells) =>
  (setting) =>
    cells.includes(setting.cell);

export const MOST_STEPS = 512;
export const GAINS = { min: 0.1, max: 4 };

export const gradientControls = [
  {
    key: "cell",
    kind: "choice",
    label: "Cell",
    value: "vanilla",
    options: [
      { value: "neuron", label: "one neuron" },
      { value: "vanilla", label: "vanilla (Elman)" },
      { value: "lstm", label: "LSTM" },
      { value: "gru", label: "GRU" },
      { value: "jordan", label: "Jordan 3-4-2" },
    ],
  },
  {
    key: "activation",
    kind: "choice",
    label: "Activation f",
    value: "tanh",
    shown: heldBy("neuron", "vanilla", "jordan"),
    options: ["tanh", "relu", "sigmoid", "identity"].map((name) => ({ value: name, label: name })),
  },
  {
    key: "weights",
    kind: "choice",
    label: "Recurrent weights / g",
    value: "gaussian",
    shown: heldBy("vanilla"),
    options: [
      { value: "gaussian", label: "normal, variance 1/n" },
      { value: "identity", label: "identity matrix" },
    ],
  },
  {
    key: "gain",
    kind: "number",
    label: "Recurrent weight or gain g",
    value: 1.2,
    ...GAINS,
    log: true,
  },
  {
    key: "lag",
    kind: "number",
    label: "Lag k",
    unit: "steps",
    value: 40,
    min: 0,
    max: MOST_STEPS,
    step: 1,
    integer: true,
  },
  {
    key: "leak",
    kind: "number",
    label: "Leak a",
    value: 1,
    min: 0.01,
    max: 1,
    step: 0.01,
    shown: heldBy("neuron", "vanilla"),
  },
  {
    key: "bias",
    kind: "number",
    label: "Biases, standard deviation",
    value: 0.1,
    min: 0,
    max: 2,
    step: 0.05,
    shown: heldBy("neuron", "vanilla"),
  },
  {
    key: "forget",
    kind: "number",
    label: "Bias of the forget gate (GRU: gate z)",
    value: 1,
    min: -5,
    max: 10,
    step: 0.1,
    shown: heldBy("lstm", "gru"),
  },
  {
    key: "n",
    kind: "number",
    label: "Units n",
    value: 32,
    min: 1,
    max: 64,
    step: 1,
    integer: true,
    shown: heldBy("vanilla", "lstm", "gru"),
  },
  {
    key: "T",
    kind: "number",
    label: "Length T",
    unit: "steps",
    value: 256,
    min: 5,
    max: MOST_STEPS,
    step: 1,
    integer: true,
  },
  {
    key: "seed",
    kind: "number",
    label: "Seed of weights and inputs",
    value: 0,
    min: 0,
    max: 9999,
    step: 1,
    integer: true,
  },
  {
    key: "input",
    kind: "choice",
    label: "Inputs",
    value: "noise",
    options: [
      { value: "noise", label: "white noise" },
      { value: "own", label: "own sequence" },
    ],
  },
  {
    key: "clip",
    kind: "choice",
    label: "Clipping of the gradient",
    value: "none",
    options: [
      { value: "none", label: "none" },
      { value: "norm", label: "by the norm of dL/dW" },
    ],
  },
  {
    key: "limit",
    kind: "number",
    label: "Largest norm after clipping",
    value: 1,
    min: 0.001,
    max: 1000,
    log: true,
    shown: (setting) => setting.clip === "norm",
  },
];

// The settings that change the network or its sequence; only the gain is left out.
export const NETWORK_KEYS = [
  "cell",
  "activation",
  "weights",
  "leak",
  "bias",
  "forget",
  "n",
  "T",
  "seed",
  "input",
];
