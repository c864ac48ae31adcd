"""What only the two slide decks on RNNs need, named as in docs/explanations/decks.md.

Rules and updates that read a sentence of the slides literally, the tasks of their examples, the
table that they print and the spreadsheet that they describe. What the field knows by a name
(teacher forcing, truncated backpropagation, RTRL) is in the general packages.
Names are loaded on first use: the table, the sentences and the spreadsheet need no JAX.
"""

from typing import TYPE_CHECKING

from rnnjax import lazy

if TYPE_CHECKING:
    from rnnjax.decks import (
        book_networks,
        by_hand,
        delta_x_networks,
        dinner_networks,
        full_batch,
        ratios,
        readings,
        step_weights,
        tasks,
        two_inputs,
        variants,
        workbook,
    )
    from rnnjax.decks.chain import (
        active_coefficients,
        chain_coefficients,
        gradients_by_length,
        loss_gradients,
        two_steps,
        worked_example,
    )
    from rnnjax.decks.fed_back import (
        errors_by_cycle,
        errors_of_traces,
        feedback,
        feedback_statistics,
    )
    from rnnjax.decks.multipliers import (
        literal_multipliers,
        multiplier_statistics,
        multipliers_over_time,
        ratio_in_closed_form,
        recursive_powers,
    )
    from rnnjax.decks.rules.eligibility_ratio import EligibilityRatio
    from rnnjax.decks.rules.forward_delta_x import ForwardDeltaX
    from rnnjax.decks.rules.matched_length import MatchedLength
    from rnnjax.decks.rules.slopeless_delta_x import SlopelessDeltaX
    from rnnjax.decks.rules.stale_delta_x import StaleDeltaX
    from rnnjax.decks.rules.target_shift import TargetShift
    from rnnjax.decks.tasks.childrens_book import ChildrensBook
    from rnnjax.decks.tasks.data_pairs import DataPairs
    from rnnjax.decks.tasks.dinner import Dinner
    from rnnjax.decks.tasks.dinner_calendar import DinnerCalendar
    from rnnjax.decks.tasks.grid_steps import GridSteps
    from rnnjax.decks.tasks.pulse_memory import PulseMemory
    from rnnjax.decks.tasks.two_points import TwoPoints
    from rnnjax.decks.theory import printed_table, ring, sentences
    from rnnjax.decks.updates.eligibility_ratio import eligibility_ratio
    from rnnjax.decks.updates.on_quadratic import descend, first_step, late_rate, over_step_sizes
else:
    __getattr__, __dir__ = lazy.package(__name__)

__all__ = [
    "ChildrensBook",
    "DataPairs",
    "Dinner",
    "DinnerCalendar",
    "EligibilityRatio",
    "ForwardDeltaX",
    "GridSteps",
    "MatchedLength",
    "PulseMemory",
    "SlopelessDeltaX",
    "StaleDeltaX",
    "TargetShift",
    "TwoPoints",
    "active_coefficients",
    "book_networks",
    "by_hand",
    "chain_coefficients",
    "delta_x_networks",
    "descend",
    "dinner_networks",
    "eligibility_ratio",
    "errors_by_cycle",
    "errors_of_traces",
    "feedback",
    "feedback_statistics",
    "first_step",
    "full_batch",
    "gradients_by_length",
    "late_rate",
    "literal_multipliers",
    "loss_gradients",
    "multiplier_statistics",
    "multipliers_over_time",
    "over_step_sizes",
    "printed_table",
    "ratio_in_closed_form",
    "ratios",
    "readings",
    "recursive_powers",
    "ring",
    "sentences",
    "step_weights",
    "tasks",
    "two_inputs",
    "two_steps",
    "variants",
    "workbook",
    "worked_example",
]
