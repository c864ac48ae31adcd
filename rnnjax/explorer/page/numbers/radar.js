// Two points of a straight way: where is the third?
//
//   c = 2b - a                                                  (1)   a seen first, then b
//   E[c | {a, b}] = (a + b) / 2,   E|c - (a + b) / 2|^2 = 9/4 |b - a|^2     (2)
//
// Without the order both 2b - a and 2a - b are possible, and their mean is the middle of the two
// points. The networks are those of `rnnjax.decks.two_inputs` with one linear neuron.

// Equation (1) and its reverse, and what is best without the order; points are [x, y].
export function pointForecasts(a, b) {
  const along = (p, q) => q.map((value, n) => 2 * value - p[n]);
  const square = b.reduce((sum, value, n) => sum + (value - a[n]) ** 2, 0);
  return {
    ordered: along(a, b),
    reversed: along(b, a),
    middle: a.map((value, n) => (value + b[n]) / 2),
    squaredSpeed: square,
    squaredError: 2.25 * square, // of the middle, equation (2)
  };
}

// What one neuron is shown of a pair, in the two steps: [through w_x1, through w_x2] each.
//
// The recurrent neuron gets a point a step, both through w_x1; an ANN gets both in the last step.
export const RADAR_NETS = {
  RNN: (a, b) => [[a, 0], [b, 0]],
  "ANN, ordered": (a, b) => [[0, 0], [a, b]],
  "ANN, without order": (a, b) => [[0, 0], [Math.min(a, b), Math.max(a, b)]],
};

export const RADAR_START = { wn: 0.1, wx1: 0.5, wx2: 0.5, w3: 0.5 };

// The answer to a pair of numbers, f(x) = x, and what its derivatives need.
function runNeuron(net, w, a, b) {
  const [[p1, p2], [q1, q2]] = RADAR_NETS[net](a, b);
  const first = w.wx1 * p1 + w.wx2 * p2;
  const last = w.wx1 * q1 + w.wx2 * q2 + w.wn * first;
  return { p1, p2, q1, q2, first, last, answer: w.w3 * last };
}

// The answer of a neuron to a first and a last point, each coordinate by itself.
export function radarAnswer(net, w, a, b) {
  return a.map((value, n) => runNeuron(net, w, value, b[n]).answer);
}

// Pairs and third points of n places, n speeds and both directions, as `TwoPoints().grid(n)`.
export function radarPairs(n = 16) {
  const pairs = [];
  for (let i = 0; i < n; i += 1) {
    const middle = 3 * ((2 * (i + 0.5)) / n - 1);
    for (let j = 0; j < n; j += 1) {
      const speed = 0.5 + (j + 0.5) / n;
      for (const v of [speed, -speed]) pairs.push([-0.5, 0.5, 1.5].map((s) => middle + s * v));
    }
  }
  return pairs;
}

// One update of gradient descent on the mean squared error: {weights, loss before it}.
export function radarUpdate(net, w, pairs, rate) {
  const sum = { wn: 0, wx1: 0, wx2: 0, w3: 0 };
  let loss = 0;
  for (const [a, b, c] of pairs) {
    const at = runNeuron(net, w, a, b);
    const error = at.answer - c;
    const back = 2 * error * w.w3;
    loss += error * error;
    sum.w3 += 2 * error * at.last;
    sum.wn += back * at.first;
    sum.wx1 += back * (at.q1 + w.wn * at.p1);
    sum.wx2 += back * (at.q2 + w.wn * at.p2);
  }
  const step = rate / pairs.length;
  const weights = Object.fromEntries(Object.entries(w).map(([k, v]) => [k, v - step * sum[k]]));
  return { weights, loss: loss / pairs.length };
}

// Numbers of cells of every straight line of three neighbours on a grid, in all 8 directions.
export function straightLines(side, torus) {
  const lines = [];
  for (let row = 0; row < side; row += 1) {
    for (let column = 0; column < side; column += 1) {
      for (let d = 0; d < 9; d += 1) {
        const [dr, dc] = [Math.floor(d / 3) - 1, (d % 3) - 1];
        if (dr || dc) addStraightLine(lines, side, torus, [row, column], [dr, dc]);
      }
    }
  }
  return lines;
}

function addStraightLine(lines, side, torus, [row, column], [dr, dc]) {
  const cells = [0, 1, 2].map((k) => [row + k * dr, column + k * dc]);
  const inside = cells.flat().every((value) => value >= 0 && value < side);
  if (!torus && !inside) return;
  const wrap = (value) => ((value % side) + side) % side;
  lines.push(cells.map(([r, c]) => wrap(r) * side + wrap(c)));
}

// How often the best guess of the third cell is right, and its cross-entropy in nat, over all
// lines; with `ordered` false the first two cells are known without their order.
export function bestGuess(lines, ordered) {
  const cases = new Map();
  for (const [a, b, c] of lines) {
    const seen = ordered || a < b ? `${a},${b}` : `${b},${a}`;
    const answers = cases.get(seen) ?? new Map();
    answers.set(c, (answers.get(c) ?? 0) + 1);
    cases.set(seen, answers);
  }
  let right = 0;
  let surprise = 0;
  for (const answers of cases.values()) {
    const counts = [...answers.values()];
    const total = counts.reduce((sum, n) => sum + n, 0);
    right += Math.max(...counts);
    for (const n of counts) surprise += n * Math.log(total / n);
  }
  return { accuracy: right / lines.length, crossEntropy: surprise / lines.length };
}

// The cells that may come third on a grid with 0 in its middle: a list of {cell: [x, y], p}, which
// is empty if the way leaves the grid.
export function thirdCells(a, b, side, ordered) {
  const { ordered: onward, reversed } = pointForecasts(a, b);
  const inside = (cell) => cell.every((value) => Math.abs(value) <= (side - 1) / 2);
  const possible = (ordered ? [onward] : [onward, reversed]).filter(inside);
  return possible.map((cell) => ({ cell, p: 1 / possible.length }));
}
