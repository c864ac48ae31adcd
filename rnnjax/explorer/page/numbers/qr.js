// QR decomposition of a matrix whose rows differ by many orders of magnitude.
//
// Householder reflections whose pivot row holds the largest entry of the column leave small rows
// small, and with them all of R to rounding (Cox and Higham, Stability of Householder QR
// factorization for weighted least squares problems, Numerical Analysis 1997). With u = x / x_p and
// r = |u|: H = I - c v v^T, v = u + r e_p, c = 1 / (r (r + 1)), |R_jj| = |x_p| r.

// Overwrite A, its k columns of n entries one after the other, by Q. Returns R (k x k, row by row),
// upper triangular with R_jj >= 0; a column that depends on those before it has R_jj = 0.
export function gradedQR(A, n, k) {
  const reflections = [];
  const free = new Uint8Array(n).fill(1);
  for (let j = 0; j < k; j += 1) reflections.push(eliminate(A, n, k, j, free));
  const R = new Float64Array(k * k);
  reflections.forEach(({ pivot, sign }, i) => {
    for (let j = i; j < k; j += 1) R[i * k + j] = sign * A[j * n + pivot];
  });
  accumulate(A, n, k, reflections);
  return R;
}

function eliminate(A, n, k, j, free) {
  const x = A.subarray(j * n, (j + 1) * n);
  const pivot = largestFree(x, free);
  const top = x[pivot];
  free[pivot] = 0;
  if (top === 0 || !Number.isFinite(top)) return { pivot, sign: 1, v: null, c: 0 };
  const v = new Float64Array(n);
  let square = 1;
  for (let i = 0; i < n; i += 1) {
    if (!free[i]) continue;
    v[i] = x[i] / top;
    square += v[i] * v[i];
  }
  const r = Math.sqrt(square);
  v[pivot] = 1 + r;
  const c = 1 / (r * (r + 1));
  for (let m = j + 1; m < k; m += 1) reflect(A.subarray(m * n, (m + 1) * n), v, c);
  x[pivot] = -top * r;
  return { pivot, sign: top > 0 ? -1 : 1, v, c };
}

function largestFree(x, free) {
  let best = -1;
  for (let i = 0; i < x.length; i += 1) {
    if (free[i] && (best < 0 || Math.abs(x[i]) > Math.abs(x[best]))) best = i;
  }
  return best;
}

function reflect(column, v, c) {
  let sum = 0;
  for (let i = 0; i < v.length; i += 1) sum += v[i] * column[i];
  sum *= c;
  for (let i = 0; i < v.length; i += 1) column[i] -= v[i] * sum;
}

// Q = H_0 H_1 ... times the unit vectors of the pivots; H_i leaves the columns before i alone.
function accumulate(A, n, k, reflections) {
  A.fill(0);
  reflections.forEach(({ pivot, sign }, j) => {
    A[j * n + pivot] = sign;
  });
  for (let i = k - 1; i >= 0; i -= 1) {
    const { v, c } = reflections[i];
    if (v) for (let j = i; j < k; j += 1) reflect(A.subarray(j * n, (j + 1) * n), v, c);
  }
}
