"""Exercise 6: does dw(n-1) / dw(n-2) accelerate? Descent on E = a w^2 / 2 from w = 1, eta = 1."""


def updates(a, *, ratio, least=1e-6, most=100_000):
    """Count updates until |w| <= least; None if it does not come there."""
    w, gradients = 1.0, []
    for n in range(1, most + 1):
        gradients.append(a * w)
        w -= a * w * (gradients[-2] / gradients[-3] if ratio and n >= 3 else 1)
        if abs(w) <= least:
            return n
        if abs(w) > 1e6:
            return None
    return None


def answer():
    """Return the numbers of the exercise."""
    return {
        "updates of plain descent, a = 0.05": updates(0.05, ratio=False),
        "updates with the ratio, a = 0.05": updates(0.05, ratio=True),
        "updates of plain descent, a = 1.5": updates(1.5, ratio=False),
        "updates with the ratio, a = 1.5": updates(1.5, ratio=True),
    }


if __name__ == "__main__":
    print(*(f"{name:36} {value}" for name, value in answer().items()), sep="\n")
