"""Why long memories are hard to learn even when nothing explodes: second moments of a linear unit.

h_t = l h_{t-1} + x_t with |l| < 1 and stationary inputs of E x_t x_{t+d} = r^|d| has

  E h^2        = (1 + r l) / ((1 - r l) (1 - l^2))                                     (1)
  E (dh/dl)^2  = ((1 + l^2) (1 - l^2 r^2) + 2 (1 - l^2) l r) / ((1 - l^2)^3 (1 - l r)^2)    (2)

so the state grows with the memory and its sensitivity far more. A student l of a teacher l* under
white inputs (r = 0) has the loss and, at l = l*, the curvature

  L = (1 / (1 - |l|^2) + 1 / (1 - |l*|^2) - 2 Re 1 / (1 - l conj(l*))) / 2
    = |l - l*|^2 (1 - |l l*|^2) / (2 (1 - |l|^2) (1 - |l*|^2) |1 - l conj(l*)|^2)      (3)
  d^2 L / dl^2 = E (dh/dl)^2 = (1 + l^2) / (1 - l^2)^3                                 (4)

The normalised state u = sqrt(1 - l^2) h keeps E u^2 = (1 + r l) / (1 - r l). With s = 1 - l^2, its
sensitivity through the normalisation too is, from u' = sqrt(s) h' - l h / sqrt(s) and E h h' =
(E h^2)' / 2,

  E (du/dl)^2 = s E h'^2 - l (E h^2)' + l^2 E h^2 / s                                  (5)

and for white inputs, with a = artanh l, the loss and its curvature in v, l = exp(-exp(v)), are

  L = 1 - 1 / cosh(a - a*),   d^2 L / dv^2 = (m / (2 sinh m))^2,   m = exp(v) = -ln l  (6)

which is at most 1/4, the limit of long memories. A ring of |l|^2 evenly between r_min^2 and
r_max^2 has

  E 1 / (1 - |l|^2) = ln((1 - r_min^2) / (1 - r_max^2)) / (r_max^2 - r_min^2)          (7)

Zucchet and Orvieto, Recurrent neural networks: vanishing and exploding gradients are not the end
of the story, NeurIPS 2024 (1 to 4, and the idea of 5 and 6); Orvieto et al., Resurrecting recurrent
neural networks for long sequences, ICML 2023 (7).
"""

import math

from rnnjax.theory.domain import check_number


def _check_memory(decay: float, correlation: float = 0.0) -> None:
    """Refuse |l| >= 1, where the state has no variance, and inputs that none have."""
    check_number("decay", decay, above=-1, below=1)
    check_number("correlation", correlation, at_least=-1, at_most=1)


def _short(decay: float) -> float:
    """Return 1 - l^2, with all its digits also for long memories, where l^2 rounds to near 1."""
    return (1 - decay) * (1 + decay)


def _one_less(student: complex, teacher: complex) -> complex:
    """Return 1 - l conj(l*), likewise."""
    return _short(abs(student)) + student * complex(student - teacher).conjugate()


def state_variance(decay: float, correlation: float) -> float:
    """Return E h^2, equation (1).

    Args:
      decay: l.
      correlation: r, that of inputs one step apart.

    Raises:
      ValueError: |l| >= 1 or |r| > 1.
    """
    _check_memory(decay, correlation)
    product = decay * correlation
    return (1 + product) / ((1 - product) * _short(decay))


def sensitivity_variance(decay: float, correlation: float) -> float:
    """Return E (dh/dl)^2, equation (2).

    Args:
      decay: l.
      correlation: r.

    Raises:
      ValueError: |l| >= 1 or |r| > 1.
    """
    _check_memory(decay, correlation)
    product, short = decay * correlation, _short(decay)
    top = (1 + decay**2) * (1 - product**2) + 2 * short * product
    return top / (short**3 * (1 - product) ** 2)


def loss(student: complex, teacher: complex) -> float:
    """Return L of equation (3), half the mean squared difference of the two states.

    Args:
      student: l.
      teacher: l*.

    Raises:
      ValueError: |l| >= 1 or |l*| >= 1.
    """
    check_number("|student|", abs(student), below=1)
    check_number("|teacher|", abs(teacher), below=1)
    # The product of equation (3): its sum cancels where the student is near the teacher.
    size, true_size = abs(student), abs(teacher)
    both = abs(_one_less(student, teacher))
    rest = _short(size) * _short(true_size)
    return 0.5 * (abs(student - teacher) / both) ** 2 * _short(size * true_size) / rest


def curvature(decay: float) -> float:
    """Return the second derivative of the loss at l = l*, equation (4), for |l| < 1."""
    _check_memory(decay)
    return (1 + decay**2) / _short(decay) ** 3


def normalised_variance(decay: float, correlation: float) -> float:
    """Return E u^2 of the state that is multiplied by sqrt(1 - l^2).

    Args:
      decay: l.
      correlation: r.

    Raises:
      ValueError: |l| >= 1 or |r| > 1.
    """
    _check_memory(decay, correlation)
    product = decay * correlation
    return (1 + product) / (1 - product)


def normalised_sensitivity_variance(decay: float, correlation: float) -> float:
    """Return E (du/dl)^2, equation (5); 1 / (1 - l^2)^2 for white inputs.

    Args:
      decay: l.
      correlation: r.

    Raises:
      ValueError: |l| >= 1 or |r| > 1.
    """
    _check_memory(decay, correlation)
    short = _short(decay)
    state = state_variance(decay, correlation)
    # The derivative of ln E h^2 with respect to l.
    growth = 2 * correlation / (1 - (decay * correlation) ** 2) + 2 * decay / short
    through_state = short * sensitivity_variance(decay, correlation)
    return through_state - decay * growth * state + decay**2 * state / short


def reparametrised_sensitivity_variance(decay: float, correlation: float) -> float:
    """Return E (du/dv)^2 for l = exp(-exp(v)): equation (5) times (dl/dv)^2 = (l ln l)^2.

    Args:
      decay: l.
      correlation: r.

    Raises:
      ValueError: l is not between 0 and 1, or |r| > 1.
    """
    check_number("decay", decay, above=0, below=1)
    return (decay * math.log(decay)) ** 2 * normalised_sensitivity_variance(decay, correlation)


def normalised_loss(student: float, teacher: float) -> float:
    """Return L of equation (6) for white inputs, both states normalised.

    Args:
      student: l, real.
      teacher: l*, real.

    Raises:
      ValueError: |l| >= 1 or |l*| >= 1.
    """
    check_number("student", student, above=-1, below=1)
    check_number("teacher", teacher, above=-1, below=1)
    # (cosh - 1) / cosh of equation (6), which would cancel where the student is near the teacher.
    both = _one_less(student, teacher).real
    rest = math.sqrt(_short(student) * _short(teacher))
    return (student - teacher) ** 2 / (both * (both + rest))


def normalised_curvature(decay: float) -> float:
    """Return d^2 L / dv^2 of equation (6) at l = l* = exp(-exp(v)), 0 < l < 1."""
    check_number("decay", decay, above=0, below=1)
    # 1 / (2 sinh m) = l / (1 - l^2), which stays in the range
    return (decay * math.log(decay) / _short(decay)) ** 2


def ring_variance(smallest: float, largest: float) -> float:
    """Return the mean of 1 / (1 - |l|^2) over a ring, equation (7): E |h|^2 under white inputs.

    Args:
      smallest: r_min.
      largest: r_max, < 1.

    Raises:
      ValueError: 0 <= r_min <= r_max < 1 does not hold.
    """
    check_number("largest", largest, at_least=0, below=1)
    check_number("smallest", smallest, at_least=0, at_most=largest)
    width, rest = (largest - smallest) * (largest + smallest), _short(largest)
    return math.log1p(width / rest) / width if width else 1 / rest
