"""Any function with a hand-written derivative, against a plain reference."""

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..double import double
from ..report import Row, Suspicion, Verdict
from ..rounding import Expected, Floats, compare, first_from_the_end
from .differences import directional
from .noise import expectation
from .relations import relate

DIRECTIONS = 3


def check_vjp(
    fun: Callable[..., Any],
    reference: Callable[..., Any] | None,
    *args: Any,
    time: Mapping[str, int] | None = None,
    directions: int = DIRECTIONS,
    seed: int = 0,
) -> Verdict:
    """Compares a hand-written reverse rule with JAX's own, leaf by leaf.

    Every floating leaf of ``args`` is compared for several random cotangents of all
    outputs together and of every output alone. What rounding may do is measured, see
    `rounding.py`; nothing is tuned by hand.

    Args:
        fun: the function under audit, as a rule a `jax.custom_vjp`.
        reference: the same function in plain JAX, run in float64. None: differences of
            ``fun`` itself in float64, which tell the leaf but, for leaves of more
            than 256 entries, not the entry.
        args: what both are called with; floats of one dtype, and anything else.
        time: names leaves that have an axis of time, and says which it is, for example
            ``{"xs": 0}``; for these the report tells the first wrong step.
        directions: how many random cotangents of all outputs.
        seed: of the random cotangents.

    Returns:
        A `Verdict`; the leaves are called by the parameters of ``fun``.

    Raises:
        ValueError: if no argument holds a float, or ``time`` names no leaf.

    >>> import jax, jax.numpy as jnp
    >>> @jax.custom_vjp
    ... def square(x):
    ...     return x * x
    >>> square.defvjp(lambda x: (x * x, x), lambda x, d_y: (d_y * x,))  # the 2 is lost
    >>> verdict = check_vjp(square, lambda x: x * x, jnp.arange(1., 4.))
    >>> verdict.passed, verdict.suspicions[0].says
    (False, 'x is 0.5 times what it should be.')
    """
    task = _task(fun, args, time or {})
    with task.precision():
        values = jax.eval_shape(fun, *args)
    cotangents = _cotangents(values, directions, seed)
    found = _found(task, fun, cotangents)
    if reference is None:
        right, rows = _by_differences(task, fun, cotangents)
    else:
        with double():
            right, rows = _by_reference(task, reference, cotangents), []
            rows += _value_rows(task, fun, reference)
    oracle = "reference" if reference is not None else "own float64"
    name = getattr(fun, "__name__", "function")

    @functools.cache
    def outputs() -> list[Floats]:
        with task.precision():
            values = jax.tree.leaves(fun(*args))
        return [np.asarray(value) for value in values if _is_float(value)]

    return _verdict(name, task, cotangents, found, right, rows, oracle, outputs)


def assert_vjp(
    fun: Callable[..., Any],
    reference: Callable[..., Any] | None,
    *args: Any,
    time: Mapping[str, int] | None = None,
    directions: int = DIRECTIONS,
    seed: int = 0,
) -> None:
    """`check_vjp` for tests: raises AssertionError with the report as its message.

    >>> import jax.numpy as jnp
    >>> assert_vjp(jnp.tanh, lambda x: 1 - 2 / (jnp.exp(2 * x) + 1), jnp.arange(3.))
    """
    verdict = check_vjp(
        fun, reference, *args, time=time, directions=directions, seed=seed
    )
    if not verdict.passed:
        raise AssertionError(str(verdict))


class Cotangent(NamedTuple):
    """One cotangent of the outputs, and what it is called in the report."""

    name: str
    value: Any


class Task(NamedTuple):
    """The arguments, taken apart into what is differentiated and the rest."""

    names: tuple[str, ...]  # of the floating leaves
    floats: tuple[Any, ...]
    rebuild: Callable[[Sequence[Any]], tuple[Any, ...]]  # floats -> args
    dtype: Any
    axes: tuple[int | None, ...]  # the axis of time of every floating leaf

    def precision(self) -> contextlib.AbstractContextManager[Any]:
        """float64 needs x64; anything else is run as the caller runs it."""
        is_double = self.dtype == jnp.dtype("float64")
        return jax.enable_x64(True) if is_double else contextlib.nullcontext()

    def pull(self, fun: Callable[..., Any]) -> Callable[[Any, Any], Sequence[Any]]:
        """``floats, cotangent -> cotangents of the floats``, by reverse mode."""

        def pulled(floats: Sequence[Any], cotangent: Any) -> Sequence[Any]:
            _, back = jax.vjp(lambda *floats: fun(*self.rebuild(floats)), *floats)
            return tuple(back(cotangent))

        return pulled


def _task(
    fun: Callable[..., Any], args: tuple[Any, ...], time: Mapping[str, int]
) -> Task:
    paths, tree = jax.tree_util.tree_flatten_with_path(args)
    leaves = [leaf for _, leaf in paths]
    chosen = [i for i, leaf in enumerate(leaves) if _is_float(leaf)]
    if not chosen:
        raise ValueError("expected floating arrays among the arguments, got none")
    names = tuple(_name(fun, paths[i][0]) for i in chosen)
    unknown = sorted(set(time) - set(names))
    if unknown:
        raise ValueError(f"expected time to name some of {names}, got {unknown}")

    def rebuild(floats: Sequence[Any]) -> tuple[Any, ...]:
        everything = list(leaves)
        for i, leaf in zip(chosen, floats, strict=True):
            everything[i] = leaf
        return tuple(jax.tree.unflatten(tree, everything))

    dtypes = {np.dtype(leaves[i].dtype) for i in chosen}
    if len(dtypes) != 1:
        raise ValueError(
            f"expected floats of one dtype, got {sorted(map(str, dtypes))}"
        )
    floats = tuple(leaves[i] for i in chosen)
    return Task(names, floats, rebuild, dtypes.pop(), tuple(map(time.get, names)))


def _is_float(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and bool(jnp.issubdtype(leaf.dtype, jnp.floating))


def _name(fun: Callable[..., Any], path: Any) -> str:
    """xs, or params.w_h: the parameter of ``fun``, then the path inside it."""
    try:
        parameters = list(inspect.signature(fun).parameters)
    except (TypeError, ValueError):
        parameters = []
    first = path[0].idx
    head = parameters[first] if first < len(parameters) else f"args[{first}]"
    rest = jax.tree_util.keystr(path[1:], simple=True, separator=".")
    return f"{head}.{rest}" if rest else head


def _cotangents(values: Any, directions: int, seed: int) -> list[Cotangent]:
    rng = np.random.default_rng(seed)
    leaves, tree = jax.tree.flatten(values)

    def draw(keep: int | None) -> Any:
        return jax.tree.unflatten(
            tree,
            [
                _normal(rng, leaf) * (keep is None or keep == i)
                if jnp.issubdtype(leaf.dtype, jnp.floating)
                else np.zeros(leaf.shape, jax.dtypes.float0)
                for i, leaf in enumerate(leaves)
            ],
        )

    found = [Cotangent(f"direction {i + 1}", draw(None)) for i in range(directions)]
    if len(leaves) > 1:
        paths = [path for path, _ in jax.tree_util.tree_flatten_with_path(values)[0]]
        names = [jax.tree_util.keystr(p, simple=True, separator=".") for p in paths]
        found += [
            Cotangent(f"output {name} alone", draw(i)) for i, name in enumerate(names)
        ]
    return found


def _normal(rng: np.random.Generator, leaf: Any) -> Any:
    return np.asarray(rng.standard_normal(leaf.shape)).astype(leaf.dtype)


def _found(
    task: Task, fun: Callable[..., Any], cotangents: list[Cotangent]
) -> list[list[Floats]]:
    with task.precision():
        pull = jax.jit(task.pull(fun))
        return [
            [np.asarray(leaf, np.float64) for leaf in pull(task.floats, c.value)]
            for c in cotangents
        ]


def _by_reference(
    task: Task, reference: Callable[..., Any], cotangents: list[Cotangent]
) -> list[list[Expected]]:
    expect = expectation(task.pull(reference))
    return [expect((task.floats, c.value), task.dtype) for c in cotangents]


def _value_rows(
    task: Task, fun: Callable[..., Any], reference: Callable[..., Any]
) -> Iterator[Row]:
    expect = expectation(lambda floats: reference(*task.rebuild(floats)))
    right = expect((task.floats,), task.dtype)
    with jax.enable_x64(task.dtype == jnp.dtype("float64")):
        found = jax.tree.leaves(jax.jit(fun)(*task.rebuild(task.floats)))
    for i, (value, expected) in enumerate(zip(found, right, strict=True)):
        if jnp.issubdtype(value.dtype, jnp.floating):
            yield _row(f"output {i}", "reference value", value, expected, "", None)


def _by_differences(
    task: Task, fun: Callable[..., Any], cotangents: list[Cotangent]
) -> tuple[list[list[Expected]], list[Row]]:
    with double():
        own = _by_reference(task, fun, cotangents)
        wide = tuple(jnp.asarray(leaf, jnp.float64) for leaf in task.floats)
        rows = []
        for cotangent, leaves in zip(cotangents, own, strict=True):
            for i, leaf in enumerate(leaves):
                rows.append(_difference_row(task, fun, wide, cotangent, i, leaf.value))
    return own, rows


def _difference_row(
    task: Task,
    fun: Callable[..., Any],
    wide: Sequence[Any],
    cotangent: Cotangent,
    i: int,
    found: Floats,
) -> Row:
    def loss(leaf: Any) -> Any:
        floats = [leaf if j == i else other for j, other in enumerate(wide)]
        values = jax.tree.leaves(fun(*task.rebuild(floats)))
        weights = jax.tree.leaves(cotangent.value)
        return sum(
            jnp.sum(v * w) for v, w in zip(values, weights, strict=True) if _is_float(v)
        )

    seen, expected = directional(loss, wide[i], found)
    return _row(
        task.names[i], "central differences", seen, expected, cotangent.name, None
    )


def _row(
    leaf: str, oracle: str, found: Any, right: Expected, case: str, axis: int | None
) -> Row:
    difference = compare(found, right)
    step = None
    if axis is not None:
        step = first_from_the_end(_by_step(difference.wrong, axis))
    return Row(
        leaf,
        oracle,
        difference.error,
        difference.allowed,
        str(list(difference.where)) if difference.where else "",
        step,
        not difference.wrong.any(),
        case,
    )


def _by_step(wrong: Any, axis: int) -> list[bool]:
    others = tuple(i for i in range(wrong.ndim) if i != axis % wrong.ndim)
    return list(wrong.any(axis=others))


def _verdict(
    name: str,
    task: Task,
    cotangents: list[Cotangent],
    found: list[list[Floats]],
    right: list[list[Expected]],
    rows: list[Row],
    oracle: str,
    outputs: Callable[[], Sequence[Floats]],
) -> Verdict:
    suspicions: dict[tuple[str, ...], Suspicion] = {}
    for cotangent, mine, theirs in zip(cotangents, found, right, strict=True):
        for i, (leaf, expected) in enumerate(zip(mine, theirs, strict=True)):
            axis = task.axes[i]
            row = _row(task.names[i], oracle, leaf, expected, cotangent.name, axis)
            rows.append(row)
            if not row.passed:
                for s in relate(row.leaf, leaf, expected.value, axis, outputs()):
                    suspicions.setdefault(s.names, s)
    return Verdict(name, tuple(rows), tuple(suspicions.values()))
