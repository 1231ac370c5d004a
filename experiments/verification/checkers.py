"""Side by side on the same mistakes: the stock gradient checkers and this library.

    python experiments/verification/checkers.py [--every 1]

Every mistake of the catalogue that runs in `rnn_backward`, and right passes on other
seeds, become a `jax.custom_vjp` and a `torch.autograd.Function`, and go through
`jax.test_util.check_grads`, `chex.assert_numerical_grads`, `torch.autograd.gradcheck`
and `grade`, with the defaults of each. Needs chex and torch.
"""

import argparse
import time
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import chex  # type: ignore[import-untyped]
import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import torch

from scanrnn.verify import grade
from scanrnn.verify.grading.cases import Case, Sizes, generic
from scanrnn.verify.grading.judge import judge
from scanrnn.verify.grading.mistakes import Mistake, of
from scanrnn.verify.grading.mistakes.passes import KINDS, unroll_forward
from scanrnn.verify.grading.mutants import mutant

LIKE = "rnn_backward"
NAMES = ("x", "a0", "Wax", "Waa", "ba")
LEAVES = ("dx", "da0", "dWax", "dWaa", "dba")
SIZES = Sizes()
CHECK_GRADS: Callable[..., None] = jax.test_util.check_grads


def inputs_of(case: Case) -> list[Any]:
    """The arrays that the loss is differentiated by."""
    every = case.inputs | case.inputs["parameters"]
    return [every[name] for name in NAMES]


def states_and_gradients(case: Case, mistakes: tuple[Mistake, ...]) -> Any:
    """The forward pass, and the wrong way back, on NumPy arrays."""
    wrong = mutant(LIKE, *(m for m in mistakes if m.store is None))
    kind = KINDS["rnn"]
    readout = {n: case.inputs["parameters"][n] for n in ("Wya", "by")}

    def steps(x: Any, a0: Any, wax: Any, waa: Any, ba: Any) -> Any:
        parameters = {"Wax": wax, "Waa": waa, "ba": ba} | readout
        return unroll_forward(kind, {}, x, a0, parameters)

    def forward(*arrays: Any) -> Any:
        return np.stack([step["a_next"] for step in steps(*arrays)], axis=-1)

    def backward(da: Any, *arrays: Any) -> tuple[Any, ...]:
        caches = steps(*arrays)
        for mistake in mistakes:
            caches = mistake.store(caches) if mistake.store else caches
        tuples = [tuple(step[name] for name in kind.cache) for step in caches]
        with np.errstate(all="ignore"):
            found = wrong(np.asarray(da), (tuples, arrays[0]))
        return tuple(np.asarray(found[leaf], arrays[0].dtype) for leaf in LEAVES)

    return forward, backward


def as_jax(backward: Callable[..., Any], inputs: list[Any]) -> Callable[..., Any]:
    """A custom_vjp whose way back is the NumPy function."""

    def states(x: Any, a0: Any, wax: Any, waa: Any, ba: Any) -> Any:
        def step(a: Any, xt: Any) -> Any:
            a = jnp.tanh(wax @ xt + waa @ a + ba)
            return a, a

        return jnp.moveaxis(jax.lax.scan(step, a0, jnp.moveaxis(x, 2, 0))[1], 0, 2)

    shapes = jax.eval_shape(lambda: tuple(map(jnp.asarray, inputs)))

    def back(saved: Any, da: Any) -> Any:
        on_host = lambda da, *arrays: backward(  # noqa: E731
            np.asarray(da), *map(np.asarray, arrays)
        )
        return jax.pure_callback(on_host, shapes, da, *saved)

    function = jax.custom_vjp(states)
    function.defvjp(lambda *arrays: (states(*arrays), arrays), back)
    return function


def as_torch(forward: Callable[..., Any], backward: Callable[..., Any]) -> Any:
    """An autograd.Function of both NumPy functions."""

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *arrays: Any) -> Any:
            ctx.save_for_backward(*arrays)
            return torch.from_numpy(forward(*(a.numpy() for a in arrays)))

        @staticmethod
        def backward(ctx: Any, da: Any) -> Any:
            arrays = [a.numpy() for a in ctx.saved_tensors]
            found = backward(da.numpy(), *arrays)
            return tuple(torch.from_numpy(np.array(g)) for g in found)

    return Function


def verdicts(mistakes: tuple[Mistake, ...], dtype: Any, seed: int) -> dict[str, bool]:
    """Checker by checker: whether it accepts."""
    case = generic(LIKE, SIZES, seed, dtype)
    forward, backward = states_and_gradients(case, mistakes)
    inputs = inputs_of(case)
    with jax.enable_x64(dtype == np.float64):
        function = as_jax(backward, inputs)
        arrays = [jnp.asarray(x) for x in inputs]
        tensors = [torch.tensor(x, requires_grad=True) for x in inputs]
        return {
            "jax check_grads": accepts(
                lambda: CHECK_GRADS(function, arrays, 1, modes=("rev",))
            ),
            "chex assert_numerical_grads": accepts(
                lambda: chex.assert_numerical_grads(function, arrays, order=1)
            ),
            "torch gradcheck": accepts(
                lambda: torch.autograd.gradcheck(
                    as_torch(forward, backward).apply, tensors
                )
            ),
        } | {"scanrnn grade": ours(case, mistakes, dtype)}


def ours(case: Case, mistakes: tuple[Mistake, ...], dtype: Any) -> bool:
    """One call on the same case, as the others get it."""
    stores = [m for m in mistakes if m.store is not None]
    if stores:
        forward = mutant(LIKE.replace("backward", "forward"), *stores)
        return grade(mutant(LIKE), LIKE, forward=forward).passed
    return all(row.passed for row in judge(mutant(LIKE, *mistakes), case, dtype))


def accepts(check: Callable[[], Any]) -> bool:
    """Whether a checker that raises or returns a flag is content."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return check() is not False
    except Exception:
        return False


def runs(mistake: Mistake) -> bool:
    """Whether the mistake runs on the sizes of the comparison."""
    case = generic(LIKE, SIZES, 0)
    _, backward = states_and_gradients(case, (mistake,))
    try:
        found = backward(case.inputs["da"], *inputs_of(case))
    except (ValueError, IndexError):
        return False
    return [g.shape for g in found] == [x.shape for x in inputs_of(case)]


def main(every: int, right: int) -> None:
    """Prints the table."""
    mistakes = [m for m in of(LIKE) if not m.harmless and runs(m)][::every]
    print(f"{len(mistakes)} mistakes, {right} right passes; sizes {tuple(SIZES)}")
    for dtype in (np.float64, np.float32):
        begin = time.perf_counter()
        caught: Counter[str] = Counter()
        alarms: Counter[str] = Counter()
        for mistake in mistakes:
            for name, accepted in verdicts((mistake,), dtype, 1).items():
                caught[name] += not accepted
        for seed in range(right):
            for name, accepted in verdicts((), dtype, 100 + seed).items():
                alarms[name] += not accepted
        took = time.perf_counter() - begin
        print(f"\n{np.dtype(dtype)} ({took:.0f} s)          caught    false alarms")
        for name in alarms | caught:
            print(f"{name:30}{caught[name]:4} of {len(mistakes)}{alarms[name]:6}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1, help="take every n-th mistake")
    parser.add_argument("--right", type=int, default=20, help="right passes")
    options = parser.parse_args()
    main(options.every, options.right)
