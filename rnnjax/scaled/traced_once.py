"""Functions whose traces are kept.

Numbers with exponents are made of many small operations, the same ones wherever they occur. The
trace of such a function is kept for each combination of shapes, and its operations are written into
the program around it as if they stood there: tracing a rule takes a third less time.
"""

import functools

import jax

traced_once = functools.partial(jax.jit, inline=True)
