"""One table: every cell, every option, every way back; and how close is equal.

Sizes are distinct primes, weights random and near norm 1, the start state is not
zero, and every output and the final state have cotangents of their own. A symmetric
case would hide a transpose, a reversal or a step too many.
"""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import scanrnn

T, B, X, H = 11, 5, 3, 7

CELLS = {
    "rnn": lambda sr: sr.rnn(H),
    "relu": lambda sr: sr.rnn(H, activation="relu"),
    "gru": lambda sr: sr.gru(H),
    "gru-reset-before": lambda sr: sr.gru(H, reset_after=False),
    "lstm": lambda sr: sr.lstm(H),
}
# Whose units do not meet in the recurrence. Not among those above, or every property
# would be tried on them: `test_parallel.py` has those that they are in danger of.
DIAGONAL = {
    "ind-rnn": lambda sr: sr.ind_rnn(H, activation="tanh"),
    "min-gru": lambda sr: sr.min_gru(H, activation="positive"),
    "min-lstm": lambda sr: sr.min_lstm(H),
    "lru": lambda sr: sr.lru(H, bias=True),
}
OPTIONS = {
    "plain": (),
    "lengths": ("lengths",),
    "resets": ("resets", "reset_to"),
    "reverse": ("lengths", "reverse"),
    "all": ("mask", "resets", "reset_to", "reverse"),
    "tokens": (),
    "tokens-all": ("mask", "resets"),
}
WAYS = {
    "stored": lambda sr: sr.Stored(),
    "recomputed": lambda sr: sr.Recomputed(4),  # 4 does not divide T
    "checkpointed": lambda sr: sr.Checkpointed(3),  # nor does 3
}
PARALLEL = {
    "parallel": lambda sr: sr.Parallel(),
    "in chunks": lambda sr: sr.Parallel("chunks", 4),  # 4 does not divide T
}


class Problem(NamedTuple):
    """One unroll with everything that it needs, and cotangents for all it returns."""

    cell: Any
    params: Any
    xs: jax.Array
    start: Any
    options: dict[str, Any]
    d_run: Any

    def unroll(self, sr: Any = scanrnn, **more: Any) -> Any:
        """Params, xs (floats) and start to outputs and final state."""

        def function(params: Any, xs: jax.Array, start: Any) -> tuple[Any, Any]:
            options = {**self.options, **more}
            return tuple(sr.unroll(self.cell, params, xs, start, **options))

        return function

    def run(self, sr: Any = scanrnn, **more: Any) -> Any:
        """The run and the cotangents."""
        arrays = {k: v for k, v in self.options.items() if not isinstance(v, bool)}
        others = {k: v for k, v in self.options.items() if k not in arrays} | more
        fixed = tuple(sorted(others.items()))
        return _there_and_back(
            sr.unroll, fixed, self.cell, self.params, self.xs, self.start, arrays,
            self.d_run,
        )  # fmt: skip

    def cotangents(self, sr: Any = scanrnn, **more: Any) -> Any:
        """(d_params, d_xs, d_start), and d_reset_to if given; d_xs None for tokens."""
        return self.run(sr, **more)[1]

    def reset_to(self) -> Any:
        """What a reset restores."""
        zeros = jax.tree.map(jnp.zeros_like, self.start)
        return self.options.get("reset_to", zeros)

    def astype(self, dtype: Any) -> "Problem":
        """The same problem in another float dtype; complex ones are of its width."""
        arrays = self._replace(cell=None)

        def of(x: Any) -> Any:
            if jnp.iscomplexobj(x):
                is_double = jnp.dtype(dtype).itemsize == 8
                return x.astype(jnp.complex128 if is_double else jnp.complex64)
            return x.astype(dtype) if is_float(x) else x

        cast = jax.tree.map(of, arrays)
        return cast._replace(cell=self.cell)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _there_and_back(
    unroll: Any, fixed: Any, cell: Any, params: Any, xs: Any, start: Any, arrays: Any,
    d_run: Any,
) -> Any:  # fmt: skip
    states = {"reset_to": arrays["reset_to"]} if "reset_to" in arrays else {}

    def function(params: Any, xs: Any, start: Any, states: Any) -> tuple[Any, Any]:
        options = {**dict(fixed), **arrays, **states}
        return tuple(unroll(cell, params, xs, start, **options))

    if jnp.issubdtype(xs.dtype, jnp.integer):
        run, pull = jax.vjp(
            lambda p, s, r: function(p, xs, s, r), params, start, states
        )
        d_params, d_start, d_states = pull(d_run)
        d_xs = None
    else:
        run, pull = jax.vjp(function, params, xs, start, states)
        d_params, d_xs, d_start, d_states = pull(d_run)
    return run, (d_params, d_xs, d_start, *d_states.values())


def is_float(x: Any) -> bool:
    return hasattr(x, "dtype") and jnp.issubdtype(x.dtype, jnp.floating)


def problem(
    cell: str,
    option: str = "plain",
    sr: Any = scanrnn,
    *,
    length: int = T,
    seed: int = 0,
) -> Problem:
    """The named case, drawn in float64."""
    rng = np.random.default_rng(seed)
    made = (CELLS | DIAGONAL)[cell](sr)
    params = jax.tree.map(
        lambda leaf: leaf + 0.2 * rng.normal(size=leaf.shape),
        made.init(jax.random.key(seed), X),
    )
    xs = jnp.asarray(rng.normal(size=(length, B, X)))
    if option.startswith("tokens"):
        xs = jnp.asarray(rng.integers(X, size=(length, B)))

    def draw(leaf: jax.Array) -> jax.Array:
        drawn = rng.normal(size=leaf.shape)
        if jnp.iscomplexobj(leaf):
            drawn = drawn + 1j * rng.normal(size=leaf.shape)
        return jnp.asarray(drawn)

    start = jax.tree.map(draw, made.start(B))
    outputs = jnp.zeros((length, B, H), start.h.dtype)
    d_run = draw(outputs), jax.tree.map(draw, start)
    reset_to = jax.tree.map(draw, made.start(B))
    drawn = {
        "lengths": jnp.asarray([0, 1, length, length // 2, length - 1]),
        "mask": jnp.asarray(rng.random((length, B)) < 0.7),
        "resets": jnp.asarray(rng.random((length, B)) < 0.3),
        "reset_to": reset_to,
        "reverse": True,
    }
    options = {name: drawn[name] for name in OPTIONS[option]}
    return Problem(made, params, xs, start, options, d_run)


def tolerance(dtype: Any, steps: int) -> float:
    """Worst relative error per leaf that rounding explains.

    A step rounds a dozen times; errors of different steps add like a random walk.
    """
    return 16 * float(jnp.finfo(dtype).eps) * math.sqrt(max(steps, 1))


def errors(got: Any, want: Any) -> dict[str, float]:
    """Per leaf: the worst error, relative to the largest entry of what is wanted."""
    pairs = zip(jax.tree.leaves_with_path(got), jax.tree.leaves(want), strict=True)
    return {jax.tree_util.keystr(path): error(a, b) for (path, a), b in pairs}


def error(got: Any, want: Any) -> float:
    got, want = (
        np.asarray(x, complex if np.iscomplexobj(x) else np.float64)
        for x in (got, want)
    )
    if got.shape != want.shape:
        raise AssertionError(f"shape {got.shape}, expected {want.shape}")
    if got.size == 0:
        return 0.0
    worst = np.max(np.abs(got - want)) / max(np.max(np.abs(want)), 1e-300)
    return float(worst) if np.isfinite(worst) else math.inf


def assert_close(got: Any, want: Any, dtype: Any = jnp.float64, steps: int = T) -> None:
    found = errors(got, want)
    bound = tolerance(dtype, steps)
    wrong = {leaf: worst for leaf, worst in found.items() if not worst <= bound}
    assert not wrong, f"worst relative errors above {bound:.1e}: {wrong}"
