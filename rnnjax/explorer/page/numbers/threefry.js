// Random numbers as jax.random draws them by default (threefry2x32, partitionable layout).
//
// A key is [high, low], two unsigned 32-bit words. The generator is that of Salmon, Moraes, Dror and
// Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011. Normal numbers are sqrt(2) times the
// inverse error function of uniform ones in (-1, 1), in float32, by the polynomials of Giles,
// Approximating the erfinv function, GPU Computing Gems 2, 2010, with fused multiply-adds as XLA
// compiles them. They equal jax's to the last bit or the one before it: log1p is rounded once here.

const ROTATIONS = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
];
const PARITY = 0x1bd11bda;

// One block: two words of output from a key and a counter of two words.
export function threefry(key, high, low) {
  const schedule = [key[0], key[1], key[0] ^ key[1] ^ PARITY];
  let a = (high + schedule[0]) | 0;
  let b = (low + schedule[1]) | 0;
  for (let round = 0; round < 5; round += 1) {
    for (const turn of ROTATIONS[round % 2]) {
      a = (a + b) | 0;
      b = ((b << turn) | (b >>> (32 - turn))) ^ a;
    }
    a = (a + schedule[(round + 1) % 3]) | 0;
    b = (b + schedule[(round + 2) % 3] + round + 1) | 0;
  }
  return [a >>> 0, b >>> 0];
}

// jax.random.key(seed), 0 <= seed < 2^31.
export function keyOf(seed) {
  return [0, seed >>> 0];
}

export function foldIn(key, data) {
  return threefry(key, 0, data);
}

export function split(key, count = 2) {
  return Array.from({ length: count }, (_, i) => threefry(key, 0, i));
}

// `count` unsigned 32-bit words.
export function randomBits(key, count) {
  return Uint32Array.from({ length: count }, (_, i) => {
    const [a, b] = threefry(key, 0, i);
    return a ^ b;
  });
}

// Uniform in [0, 1), float32, as their 23 leading bits.
export function uniform(key, count) {
  return Float32Array.from(randomBits(key, count), (bits) => (bits >>> 9) * 2 ** -23);
}

const LOWEST = Math.fround(-1 + 2 ** -24); // the number after -1
const SQRT_2 = Math.fround(Math.SQRT2);

// Standard normal numbers, float32.
export function normal(key, count) {
  return uniform(key, count).map((u) => {
    const v = Math.max(LOWEST, Math.fround(u * 2 + LOWEST));
    return SQRT_2 * inverseErf(v);
  });
}

const CENTRE = [
  2.81022636e-8, 3.43273939e-7, -3.5233877e-6, -4.39150654e-6, 0.00021858087, -0.00125372503,
  -0.00417768164, 0.246640727, 1.50140941,
].map(Math.fround);
const TAIL = [
  -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613,
  0.00943887047, 1.00167406, 2.83297682,
].map(Math.fround);

// The inverse error function of v in (-1, 1), float32 throughout.
export function inverseErf(v) {
  const w = -Math.fround(Math.log1p(-Math.fround(v * v)));
  const near = w < 5;
  const x = near ? Math.fround(w - 2.5) : Math.fround(Math.fround(Math.sqrt(w)) - 3);
  // A product of two float32 is exact in float64, so that one rounding makes a fused multiply-add.
  const p = (near ? CENTRE : TAIL).reduce((sum, c) => Math.fround(sum * x + c));
  return Math.fround(p * v);
}
