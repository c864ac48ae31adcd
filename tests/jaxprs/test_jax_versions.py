"""What `rnnjax.jaxprs` reads of a jaxpr, on the JAX that is installed: names, places, meanings."""

import ast
from pathlib import Path

import jax
import jax.extend.core as jex
import jax.numpy as jnp
from jax.extend.core import primitives

import rnnjax.jaxprs
from rnnjax.jaxprs.program import counts_of

LIBRARY = Path(rnnjax.jaxprs.__file__).parent


def equations(function, *given):
    return jax.make_jaxpr(function)(*given).jaxpr.eqns


def the(function, *given):
    """The only equation of a function."""
    (equation,) = equations(function, *given)
    return equation


def test_a_scan_has_constants_carry_and_inputs_in_this_order():
    w, h, xs = jnp.float32(2), jnp.zeros(3), jnp.zeros((5, 3), int)

    def run(w, h, xs):
        step = lambda h, x: (w * h, (2 * x, jnp.sin(h)))  # noqa: E731
        return jax.lax.scan(step, h, xs, reverse=True, unroll=2)

    scan = the(run, w, h, xs)
    assert scan.primitive is primitives.scan_p
    assert [scan.params[name] for name in ("length", "reverse", "unroll")] == [5, True, 2]
    if "num_consts" in scan.params:
        assert (scan.params["num_consts"], scan.params["num_carry"]) == (1, 1)
    else:  # JAX 0.12 and newer
        parts = scan.params["ft_in"].unpack()
        assert [len(list(part)) for part in parts] == [1, 1, 1]
    assert counts_of(scan) == (1, 1)
    assert [v.aval.shape for v in scan.invars] == [(), (3,), (5, 3)]
    assert [v.aval.shape for v in scan.outvars] == [(3,), (5, 3), (5, 3)]
    body = scan.params["jaxpr"]
    assert isinstance(body, jex.ClosedJaxpr)
    assert [v.aval.shape for v in body.jaxpr.invars] == [(), (3,), (3,)]
    assert body.jaxpr.outvars[0] is not body.jaxpr.outvars[1]
    assert body.in_avals[1].shape == (3,)


def test_a_fixed_fori_loop_is_a_scan_and_a_while_loop_has_these_constants():
    fixed = the(lambda h: jax.lax.fori_loop(0, 4, lambda i, h: h * i, h), 1.0)
    assert fixed.primitive is primitives.scan_p and fixed.params["length"] == 4
    loop = the(lambda h, w: jax.lax.while_loop(lambda h: h < 9, lambda h: h * w, h), 1.0, 2.0)
    assert loop.primitive is primitives.while_p
    assert (loop.params["cond_nconsts"], loop.params["body_nconsts"]) == (0, 1)
    assert len(loop.params["cond_jaxpr"].in_avals) == 1
    assert len(loop.params["body_jaxpr"].in_avals) == 2


def test_what_shows_whether_a_result_is_linear_in_an_operand():
    choice = equations(lambda x: jax.lax.cond(x > 0, jnp.sin, jnp.cos, x), 1.0)[-1]
    assert [v.aval.dtype for v in choice.invars] == ["int32", jnp.zeros(()).dtype]
    assert [len(branch.in_avals) for branch in choice.params["branches"]] == [1, 1]
    assert the(lambda x: x.astype(jnp.float16), jnp.zeros(2)).params["new_dtype"] == "float16"

    def outside(x):
        return jax.lax.gather(
            x, jnp.zeros((1, 1), int), jax.lax.GatherDimensionNumbers((), (0,), (0,)), (1,),
            mode="fill", fill_value=0.5,
        )  # fmt: skip

    gather = next(e for e in equations(outside, jnp.ones(3)) if e.primitive.name == "gather")
    assert gather.params["fill_value"] == 0.5
    product = lambda a, v: a @ v  # noqa: E731

    def solved(a, b):
        solve = lambda product, b: b / a[0, 0]  # noqa: E731
        return jax.lax.custom_linear_solve(lambda v: product(a, v), b, solve)

    solve = equations(solved, jnp.eye(2), jnp.ones(2))[-1]
    assert solve.primitive.name == "custom_linear_solve"
    assert sum(solve.params["const_lengths"]) == len(solve.invars) - 1

    mapped = jax.custom_batching.custom_vmap(jnp.sin)
    mapped.def_vmap(lambda size, batched, x: (jnp.sin(x), batched[0]))
    assert isinstance(the(mapped, 1.0).params["call"], jex.ClosedJaxpr)


def test_calls_hold_their_jaxpr_under_these_names():
    inner = jnp.sin
    jitted, kept = the(jax.jit(lambda x: x * 2), 1.0), the(jax.checkpoint(lambda x: x * 2), 1.0)
    assert jitted.primitive is primitives.jit_p
    assert isinstance(jitted.params["jaxpr"], jex.ClosedJaxpr)
    assert kept.primitive is primitives.remat_p and isinstance(kept.params["jaxpr"], jex.Jaxpr)
    jvp, vjp = jax.custom_jvp(inner), jax.custom_vjp(inner)
    jvp.defjvp(lambda x, t: (x[0], t[0]))
    vjp.defvjp(lambda x: (x, None), lambda _, g: (g,))
    assert the(jvp, 1.0).primitive is primitives.custom_jvp_call_p
    assert the(vjp, 1.0).primitive is primitives.custom_vjp_call_p
    assert isinstance(the(jvp, 1.0).params["call_jaxpr"], jex.ClosedJaxpr)


def test_an_output_that_is_the_new_carry_is_the_same_variable():
    def step(h, x):
        h = jnp.tanh(h + x)
        return h, h

    scan = the(lambda xs: jax.lax.scan(step, jnp.float32(0), xs), jnp.zeros(3, jnp.float32))
    new, out = scan.params["jaxpr"].jaxpr.outvars
    assert new is out


def test_a_product_names_the_axes_that_it_sums_over_and_those_of_batches():
    """By operand: of x (4,) and W (3, 4), and of a batch of such."""
    plain = the(lambda x, W: jax.lax.dot_general(x, W, (((0,), (1,)), ((), ()))),
                jnp.zeros(4), jnp.zeros((3, 4)))  # fmt: skip
    assert plain.primitive.name == "dot_general"
    assert plain.params["dimension_numbers"] == (((0,), (1,)), ((), ()))
    batched = the(lambda x, W: jax.lax.dot_general(x, W, (((1,), (2,)), ((0,), (0,)))),
                  jnp.zeros((2, 4)), jnp.zeros((2, 3, 4)))  # fmt: skip
    assert batched.params["dimension_numbers"] == (((1,), (2,)), ((0,), (0,)))


def test_names_and_frames_of_an_equation():
    def loss(x):
        with jax.named_scope("outer"), jax.named_scope("inner"):
            return jnp.sin(x)

    info = the(loss, 1.0).source_info
    assert str(info.name_stack) == "outer/inner"
    frames = info.traceback.frames
    assert frames[0].file_name.endswith(".py") and frames[0].line_num > 0
    mine = [frame for frame in frames if frame.file_name == __file__]
    assert mine and mine[0].function_name.endswith("loss")


def test_pieces_of_a_jaxpr_can_be_replaced_and_run():
    closed = jax.make_jaxpr(lambda x: jnp.cos(jnp.sin(x)))(1.0)
    first, second = closed.jaxpr.eqns
    piece = closed.jaxpr.replace(
        constvars=[], invars=first.outvars, outvars=second.outvars, eqns=[second]
    )
    run = jex.jaxpr_as_fun(jex.ClosedJaxpr(piece, ()))
    assert run(jnp.sin(1.0))[0] == jnp.cos(jnp.sin(1.0))
    renamed = second.replace(invars=[jex.Var(first.outvars[0].aval)])
    assert renamed.primitive is second.primitive and renamed.params == second.params


def test_only_what_is_pinned_here_is_read_and_nothing_private():
    """Every name of an equation's parameter in the library's sources occurs in this file."""
    pinned, seen = Path(__file__).read_text(), set()
    for path in sorted(LIBRARY.glob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom | ast.Import):
                assert "jax._src" not in ast.unparse(node), path.name
            if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("params"):
                seen |= {v.value for v in ast.walk(node.slice) if isinstance(v, ast.Constant)}
    names = {name for name in seen if isinstance(name, str)}
    assert {"num_consts", "num_carry", "jaxpr"} <= names
    assert [name for name in sorted(names) if f'"{name}"' not in pinned] == []
