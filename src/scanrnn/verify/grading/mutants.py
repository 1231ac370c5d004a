"""Functions in the exercise's signature with mistakes of the catalogue in them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .cases import Case, split
from .mistakes import Mistake
from .mistakes.passes import KINDS, Step, step_forward, unroll_forward
from .replay import replay

Function = Callable[..., Any]


def mutant(like: str, *mistakes: Mistake) -> Function:
    """A function as the exercise's ``like``, wrong in the way of the mistakes.

    Without a mistake it is right. For a sequence's forward function the caches are
    wrong and the outputs are as the mistakes leave them.

    >>> import numpy as np
    >>> from scanrnn.verify.grading.mistakes import of
    >>> wrong = mutant("rnn_backward", of("rnn_backward")[0])
    >>> from scanrnn.verify import grade
    >>> grade(wrong, like="rnn_backward").suspicions[0].names
    ('the carry is dropped',)
    """
    cell, one_step, backward = split(like)
    if cell == "readout":
        return _readout(mistakes)
    if not backward:
        return _forward(like, mistakes)
    names = KINDS[cell].cache

    def step(cache: tuple[Any, ...]) -> Step:
        return dict(zip(names, cache, strict=True))

    def cell_backward(*args: Any) -> dict[str, Any]:
        *cotangents, cache = args
        given = dict(zip(("da_next", "dc_next"), cotangents, strict=False))
        case = Case("", like, given | {"caches": [step(cache)]})
        return replay(case, mistakes)

    def backward_pass(da: Any, caches: Any) -> dict[str, Any]:
        steps = [step(cache) for cache in caches[0]]
        return replay(Case("", like, {"da": da, "caches": steps}), mistakes)

    return cell_backward if one_step else backward_pass


def _forward(like: str, mistakes: tuple[Mistake, ...]) -> Function:
    cell, one_step, _ = split(like)
    kind = KINDS[cell]

    def cache_of(leaves: dict[str, Any], parameters: Any, at: Any) -> tuple[Any, ...]:
        return tuple(
            parameters if name == "parameters" else leaves[f"cache {name}"][at]
            for name in kind.cache
        )

    def one(*args: Any) -> tuple[Any, ...]:
        names = ("xt", "a_prev", "c_prev") if kind.memory else ("xt", "a_prev")
        inputs = dict(zip((*names, "parameters"), args, strict=True))
        leaves = replay(Case("", like, inputs), mistakes)
        outputs = [v for name, v in leaves.items() if not name.startswith("cache")]
        stored = _through([step_forward(kind, {}, inputs)], mistakes)
        return (*outputs, cache_of(leaves, stored[0]["parameters"], ...))

    def all_steps(x: Any, a0: Any, parameters: Any) -> tuple[Any, ...]:
        inputs = {"x": x, "a0": a0, "parameters": parameters}
        leaves = replay(Case("", like, inputs), mistakes)
        outputs = [v for name, v in leaves.items() if not name.startswith("cache")]
        steps = range(x.shape[2])
        stored = _through(unroll_forward(kind, {}, x, a0, parameters), mistakes)
        caches = [cache_of(leaves, stored[t]["parameters"], (..., t)) for t in steps]
        return (*outputs, (caches, x))

    return one if one_step else all_steps


def _readout(mistakes: tuple[Mistake, ...]) -> Function:
    def readout_backward(y_pred: Any, labels: Any, a: Any, parameters: Any) -> Any:
        y = np.moveaxis(np.eye(len(y_pred), dtype=a.dtype)[labels], -1, 0)
        inputs = {"a": a, "y": y, "Wya": parameters["Wya"], "by": parameters["by"]}
        return replay(Case("", "readout_backward", inputs), mistakes)

    return readout_backward


def _through(caches: list[Step], mistakes: tuple[Mistake, ...]) -> list[Step]:
    for mistake in mistakes:
        caches = mistake.store(caches) if mistake.store else caches
    return caches
