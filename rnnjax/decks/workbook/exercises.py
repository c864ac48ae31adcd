"""The sheets `exercises` and `answers`: questions about the numbers, and the answers as formulas.

The answers are computed from the other sheets, so that they stay right when a weight is changed.
"""

from dataclasses import dataclass

from rnnjax.decks.workbook.cycles import N_CYCLES, TABLE
from rnnjax.decks.workbook.formulas import on_parameter
from rnnjax.decks.workbook.layout import ANSWERS, COLUMN, HIDDEN, WEIGHTS, Rows, Weight
from rnnjax.decks.workbook.summary import Cells

FIRST = 6  # the row of exercise 1, on both sheets
ANSWER = "C"  # the column of what a reader writes, and of the answer
_TOLERANCE = 0.02


@dataclass(frozen=True)
class Exercise:
    """One question whose answer is a number.

    Attributes:
      question: what is asked, in one or two lines.
      answer: the formula, or the number.
      because: the reason, in one or two lines.
    """

    question: str
    answer: str
    because: str


def exercises(rows: Rows) -> tuple[Exercise, ...]:
    """Return all exercises.

    Args:
      rows: where the pairs stand on the sheets of training.
    """

    def column(name: str) -> str:
        return f"{COLUMN[name]}{rows.first}:{COLUMN[name]}{rows.last}"

    weights = f"{COLUMN[f'd{WEIGHTS[0].name}']}{{0}}:{COLUMN[f'd{WEIGHTS[-1].name}']}{{1}}"
    factors = weights.format(rows.multiplier, rows.multiplier + rows.n_steps - 1)
    w = COLUMN["dw1,i3"]
    local = f"{w}{rows.total}"
    first = {name: f"rnn!{COLUMN[name]}{rows.first}" for name in COLUMN}
    loop = "+".join(
        f"{on_parameter(Weight('V', 2, j))}*{first[f'h{j}']}*(1-{first[f'h{j}']})"
        f"*{on_parameter(Weight('W', j, 3))}" for j in HIDDEN
    )  # fmt: skip
    errors = f"cycles!D{TABLE + 1}:D{TABLE + 1 + N_CYCLES}"
    return (
        Exercise(
            "Compute output 1 of the first row of rnn with a pocket calculator, from h1 to h4.",
            f"={first['outo1']}",
            "outo1 = s(V h + c) with the first row of V: weights V and bias on parameter.",
        ),
        Exercise(
            "rnn: which share of E is left after one cycle?",
            "=rnn!B4/rnn!B3",
            "E after over E. With eta = 0 it is 1.",
        ),
        Exercise(
            f"rnn: which share of E comes from t = 1? An even share would be 1/{rows.n_steps}.",
            f"=SUMIF(rnn!{column('t')},1,rnn!{column('E')})/SUM(rnn!{column('E')})",
            "An untrained network answers alike at every t, and the targets at t = 1 are low: "
            "there its error is largest.",
        ),
        Exercise(
            "rnn+et: how many factors are negative?",
            f"=COUNTIF('rnn+et'!{factors},\"<0\")",
            "dw(t-1) and dw(t-2) have unlike signs: the factor turns a step of descent uphill.",
        ),
        Exercise(
            "By which factor does output 2 of the first row change with its i3 (d outo2 / d i3)?",
            f"=({loop})*{first['outo2']}*(1-{first['outo2']})",
            "sum over j of W[j,3] h(1-h) V[2,j], times outo2 (1 - outo2). An error that goes back "
            "n steps is multiplied by about n such factors: it vanishes.",
        ),
        Exercise(
            "dw1,i3: which multiple of the sum over t of the mean dw on rnn is that on rnn+et+dx?",
            f"=SUM('rnn+et+dx'!{w}{rows.mean}:{w}{rows.mean + rows.n_steps - 1})/rnn!{local}",
            "With delta x the sum is the derivative of E; without it a part is left out. The "
            "nearer exercise 5 is to 0, the nearer is this to 1.",
        ),
        Exercise(
            f"cycles: in which cycle, 0 to {N_CYCLES}, is E of rnn+et+dx least?",
            f"=MATCH(MIN({errors}),{errors},0)-1",
            "The ratio divides by a dw that may be near 0: a single step can undo all before it.",
        ),
        Exercise(
            "Set the four weights of i3 to 0 on parameter. How large is the largest |dx| on "
            "rnn+et+dx then?",
            "0",
            "di3 = W' dh, third entry: without weights of i3 nothing goes back.",
        ),
    )  # fmt: skip


def exercise_cells(rows: Rows) -> Cells:
    """Return the sheet `exercises`; the formula beside an answer compares it with `answers`."""
    found: Cells = {
        "A1": "Exercises",
        "A2": "Write a number into a yellow cell; to the right of it stands whether it is right, "
        "to 2 %. The reasons are on the last sheet.",
        f"B{FIRST - 1}": "question", f"C{FIRST - 1}": "your answer", f"D{FIRST - 1}": "right?",
    }  # fmt: skip
    for n, exercise in enumerate(exercises(rows)):
        row = FIRST + n
        mine, answer = f"{ANSWER}{row}", f"{ANSWERS}!{ANSWER}{row}"
        near = f"ABS({mine}-{answer})<={_TOLERANCE}*ABS({answer})"
        found |= {f"A{row}": n + 1, f"B{row}": exercise.question}
        found[f"D{row}"] = f'=IF({mine}="","",IF({near},"right","look again"))'
    return found


def answer_cells(rows: Rows) -> Cells:
    """Return the sheet `answers`."""
    found: Cells = {
        "A1": "Answers",
        "A2": "Computed by formulas from the other sheets. #DIV/0!: the exercise has no answer.",
        f"B{FIRST - 1}": "why", f"{ANSWER}{FIRST - 1}": "answer",
    }  # fmt: skip
    for n, exercise in enumerate(exercises(rows)):
        answer = exercise.answer
        found |= {f"A{FIRST + n}": n + 1, f"B{FIRST + n}": exercise.because}
        found[f"{ANSWER}{FIRST + n}"] = answer if answer.startswith("=") else float(answer)
    return found
