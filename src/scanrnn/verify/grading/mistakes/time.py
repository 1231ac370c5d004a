"""Mistakes of the loop over time; they are the same for every cell."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ...rounding import Floats
from .catalogue import After, Mistake
from .passes import step_backward

JOIN = "da_next = da[:, :, t] + da_prevt"
ACCUMULATE = "dW += gradients['dW'] in every step, for every weight and bias"


def _scale(factor: Any) -> After:
    """All weight gradients times a factor that depends on m and T."""

    def change(gradients: dict[str, Floats], _: Any, run: Any) -> dict[str, Floats]:
        by = factor(run.da.shape[1], run.da.shape[2])
        kept = ("dx", "da0")
        return {k: v if k in kept else v * by for k, v in gradients.items()}

    return After(change)


def _first_total(run: Any) -> Floats:
    return np.asarray(run.joined[-1])


def _along(kept: Callable[[int, int, int], bool]) -> After:
    """The gradient of each output by itself, back along the steps that are kept.

    ``kept`` is asked for the step of the output, the step reached, and their number.
    """

    def change(gradients: dict[str, Floats], _: Any, run: Any) -> dict[str, Floats]:
        found = {name: np.zeros_like(leaf) for name, leaf in gradients.items()}
        steps = run.da.shape[2]
        for t in range(steps):
            carry, memory = run.da[:, :, t], np.zeros_like(run.da[:, :, t])
            for s in range(t, -1, -1):
                if not kept(t, s, steps):
                    break
                step = step_backward(run.kind, run.lines, run.caches[s], carry, memory)
                carry, memory = step.da_prev, getattr(step, "dc_prev", memory)
                found["dx"][:, :, s] += step.dxt
                for name in found.keys() - {"dx", "da0"}:
                    found[name] += getattr(step, name)
                if s == 0:
                    found["da0"] += carry
        return found

    return After(change)


def _from_the_example_before(
    gradients: dict[str, Floats], _: Any, run: Any
) -> dict[str, Floats]:
    """Example by example, and what one hands on enters the last step of the next."""
    found = {name: np.zeros_like(leaf) for name, leaf in gradients.items()}
    carry = memory = np.zeros_like(run.da[:, :1, 0])
    for i in range(run.da.shape[1]):
        mine = np.s_[:, i : i + 1]
        for t in reversed(range(run.da.shape[2])):
            arrays = run.caches[t].items()
            cache = {k: x if k == "parameters" else x[mine] for k, x in arrays}
            joined = run.da[:, :, t][mine] + carry
            step = step_backward(run.kind, run.lines, cache, joined, memory)
            carry, memory = step.da_prev, getattr(step, "dc_prev", memory)
            found["dx"][:, :, t][mine] = step.dxt
            for name in found.keys() - {"dx", "da0"}:
                found[name] += getattr(step, name)
        found["da0"][mine] = carry
    return found


def _near(most: int, output: int, step: int, steps: int) -> bool:
    return output - step <= most


def _together(size: int, output: int, step: int, steps: int) -> bool:
    return output // size == step // size


def _together_from_the_end(size: int, output: int, step: int, steps: int) -> bool:
    return (steps - 1 - output) // size == (steps - 1 - step) // size


TIME = (
    Mistake(
        "the carry is dropped",
        "Each step gets only da[:, :, t], the gradient from its own output. What the "
        "later steps hand back through time, da_prevt, is never added.",
        JOIN,
        {"join": lambda da, carry, t: da[:, :, t]},
    ),
    Mistake(
        "the outputs are dropped",
        "Only the last step's da is used; the earlier steps get da_prevt alone, so the "
        "losses at their own outputs count for nothing.",
        JOIN,
        {"join": lambda da, c, t: da[:, :, t] + c if t == da.shape[2] - 1 else c},
    ),
    Mistake(
        "the carry stays zero",
        "da_prevt is added but never set to gradients['da_prev'], so it stays zero.",
        "da_prevt = gradients['da_prev'] at the end of every step",
        {"carry": lambda carry, handed: carry},
    ),
    *(
        Mistake(
            f"every output goes back {count} at most",
            "Back-propagation is truncated: the gradient of an output reaches "
            f"{count} before it and no further.",
            "go back to step 0",
            {"finish": _along(functools.partial(_near, steps))},
        )
        for steps, count in enumerate(("1 step", "2 steps", "3 steps", "4 steps"), 1)
    ),
    *(
        Mistake(
            f"the gradient stops at pieces of {steps} steps{counted}",
            "Back-propagation is truncated: no gradient goes from one piece of "
            f"{steps} steps into the one before.",
            JOIN,
            {"finish": _along(functools.partial(together, steps))},
        )
        for steps in (2, 3, 4)
        for counted, together in (
            ("", _together),
            (", counted from the end", _together_from_the_end),
        )
    ),
    Mistake(
        "time runs forwards",
        "The loop visits the steps from the first to the last; the gradient flows from "
        "the last to the first.",
        "for t in reversed(range(T))",
        {"order": lambda steps: range(steps)},
    ),
    Mistake(
        "the last step is skipped",
        "The loop starts one step too early, at T - 2.",
        "for t in reversed(range(T)), which begins at T - 1",
        {"order": lambda steps: range(steps - 2, -1, -1)},
    ),
    Mistake(
        "step 0 is skipped",
        "The loop stops at t = 1 and never visits step 0.",
        "for t in reversed(range(T)), which ends at 0",
        {"order": lambda steps: range(steps - 1, 0, -1)},
    ),
    Mistake(
        "da is read one step too early",
        "Step t adds da[:, :, t - 1]; at t = 0 this index is -1, the last step.",
        JOIN,
        {"join": lambda da, carry, t: da[:, :, t - 1] + carry},
    ),
    Mistake(
        "da is read one step too late",
        "Step t adds da[:, :, t + 1], and the last step none.",
        JOIN,
        {
            "join": lambda da, carry, t: (
                (da[:, :, t + 1] if t + 1 < da.shape[2] else 0) + carry
            )
        },
    ),
    Mistake(
        "da of the last step everywhere",
        "Every step adds da[:, :, -1].",
        JOIN,
        {"join": lambda da, carry, t: da[:, :, -1] + carry},
    ),
    Mistake(
        "da of step 0 everywhere",
        "Every step adds da[:, :, 0].",
        JOIN,
        {"join": lambda da, carry, t: da[:, :, 0] + carry},
    ),
    Mistake(
        "da is read in the wrong time order",
        "Step t adds da[:, :, T - 1 - t].",
        JOIN,
        {"join": lambda da, carry, t: da[:, :, da.shape[2] - 1 - t] + carry},
    ),
    Mistake(
        "da is summed over time",
        "Every step adds the sum of da over all steps.",
        JOIN,
        {"join": lambda da, carry, t: da.sum(axis=2) + carry},
    ),
    Mistake(
        "the carry is added twice",
        "da_prevt enters the sum twice.",
        JOIN,
        {"join": lambda da, carry, t: da[:, :, t] + 2 * carry},
    ),
    Mistake(
        "da is added twice",
        "da[:, :, t] enters the sum twice.",
        JOIN,
        {"join": lambda da, carry, t: 2 * da[:, :, t] + carry},
    ),
    Mistake(
        "the carry is subtracted",
        "The two streams are subtracted; gradients that meet are added.",
        JOIN,
        {"join": lambda da, carry, t: da[:, :, t] - carry},
    ),
    Mistake(
        "the streams are multiplied",
        "The two streams are multiplied; gradients that meet are added.",
        JOIN,
        {"join": lambda da, carry, t: da[:, :, t] * carry},
    ),
    Mistake(
        "the streams are averaged",
        "The mean of the two streams is taken; gradients that meet are added.",
        JOIN,
        {"join": lambda da, carry, t: (da[:, :, t] + carry) / 2},
    ),
    Mistake(
        "the carry is seeded with da",
        "da_prevt starts as da[:, :, T - 1], so the last step counts its da twice.",
        "da_prevt = zeros before the loop",
        {"join": lambda da, c, t: (2 if t == da.shape[2] - 1 else 1) * da[:, :, t] + c},
    ),
    Mistake(
        "the carry piles up",
        "da_prevt += gradients['da_prev']: the step has already passed on all that "
        "reached it.",
        "da_prevt = gradients['da_prev']",
        {"carry": lambda carry, handed: carry + handed},
    ),
    Mistake(
        "the caches are read one step too early",
        "Step t reads caches[t - 1]; at t = 0 that is the last.",
        "caches[t]",
        {"take": lambda caches, t: caches[t - 1]},
    ),
    Mistake(
        "the caches are read one step too late",
        "Step t reads caches[t + 1], and the last step its own.",
        "caches[t]",
        {"take": lambda caches, t: caches[min(t + 1, len(caches) - 1)]},
    ),
    Mistake(
        "the last cache everywhere",
        "Every step reads the last cache.",
        "caches[t]",
        {"take": lambda caches, t: caches[-1]},
    ),
    Mistake(
        "the first cache everywhere",
        "Every step reads caches[0].",
        "caches[t]",
        {"take": lambda caches, t: caches[0]},
    ),
    Mistake(
        "the caches are read in the wrong time order",
        "Step t reads caches[T - 1 - t].",
        "caches[t]",
        {"take": lambda caches, t: caches[len(caches) - 1 - t]},
    ),
    Mistake(
        "the weights keep only step 0",
        "dW = instead of dW +=: every step overwrites the one before, and the first "
        "step of the sequence, visited last, remains.",
        ACCUMULATE,
        {"gather": lambda total, new: new},
    ),
    Mistake(
        "the weights keep only the last step",
        "The weight gradients are taken at the last step and not added up.",
        ACCUMULATE,
        {"gather": lambda total, new: total if np.any(total) else new},
    ),
    Mistake(
        "the weights are divided by the steps",
        "The weight gradients are averaged over time; the loss sums over time.",
        ACCUMULATE,
        {"finish": _scale(lambda m, steps: 1 / steps)},
    ),
    Mistake(
        "the weights are divided by the examples",
        "The weight gradients are divided by m; da has the 1/m already, if the loss "
        "has it.",
        "no division: the product sums over the examples",
        {"finish": _scale(lambda m, steps: 1 / m)},
    ),
    Mistake(
        "the weights are divided by steps and examples",
        "The weight gradients are divided by T m.",
        "no division",
        {"finish": _scale(lambda m, steps: 1 / (m * steps))},
    ),
    Mistake(
        "the weights are added twice",
        "Every weight gradient is added twice per step.",
        ACCUMULATE,
        {"finish": _scale(lambda m, steps: 2.0)},
    ),
    Mistake(
        "the weights have the wrong sign",
        "The weight gradients are negated: the update subtracts, not the gradient.",
        "dW += gradients['dW']",
        {"finish": _scale(lambda m, steps: -1.0)},
    ),
    Mistake(
        "dx is stored in the wrong time order",
        "dx of step t is stored under T - 1 - t.",
        "dx[:, :, t] = gradients['dxt']",
        {"place": lambda dx, new, t: dx[:, :, ::-1].__setitem__((..., t), new)},
    ),
    Mistake(
        "dx is stored one step too early",
        "dx of step t is stored under t - 1, that of step 0 under the last.",
        "dx[:, :, t] = gradients['dxt']",
        {"place": lambda dx, new, t: dx.__setitem__((..., t - 1), new)},
    ),
    Mistake(
        "dx piles up",
        "dx[:, :, t] holds the sum of dxt over this step and all later ones.",
        "dx[:, :, t] = gradients['dxt']",
        {
            "place": lambda dx, new, t: dx[:, :, : t + 1].__iadd__(
                np.asarray(new)[:, :, None]
            )
        },
    ),
    Mistake(
        "dx is the same at every step",
        "dx is assigned as a whole in every step: dx[:, :, :] = dxt.",
        "dx[:, :, t] = gradients['dxt']",
        {"place": lambda dx, new, t: dx.__setitem__(..., np.asarray(new)[:, :, None])},
    ),
    Mistake(
        "da0 is zero",
        "da0 is never set after the loop.",
        "da0 = da_prevt after the loop",
        {"da0": lambda run: np.zeros_like(run.carry)},
    ),
    Mistake(
        "da0 is da of step 0",
        "da0 is taken as da[:, :, 0], the gradient of a<1> from its output.",
        "da0 = da_prevt after the loop",
        {"da0": lambda run: run.da[:, :, 0]},
    ),
    Mistake(
        "da0 stops one step short",
        "da0 is the whole gradient of a<1>, before the step that leads back to a0.",
        "da0 = gradients['da_prev'] of step 0",
        {"da0": _first_total},
    ),
    Mistake(
        "da0 contains da of step 0 again",
        "da[:, :, 0] is added to da0 once more.",
        "da0 = da_prevt after the loop",
        {"da0": After(lambda da0, run: da0 + run.da[:, :, 0])},
    ),
    Mistake(
        "the gradient is cut after every second step",
        "da_prevt is set to zero at every other step: truncation.",
        "no truncation, or a window as long as the sequence",
        {"join": lambda da, carry, t: da[:, :, t] + (carry if t % 2 else 0)},
    ),
    Mistake(
        "the carry is averaged over the examples",
        "da_prevt is the mean over the examples; every example has its own state.",
        "da_prevt = gradients['da_prev'], shape (n_a, m)",
        {"carry": After(lambda new, *_: new.mean(1, keepdims=True) + 0 * new)},
    ),
    Mistake(
        "an example starts with the carry of the one before",
        "The loop over the examples is the outer one, and da_prevt is set to zero "
        "before it: each example's last step gets what the example before it left.",
        "da_prevt = zeros for every example",
        {"finish": After(_from_the_example_before)},
    ),
    Mistake(
        "the carry is clipped",
        "da_prevt is clipped to [-1, 1] at every step.",
        "clip the finished gradients, or nothing",
        {"carry": After(lambda new, *_: np.clip(np.asarray(new), -1, 1))},
    ),
    Mistake(
        "the gradients are clipped to [-1, 1]",
        "The finished gradients are clipped.",
        "clip in the training loop, not inside the backward pass",
        {
            "finish": After(
                lambda g, *_: {k: np.clip(np.asarray(v), -1, 1) for k, v in g.items()}
            )
        },
    ),
    Mistake(
        "the gradients are clipped to [-5, 5]",
        "The finished gradients are clipped.",
        "clip in the training loop, not inside the backward pass",
        {
            "finish": After(
                lambda g, *_: {k: np.clip(np.asarray(v), -5, 5) for k, v in g.items()}
            )
        },
    ),
    Mistake(
        "the memory is not carried",
        "dc_prevt stays zero: nothing flows back through the memory from step to step.",
        "dc_prevt = gradients['dc_prev'] at the end of every step",
        {"carry_c": lambda carry, handed: carry},
    ),
    Mistake(
        "the memory's carry piles up",
        "dc_prevt += gradients['dc_prev']: the step has passed that on already.",
        "dc_prevt = gradients['dc_prev']",
        {"carry_c": lambda carry, handed: carry + handed},
    ),
    Mistake(
        "the memory's carry counts twice",
        "dc_prevt enters the step twice.",
        "dc_next = dc_prevt",
        {"join_c": lambda carry: 2 * carry},
    ),
)
