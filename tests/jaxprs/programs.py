"""All programs, by name; each is made once, when it is first asked for."""

import functools

from tests.jaxprs import (
    compositions,
    framework_programs,
    hand_written,
    linen_programs,
    nnx_programs,
)
from tests.jaxprs.loops import Program

MAKERS = {
    maker.__name__: functools.cache(maker)
    for maker in (
        linen_programs.linen_lstms,
        linen_programs.linen_remat_unrolled,
        linen_programs.linen_bidirectional,
        linen_programs.linen_reverse,
        linen_programs.linen_scan,
        nnx_programs.nnx_trained,
        framework_programs.equinox_last_state,
        framework_programs.haiku_deep_rnn,
        framework_programs.keras_stack,
        hand_written.one_step,
        hand_written.unrolled,
        hand_written.checkpointed,
        hand_written.jitted_steps,
        hand_written.named,
        hand_written.fori_loop,
        hand_written.counter_and_key,
        hand_written.projected_lstm,
        hand_written.loss_in_the_carry,
        hand_written.loss_in_the_scan,
        hand_written.before_the_step,
        hand_written.delayed,
        compositions.chunks,
        compositions.layers,
        compositions.encoder_decoder,
        compositions.reversed_scan,
        compositions.vmapped,
        compositions.mapped,
        compositions.rules_in_the_step,
    )
}


def program(name: str) -> Program:
    """Return a program by the name of the function that makes it."""
    return MAKERS[name]()
