// Activations as rnnjax has them: the value, and the slope without cancellation.

// e / (1 + e)^2 with e = exp(-|x|): the slope of the logistic function.
function bell(x) {
  const e = Math.exp(-Math.abs(x));
  return e / (1 + e) ** 2;
}

export function sigmoid(x) {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

// name, fn: f, slope: f', steepest: sup |f'|; homogeneous: f(a x) = a f(x) for a > 0; rate: the
// slope falls as exp(-rate |x|), 0 where it does not.
export const ACTIVATIONS = {
  tanh: { fn: Math.tanh, slope: (x) => 4 * bell(2 * x), steepest: 1, rate: 2 },
  relu: {
    fn: (x) => (x <= 0 ? 0 : x),
    slope: (x) => (x > 0 ? 1 : x <= 0 ? 0 : NaN),
    steepest: 1,
    rate: 0,
    homogeneous: true,
  },
  sigmoid: { fn: sigmoid, slope: bell, steepest: 0.25, rate: 1 },
  identity: { fn: (x) => x, slope: () => 1, steepest: 1, rate: 0, homogeneous: true },
};

// The same as a framework has them in float32: slopes from rounded values, so that 1 - tanh^2 is
// exactly 0 beyond |x| = 9.
const toFloat32 = Math.fround;
const tanh32 = (x) => toFloat32(Math.tanh(x));
const sigmoid32 = (x) => toFloat32(sigmoid(x));
const ROUNDED = {
  ...ACTIVATIONS,
  tanh: { fn: tanh32, slope: (x) => toFloat32(1 - toFloat32(tanh32(x) ** 2)), rate: 0 },
  sigmoid: {
    fn: sigmoid32,
    slope: (x) => toFloat32(sigmoid32(x) * toFloat32(1 - sigmoid32(x))),
    rate: 0,
  },
};

// What a cell computes its functions in: float64, or float32 as a framework does.
export const FLOAT64 = { activations: ACTIVATIONS, sigmoid, tanh: Math.tanh };
export const FLOAT32 = { activations: ROUNDED, sigmoid: sigmoid32, tanh: tanh32 };

const FAR = 600; // exp(-FAR) is still an ordinary number of float64
const MOST_EXPONENT = 2 ** 27; // what rnnjax's scaled numbers hold; a slope below it is 0

// Slopes of `count` numbers from `at` on, written to `out`: f'(z_i) = out_i 2^exponent, which is
// returned. However deep all units saturate, the slope of the least saturated one is not 0.
export function slopesInto(activation, z, at, count, out, to) {
  let least = Infinity;
  for (let i = 0; i < count; i += 1) least = Math.min(least, Math.abs(z[at + i]));
  if (!(activation.rate * least > FAR) || least === Infinity) {
    for (let i = 0; i < count; i += 1) out[to + i] = activation.slope(z[at + i]);
    return 0;
  }
  // With m = min |z|: exp(-rate |z|) = exp(rate (m - |z|)) exp(-rate m), and e is 0 beside 1.
  const { rate } = activation;
  const exponent = -Math.min(MOST_EXPONENT, Math.floor((rate * least) / Math.LN2));
  const size = (rate === 2 ? 4 : 1) * Math.exp(-rate * least - exponent * Math.LN2);
  for (let i = 0; i < count; i += 1)
    out[to + i] = size * Math.exp(rate * (least - Math.abs(z[at + i])));
  return exponent;
}
