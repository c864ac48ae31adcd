"""Whatever is wide: of every rule, cell, task, activation, probe and penalty `make test` runs some.

What a test is run for in `make test` is read from its marks.
"""

import pytest

from rnnjax import catalog
from tests import discovery, test_rules_in_rules
from tests.cells import own_tests, test_contract, test_derivatives
from tests.contracts import test_masks, test_sizes
from tests.experiments import test_every_experiment
from tests.rules import test_exact
from tests.tasks import test_tasks
from tests.updates import test_units

GRADIENTS = [
    test_contract.test_bptt_is_jax_grad,
    test_exact.test_exact_rules_are_jax_grad_of_three_tasks,
]


def values_in_make_test(test):
    """All values that a test is run with, but for those marked wide or slow."""
    assert not {"wide", "slow"} & {mark.name for mark in test.pytestmark}
    for mark in test.pytestmark:
        for given in mark.args[1]:
            marks = {m.name for m in getattr(given, "marks", ())}
            if not marks & {"wide", "slow"}:
                values = given.values if hasattr(given, "marks") else (given,)
                yield from (
                    v for value in values for v in (value if isinstance(value, list) else [value])
                )


def names_in_make_test(*tests):
    return {getattr(v, "name", v) for test in tests for v in values_in_make_test(test)}


@pytest.mark.parametrize(
    ("subjects", "tests"),
    [
        (discovery.rules_found(), [test_rules_in_rules.test_every_rule_trains_within_sequences]),
        (discovery.cells_found(), [test_units.test_weights_of_one_sum_are_one_group]),
        (discovery.tasks_found(), [test_tasks.test_a_task_keeps_the_contract]),
        (discovery.tasks_found(), GRADIENTS),
        (
            [f.name for f in discovery.activations_found()],
            [test_derivatives.test_bptt_is_the_adjoint_by_hand],
        ),
        (discovery.probes_found(), [test_sizes.test_a_probe_of_one_step]),
        (
            discovery.penalties_found(),
            [test_masks.test_a_penalty_and_its_gradient_see_nothing_of_padding],
        ),
        (catalog.experiment_files(), [test_every_experiment.test_a_quick_sweep_can_be_traced]),
    ],
    ids=[
        "rules",
        "cells",
        "tasks",
        "tasks in gradients",
        "activations",
        "probes",
        "penalties",
        "experiments",
    ],
)
def test_each_is_in_some_test(subjects, tests):
    assert len(list(subjects)) > 0
    assert set(subjects) <= names_in_make_test(*tests)


@pytest.mark.wide
def test_each_class_of_cells_has_its_gradient_compared():
    cells = discovery.cells_found()
    compared = {type(cells[name]) for name in names_in_make_test(*GRADIENTS) & set(cells)}
    assert {type(cell) for cell in cells.values()} == compared | own_tests.CLASSES
