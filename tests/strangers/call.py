"""Calls a stranger's function on the oracle's inputs, in its own convention.

Course: the exercise's functions, (n, m, T). ntd: a pair, (N, T, D), with the gates in
the columns (lstm: i, f, o, g; gru: r, z, n). A leaf is named as the report names it.
"""

import copy
import functools
from typing import Any

import numpy as np

from strangers import oracle
from strangers.made import Stranger

COLUMNS = {"rnn": None, "lstm": "ifoc", "gru": "rzn"}
NAMES = {
    "rnn_cell_forward": ("a_next", "yt_pred"),
    "rnn_forward": ("a", "y_pred"),
    "lstm_cell_forward": ("a_next", "c_next", "yt_pred"),
    "lstm_forward": ("a", "y", "c"),
}
CACHES = {
    "rnn": ("a_next", "a_prev", "xt"),
    "lstm": ("a_next", "c_next", "a_prev", "c_prev", "ft", "it", "cct", "ot", "xt"),
}

Leaves = dict[str, Any]


@functools.cache
def on_the_usual(case: Stranger) -> tuple[Leaves, Leaves]:
    """`compared` on the oracle's usual case."""
    return compared(case, oracle.usual(case.like))


def compared(case: Stranger, given: Leaves) -> tuple[Leaves, Leaves]:
    """What the function gives and what is right, by leaf.

    Arguments that the function changes stand among the leaves, under their names.
    """
    right, made = oracle.expected(case.like, given)
    cell, one_step = case.like.split("_")[0], "cell" in case.like
    if case.convention == "ntd":
        args, run = ntd(case, given, cell, one_step), case.function
        cache = case.forward(*copy.deepcopy(args[1]))  # type: ignore[misc]
        arguments = {**args[0], "cache": cache[-1]}
        h = oracle.states(case.like, given).transpose(1, 2, 0)
        right = {"h": h[:, 0] if one_step else h} | to_ntd(right, cell, one_step)
        extra = {"h": cache[0]}
    else:
        arguments, run, extra = course(case.like, given, made), case.function, {}
        if case.forward is not None:
            own = case.forward(*copy.deepcopy(forward_arguments(case.like, given)))
            arguments["cache" if one_step else "caches"] = own[-1]
    before, arguments = arguments, copy.deepcopy(arguments)
    with np.errstate(all="ignore"):
        result = run(*arguments.values())
    leaves = extra | named(case, result, cell, one_step)
    for name, value in before.items():
        if name != "parameters" and isinstance(value, np.ndarray):
            leaves, right = leaves | {name: arguments[name]}, right | {name: value}
    return leaves, right


def wrong_leaves(found: Leaves, right: Leaves) -> list[str]:
    """Those that differ by more than rounding, in their order, or are missing."""
    return [name for name in right if not close(found.get(name), right[name])]


def close(one: Any, two: Any) -> bool:
    if one is None or np.shape(one) != np.shape(two):
        return False
    scale = np.abs(two).max(initial=0) or 1.0
    return bool((np.abs(one - two) <= 1e-9 * scale).all())


def forward_arguments(like: str, given: Leaves) -> tuple[Any, ...]:
    if "cell" not in like:
        return given["x"], given["a0"], given["parameters"]
    states = (given["a0"], given["c0"]) if like[0] == "l" else (given["a0"],)
    return given["x"][:, :, 0], *states, given["parameters"]


def course(like: str, given: Leaves, made: Any) -> Leaves:
    if like.startswith("readout"):
        return {
            "y_pred": np.array(made),
            "labels": given["labels"],
            "a": given["a"].copy(),
            "parameters": given["parameters"],
        }
    if like.endswith("forward"):
        names = ("x", "a0", "c0") if like[0] == "l" and "cell" in like else ("x", "a0")
        values = forward_arguments(like, given)
        return dict(zip((*names, "parameters"), values, strict=True))
    if "cell" in like:
        d = {"da_next": given["da"][:, :, 0].copy()}
        d |= {"dc_next": given["dc"].copy()} if like[0] == "l" else {}
        return d | {"cache": made[0]}
    return {"da": given["da"].copy(), "caches": (made, given["x"])}


def ntd(case: Stranger, given: Leaves, cell: str, one_step: bool) -> Any:
    weights = packed(given["parameters"], "", cell, len(given["a0"]))
    if one_step:
        states = [given["a0"].T] + ([given["c0"].T] if cell == "lstm" else [])
        d = {"dnext_h": given["da"][:, :, 0].T.copy()}
        d |= {"dnext_c": given["dc"].T.copy()} if cell == "lstm" else {}
        return d, (given["x"][:, :, 0].T, *states, *weights)
    x = given["x"].transpose(1, 2, 0)
    return {"dh": given["da"].transpose(1, 2, 0).copy()}, (x, given["a0"].T, *weights)


def packed(p: Leaves, d: str, cell: str, n_a: int) -> tuple[Any, Any, Any]:
    """Wx, Wh, b from the exercise's weights or gradients."""
    if cell == "rnn":
        return p[f"{d}Wax"].T, p[f"{d}Waa"].T, p[f"{d}ba"].ravel()
    gates = COLUMNS[cell] or ""
    wx = np.concatenate([p[f"{d}W{k}"][:, n_a:].T for k in gates], axis=1)
    wh = np.concatenate([p[f"{d}W{k}"][:, :n_a].T for k in gates], axis=1)
    return wx, wh, np.concatenate([p[f"{d}b{k}"].ravel() for k in gates])


def to_ntd(right: Leaves, cell: str, one_step: bool) -> Leaves:
    if one_step:
        found = {"dx": right["dxt"].T, "dprev_h": right["da_prev"].T}
        found |= {"dprev_c": right["dc_prev"].T} if cell == "lstm" else {}
        n_a = len(right["da_prev"])
    else:
        found = {"dx": right["dx"].transpose(1, 2, 0), "dh0": right["da0"].T}
        n_a = len(right["da0"])
    names = ("dWx", "dWh", "db")
    return found | dict(zip(names, packed(right, "d", cell, n_a), strict=True))


def named(case: Stranger, result: Any, cell: str, one_step: bool) -> Leaves:
    if case.convention == "ntd":
        state = ["dprev_h"] if one_step else ["dh0"]
        state += ["dprev_c"] if one_step and cell == "lstm" else []
        names = ["dx", *state, "dWx", "dWh", "db"]
        return dict(zip(names, result, strict=True))
    if case.like.endswith("backward"):
        return dict(result)
    *outputs, caches = result
    leaves = dict(zip(NAMES[case.like], outputs, strict=True))
    for k, name in enumerate(CACHES[cell]):
        if one_step:
            leaves[f"cache {name}"] = caches[k]
        else:
            leaves[f"cache {name}"] = np.stack([c[k] for c in caches[0]], axis=-1)
    return leaves
