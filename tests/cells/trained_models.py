"""Models of flax as a person has them after training, and the programs that flax runs for them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

import rnnjax

F64 = {"param_dtype": jnp.float64}
KEY = jax.random.key(7)
N_SYMBOLS, N_X, N, N_Y, T = 6, 3, 4, 5, 7


class OwnLinen(linen.Module):
    """A cell of one's own: a carry that is a dict, an output that is no part of it, statistics."""

    deterministic: bool | None = None
    num_feature_axes = 1

    @linen.compact
    def __call__(self, carry, x):
        dense = lambda n: linen.Dense(n, **F64)  # noqa: E731
        x = linen.BatchNorm(use_running_average=True, param_dtype=jnp.float64)(x)
        h = jnp.tanh(dense(N)(x) + 0.5 * carry["slow"]["h"])
        slow = {"h": h, "c": 0.9 * carry["slow"]["c"] + h[:2]}
        y = linen.Dropout(0.5, deterministic=self.deterministic)(dense(N)(h) + jnp.sum(x))
        return {"slow": slow, "fast": carry["fast"] * 0.5 + x[0]}, jnp.sin(y)

    @linen.nowrap
    def initialize_carry(self, key, shape):
        slow = {"h": jnp.zeros(N), "c": jnp.ones(2)}
        return {"slow": slow, "fast": jnp.full(3, 0.2)}


class OwnNNX(nnx.Module):
    """The same of nnx, with a table of integers and a leak that is no parameter."""

    num_feature_axes = 1

    def __init__(self, *, rngs):
        self.dense = nnx.Linear(N_X, N, **F64, rngs=rngs)
        self.norm = nnx.BatchNorm(N, **F64, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.out = nnx.Linear(N, N, **F64, rngs=rngs)
        self.order = nnx.Variable(jnp.array([2, 0, 3, 1]))
        self.leak = nnx.Variable(jnp.full(N, 0.7))

    def __call__(self, carry, x):
        h, c = carry
        h = self.leak[...] * jnp.tanh(self.norm(self.dense(x)) + h[self.order[...]]) + 0.1 * c
        return (h, 0.5 * c + h), jnp.cos(self.drop(self.out(h + c)))

    def initialize_carry(self, shape, rngs):
        return jnp.zeros(N), jnp.full(N, 0.3)


class OwnComplex(linen.Module):
    """A diagonal complex recurrence with a real output, as of linear recurrent units."""

    num_feature_axes = 1

    @linen.compact
    def __call__(self, carry, x):
        W = self.param("W", linen.initializers.normal(dtype=complex), (N, N_X))
        a = self.param("a", linen.initializers.normal(dtype=complex), (N,))
        h = (0.5 + 0.3j) * jnp.exp(a) * carry + W @ x
        return h, jnp.tanh((linen.Dense(N, param_dtype=complex)(h)).real)

    @linen.nowrap
    def initialize_carry(self, key, shape):
        return jnp.zeros(N, complex)


def moved(tree):
    """Parameters after training: none of them is what an initialiser makes of it."""
    rng = np.random.default_rng(7)
    return jax.tree.map(
        lambda a: jnp.asarray(np.asarray(a) + 0.2 * rng.standard_normal(a.shape)), tree
    )


TOKENS = jax.device_put(np.random.default_rng(3).integers(0, N_SYMBOLS, T))
NUMBERS = jax.device_put(np.random.default_rng(4).standard_normal((T, N_X)))
TARGETS = jax.device_put(np.random.default_rng(5).integers(0, N_Y, T))
MASK = jax.device_put(np.array([0.5, 1.0, 0.0, 2.0, 1.0, 1.0, 0.3]))


def of_linen(module, shape=(N_X,), embed=None):
    """A cell of linen with a head and, unless it reads numbers, an embedding: (cell, x, program).

    The program maps parameters and inputs to outputs and the states of all steps, by `linen.RNN`.
    """
    carry = module.initialize_carry(KEY, shape)
    quiet = module.clone(deterministic=True) if hasattr(module, "deterministic") else module
    drawn = jax.jit(quiet.init)(KEY, carry, jnp.ones(shape))
    rest = {name: moved(v) for name, v in drawn.items() if name != "params"}
    y = jax.eval_shape(quiet.apply, drawn, carry, jnp.ones(shape))[1]
    head = linen.Sequential([linen.Dense(N_Y, **F64), linen.Dropout(0.5)])
    of_head = linen.Sequential([linen.Dense(N_Y, **F64), linen.Dropout(0.5, deterministic=True)])
    flat = (lambda y: y.reshape(-1)) if len(y.shape) > 1 else (lambda y: y)
    p = {
        "cell": moved(drawn["params"]),
        "head": moved(jax.jit(of_head.init)(KEY, jnp.zeros(int(np.prod(y.shape))))["params"]),
    }
    if len(y.shape) > 1:
        readout = (lambda p, y: of_head.apply({"params": p}, flat(y)), p["head"])
    else:
        readout = (head, {"params": p["head"]})
    variables = {"params": p["cell"], **rest}
    if embed is None:
        cell = rnnjax.from_linen(module, params=variables, readout=readout)
        x, inward = NUMBERS, lambda p, x: x
    else:
        p["embed"] = moved(jax.jit(embed.init)(KEY, TOKENS[0])["params"])
        x = TOKENS
        inward = lambda p, x: embed.apply({"params": p.embed}, x).reshape(-1, *shape)  # noqa: E731
        wide = lambda p, x: embed.apply({"params": p}, x).reshape(shape)  # noqa: E731
        given = (embed, p["embed"]) if len(shape) == 1 else (wide, p["embed"])
        cell = rnnjax.from_linen(module, params=variables, readout=readout, embed=given)

    def program(p, x):
        rnn = {"params": {"cell": p.cell}, **{name: {"cell": v} for name, v in rest.items()}}
        ys = linen.RNN(quiet, variable_broadcast=["params", *rest]).apply(rnn, inward(p, x))
        return jax.vmap(lambda y: of_head.apply({"params": p.readout}, flat(y)))(ys)

    return cell, x, program


def of_nnx(cell, embed=None, head=None):
    """The same of nnx."""
    rngs = nnx.Rngs(5)
    head = nnx.Linear(N, N_Y, **F64, rngs=rngs) if head is None else head
    for part in (cell, embed, head):
        if isinstance(part, nnx.Module):
            nnx.update(part, moved(nnx.state(part, nnx.Param)))
            nnx.update(part, moved(nnx.state(part, nnx.BatchStat)))
    n_x = None if embed is not None or hasattr(cell, "in_features") else N_X
    made = rnnjax.from_nnx(cell, n_x, readout=head, embed=embed)
    whole = nnx.Dict(cell=cell, embed=embed, readout=getattr(head, "__self__", head))
    whole.eval()
    graph, _, rest = nnx.split(whole, nnx.Param, ...)

    def program(p, x):
        own = {slot: tree for slot, tree in p._asdict().items() if tree is not None}
        model = nnx.merge(graph, nnx.State(own), jax.tree.map(jnp.asarray, rest))
        ys = nnx.RNN(model.cell)(x if embed is None else model.embed(x))
        return getattr(model.readout, getattr(head, "__name__", "__call__"))(ys)

    return made, (NUMBERS if embed is None else TOKENS), program


def _nnx(kind, n_x=N_X, **options):
    return kind(n_x, N, **F64, **options, rngs=nnx.Rngs(2))


def _table():
    return nnx.Embed(N_SYMBOLS, N, **F64, rngs=nnx.Rngs(1))


def _tied():
    table = _table()
    return of_nnx(_nnx(nnx.GRUCell, N), table, table.attend)


EMBED = linen.Embed(N_SYMBOLS, N_X, **F64)
MODELS = {
    "linen.SimpleCell": lambda: of_linen(linen.SimpleCell(N, **F64)),
    "linen.LSTMCell": lambda: of_linen(linen.LSTMCell(N, **F64), embed=EMBED),
    "linen.OptimizedLSTMCell": lambda: of_linen(linen.OptimizedLSTMCell(N, **F64)),
    "linen.GRUCell": lambda: of_linen(linen.GRUCell(N, **F64), embed=EMBED),
    "linen.MGUCell": lambda: of_linen(linen.MGUCell(N, **F64)),
    "linen.ConvLSTMCell": lambda: of_linen(
        linen.ConvLSTMCell(2, (2,), **F64), (3, 2), linen.Embed(N_SYMBOLS, 6, **F64)
    ),
    "remat": lambda: of_linen(linen.remat(linen.LSTMCell)(N, **F64)),
    "own linen": lambda: of_linen(OwnLinen(), embed=EMBED),
    "own complex": lambda: of_linen(OwnComplex()),
    "nnx.SimpleCell": lambda: of_nnx(_nnx(nnx.SimpleCell, dtype=jnp.float64)),
    "nnx.LSTMCell": lambda: of_nnx(_nnx(nnx.LSTMCell, N), _table()),
    "nnx.OptimizedLSTMCell": lambda: of_nnx(_nnx(nnx.OptimizedLSTMCell)),
    "nnx.GRUCell": lambda: of_nnx(_nnx(nnx.GRUCell)),
    "nnx tied": _tied,
    "own nnx": lambda: of_nnx(OwnNNX(rngs=nnx.Rngs(0))),
}
