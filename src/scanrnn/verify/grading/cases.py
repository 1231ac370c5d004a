"""What is tried: the public tests of the exercise, and cases made to be hard.

A public test draws its arrays in a fixed order after ``np.random.seed(1)``. A generic
case has sizes that are distinct, so that a transpose shows, a start state that is not
zero, and recurrent weights of spectral radius near 1, so that gradients do not fade
before an error shows.
"""

import dataclasses
import functools
import weakref
from collections.abc import Callable
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from ..rounding import Floats
from .mistakes.passes import KINDS, step_forward, unroll_forward

Inputs = dict[str, Any]
P = ParamSpec("P")
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """The inputs of one call, in the layout and with the names of the exercise.

    A case equals only itself, so that what follows from it can be `remembered`.
    """

    name: str
    like: str
    inputs: Inputs


def remembered(
    function: Callable[Concatenate[Case, P], Result],
) -> Callable[Concatenate[Case, P], Result]:
    """What follows from a case is computed once and kept as long as the case lives."""
    known: weakref.WeakKeyDictionary[Case, dict[Any, Result]]
    known = weakref.WeakKeyDictionary()

    @functools.wraps(function)
    def recall(case: Case, /, *args: P.args, **kwargs: P.kwargs) -> Result:
        results = known.setdefault(case, {})
        key = (args, *kwargs.items())
        if key not in results:
            results[key] = function(case, *args, **kwargs)
        return results[key]

    return recall


class Sizes(NamedTuple):
    """n_x inputs, n_a units, n_y classes, m examples, T steps."""

    n_x: int = 3
    n_a: int = 5
    n_y: int = 2
    m: int = 4
    steps: int = 7


USUAL = Sizes()


def split(like: str) -> tuple[str, bool, bool]:
    """The cell's name, whether it is one step, and whether it goes backward."""
    return like.split("_")[0], "cell" in like, like.endswith("backward")


def step_of(like: str) -> str:
    """The function of one step that belongs to a function of the exercise.

    >>> step_of("lstm_backward"), step_of("lstm_cell_backward")
    ('lstm_cell_backward', 'lstm_cell_backward')
    """
    return like if "_cell_" in like else like.replace("_", "_cell_", 1)


def shapes(cell: str, sizes: Sizes) -> dict[str, tuple[int, int]]:
    """The parameters of a cell by name, in the exercise's letters."""
    n_x, n_a, n_y = sizes[:3]
    if cell == "rnn":
        recurrent = {"Wax": (n_a, n_x), "Waa": (n_a, n_a), "ba": (n_a, 1)}
        return recurrent | {"Wya": (n_y, n_a), "by": (n_y, 1)}
    gates = "fico" if cell == "lstm" else "rzn"
    found = {}
    for gate in gates:
        found[f"W{gate}"], found[f"b{gate}"] = (n_a, n_a + n_x), (n_a, 1)
    return found | {"Wy": (n_y, n_a), "by": (n_y, 1)}


# The order in which the public tests draw; rnn tests differ in where Waa stands.
LSTM_DRAWS = ("Wf", "bf", "Wi", "bi", "Wo", "bo", "Wc", "bc", "Wy", "by")
DRAWS = {
    "rnn_cell_forward": ("Waa", "Wax", "Wya", "ba", "by"),
    "rnn_forward": ("Waa", "Wax", "Wya", "ba", "by"),
    "rnn_cell_backward": ("Wax", "Waa", "Wya", "ba", "by"),
    "rnn_backward": ("Wax", "Waa", "Wya", "ba", "by"),
    "lstm_cell_forward": LSTM_DRAWS,
    "lstm_forward": LSTM_DRAWS,
    "lstm_cell_backward": LSTM_DRAWS,
    "lstm_backward": LSTM_DRAWS[:-2],  # its prediction's weights are zeros
}


@functools.cache
def official(like: str) -> Case:
    """The exercise's public test of one of the eight functions; read-only.

    >>> official("rnn_backward").inputs["da"].shape
    (5, 10, 4)
    """
    cell, one_step, backward = split(like)
    draw = np.random.RandomState(1).randn
    sizes = Sizes(3, 5, 2, 10, 7 if cell == "lstm" else 4)
    inputs = _states(draw, cell, one_step, sizes)
    parameters = {name: draw(*shapes(cell, sizes)[name]) for name in DRAWS[like]}
    zeros = {name: np.zeros(shape) for name, shape in shapes(cell, sizes).items()}
    inputs["parameters"] = zeros | parameters
    if backward:
        inputs |= _cotangents(draw, cell, one_step, sizes._replace(steps=4))
    return shared(Case("public test", like, with_caches(like, inputs)))


def generic(
    like: str,
    sizes: Sizes = USUAL,
    seed: int = 0,
    dtype: DTypeLike = np.float64,
    scale: float = 1.0,
    loud: float = 1.0,
) -> Case:
    """A random case; ``scale`` multiplies all values, ``loud`` the cotangents."""
    if like == "readout_backward":
        return Case(f"random {_show(sizes)}", like, _readout(sizes, seed, dtype, scale))
    cell, one_step, backward = split(like)
    rng = np.random.default_rng((seed, *sizes))

    def draw(*shape: int) -> Floats:
        return np.asarray(scale * rng.standard_normal(shape)).astype(dtype)

    inputs = _states(draw, cell, one_step, sizes)
    fan_in = sizes.n_a if cell == "rnn" else sizes.n_a / 2
    inputs["parameters"] = {
        name: draw(*shape) / np.asarray(fan_in**0.5 if name[0] == "W" else 2, dtype)
        for name, shape in shapes(cell, sizes).items()
    }
    if backward:
        louder = _cotangents(draw, cell, one_step, sizes)
        inputs |= {name: np.asarray(loud, dtype) * d for name, d in louder.items()}
    return Case(f"random {_show(sizes)}", like, with_caches(like, inputs, dtype))


def _show(sizes: Sizes) -> str:
    return f"n_x={sizes.n_x} n_a={sizes.n_a} m={sizes.m} T={sizes.steps}"


def _states(draw: Any, cell: str, one_step: bool, sizes: Sizes) -> Inputs:
    if not one_step:
        return {
            "x": draw(sizes.n_x, sizes.m, sizes.steps),
            "a0": draw(sizes.n_a, sizes.m),
        }
    inputs = {"xt": draw(sizes.n_x, sizes.m), "a_prev": draw(sizes.n_a, sizes.m)}
    return inputs | ({"c_prev": draw(sizes.n_a, sizes.m)} if cell == "lstm" else {})


def _cotangents(draw: Any, cell: str, one_step: bool, sizes: Sizes) -> Inputs:
    if not one_step:
        return {"da": draw(sizes.n_a, sizes.m, sizes.steps)}
    inputs = {"da_next": draw(sizes.n_a, sizes.m)}
    return inputs | ({"dc_next": draw(sizes.n_a, sizes.m)} if cell == "lstm" else {})


def with_caches(like: str, inputs: Inputs, dtype: DTypeLike = np.float64) -> Inputs:
    """Adds what a right forward pass stores, rounded to the dtype, if needed."""
    cell, one_step, backward = split(like)
    if not backward:
        return inputs
    kind = KINDS[cell]
    if one_step:
        names = ("xt", "a_prev", "c_prev", "parameters")
        caches = [step_forward(kind, {}, {k: inputs[k] for k in names if k in inputs})]
    else:
        caches = unroll_forward(
            kind, {}, inputs["x"], inputs["a0"], inputs["parameters"]
        )
    return inputs | {"caches": map_floats(lambda x: np.asarray(x, dtype), caches)}


def _readout(sizes: Sizes, seed: int, dtype: DTypeLike, scale: float) -> Inputs:
    rng = np.random.default_rng((seed, *sizes))
    labels = rng.integers(sizes.n_y, size=(sizes.m, sizes.steps))
    return {
        "a": np.tanh(rng.standard_normal((sizes.n_a, sizes.m, sizes.steps))).astype(
            dtype
        ),
        "Wya": (scale * rng.standard_normal((sizes.n_y, sizes.n_a))).astype(dtype),
        "by": rng.standard_normal((sizes.n_y, 1)).astype(dtype),
        "y": np.moveaxis(np.eye(sizes.n_y)[labels], -1, 0).astype(dtype),
    }


def map_floats(function: Any, tree: Any) -> Any:
    """``function`` of every array in dictionaries, lists and tuples."""
    if isinstance(tree, dict):
        return {name: map_floats(function, value) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(map_floats(function, value) for value in tree)
    return function(tree) if isinstance(tree, np.ndarray | np.floating) else tree


def shared(case: Case) -> Case:
    """The same case with arrays that nobody can write to, for all who ask for it."""

    def locked(array: Floats) -> Floats:
        array.setflags(write=False)
        return array

    return Case(case.name, case.like, map_floats(locked, case.inputs))


@remembered
def evened(case: Case) -> Case | None:
    """The case with x as long as da, if it is longer: as in one of the public tests."""
    x, da = case.inputs.get("x"), case.inputs.get("da")
    if x is None or da is None or x.shape[-1] <= da.shape[-1]:
        return None
    inputs = case.inputs | {"x": x[..., : da.shape[-1]]}
    return Case(case.name, case.like, with_caches(case.like, inputs, da.dtype))


# Distinct sizes; square ones, where slips that need equal sizes run; and the smallest.
GENERIC = (
    USUAL,
    Sizes(n_x=5, n_a=5, n_y=3, m=5, steps=3),
    Sizes(n_x=2, n_a=3, n_y=4, m=1, steps=1),
)
