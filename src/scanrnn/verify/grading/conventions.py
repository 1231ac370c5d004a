"""The border: how a stranger's function is called, and how its results are named.

Three conventions. ``course``: the exercise's eight functions, (n_x, m, T), with
dictionaries.
``ntd``: a pair of functions, ``h, cache = forward(x, h0, Wx, Wh, b)`` and
``dx, dh0, dWx, dWh, db = backward(dh, cache)`` with x (N, T, D) and the gates in the
columns (lstm: i, f, o, g; gru: r, z, n, the reset before the product), as in Stanford's
CS231n. ``torch``: a ``torch.autograd.Function`` with ``apply(x, h0, Wx, Wh, b) -> h``.
"""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from ..rounding import Floats
from .cases import Case, split
from .child.worker import by_torch
from .mistakes.losses import READOUT
from .mistakes.passes import KINDS, evaluate
from .replay import Leaves, flat_cache
from .sandbox import Outcome, Remote, call

GATES = {"rnn": ("",), "lstm": ("i", "f", "o", "c"), "gru": ("r", "z", "n")}


class Found(NamedTuple):
    """What a function returned on a case: leaves by name, and what was odd."""

    leaves: dict[str, Any]
    failure: str = ""
    changed: tuple[str, ...] = ()  # arguments that are not what they were


class Convention(NamedTuple):
    """How to call a function, and what its leaves are called."""

    function: Any
    args: Callable[[Case], dict[str, Any]]  # by name, in order; a cache is the last
    read: Callable[[Any, Any, Case], dict[str, Any]]  # from its value and `before`'s
    rename: Callable[[Leaves, Case], Leaves]  # from the exercise's names and layout
    time_axis: int = 2  # of its leaves over a sequence
    before: Any = None  # the forward function that makes the cache, if it is not given
    args_before: Callable[[Case], dict[str, Any]] | None = None

    @property
    def own_caches(self) -> bool:
        """Whether the cache comes from x and the start state, not with the case."""
        return self.args_before is not None

    def run(self, case: Case, seconds: float) -> Found:
        """Calls it on a case."""
        args, made = self.args(case), Outcome()
        if self.before is not None and self.args_before is not None:
            made = call(self.before, self.args_before(case), seconds)
            last = _last(made)
            if last.failure:
                return Found({}, f"the forward function {last.failure}")
            args[list(args)[-1]] = last.value
        outcome = call(self.function, args, seconds)
        found = Found({}, outcome.failure, outcome.changed)
        if outcome.failure:
            return found
        return self.told(found, outcome.value, made.value, case)

    def told(self, found: Found, value: Any, made: Any, case: Case) -> Found:
        """What a call returned, by name, or what is odd about it."""
        try:
            return found._replace(leaves=self.read(value, made, case))
        except ValueError as error:
            return found._replace(failure=str(error))


def course(function: Any, like: str, own: Any = None) -> Convention:
    """The exercise; ``own`` is the forward function that makes the caches, if given."""

    def read(value: Any, _: Any, case: Case) -> dict[str, Any]:
        return named(value, case)

    return Convention(
        function,
        arguments,
        read,
        lambda leaves, case: leaves,
        before=own,
        args_before=None if own is None else lambda case: arguments(forward_of(case)),
    )


def _last(outcome: Outcome) -> Outcome:
    """The last of several values: what a forward function stores."""
    if outcome.failure or (isinstance(outcome.value, tuple | list) and outcome.value):
        return outcome._replace(value=None if outcome.failure else outcome.value[-1])
    got = type(outcome.value).__name__
    return Outcome(failure=f"returned {got}, expected outputs and a cache")


def forward_of(case: Case) -> Case:
    """The call of the forward function that belongs to a backward case."""
    names = ("x", "a0", "xt", "a_prev", "c_prev", "parameters")
    inputs = {name: case.inputs[name] for name in names if name in case.inputs}
    return Case(case.name, case.like.replace("backward", "forward"), inputs)


def arguments(case: Case) -> dict[str, Any]:
    """The arguments of the exercise's function, in order."""
    cell, one_step, backward = split(case.like)
    if cell == "readout":
        return _readout_arguments(case)
    if not backward:
        return dict(case.inputs)
    tuples = [_tuple(cell, step) for step in case.inputs["caches"]]
    if one_step:
        given = {n: case.inputs[n] for n in ("da_next", "dc_next") if n in case.inputs}
        return given | {"cache": tuples[0]}
    return {"da": case.inputs["da"], "caches": (tuples, case.inputs["x"])}


def _readout_arguments(case: Case) -> dict[str, Any]:
    """The arguments of `scanrnn.course.readout_backward`."""
    inputs = case.inputs
    d = evaluate({n: READOUT[n] for n in ("logits", "p")}, SimpleNamespace(**inputs))
    parameters = {"Wya": inputs["Wya"], "by": inputs["by"]}
    return {
        "y_pred": d.p,
        "labels": np.argmax(inputs["y"], axis=0),
        "a": inputs["a"],
        "parameters": parameters,
    }


def _tuple(cell: str, step: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(step[name] for name in KINDS[cell].cache)


def named(value: Any, case: Case) -> dict[str, Any]:
    """What a function of the exercise returned, by name.

    Raises:
        ValueError: if that is not what such a function returns.
    """
    cell, one_step, backward = split(case.like)
    try:
        return dict(value) if backward else _outputs(cell, one_step, value)
    except (TypeError, ValueError, IndexError, KeyError) as error:
        wanted = "a dictionary of gradients" if backward else "outputs and a cache"
        message = f"returned {type(value).__name__}, expected {wanted}: {error}"
        raise ValueError(message) from None


def _outputs(cell: str, one_step: bool, value: Any) -> dict[str, Any]:
    names = {
        ("rnn", True): ("a_next", "yt_pred"),
        ("rnn", False): ("a", "y_pred"),
        ("lstm", True): ("a_next", "c_next", "yt_pred"),
        ("lstm", False): ("a", "y", "c"),
    }[cell, one_step]
    if len(value) != len(names) + 1:
        raise ValueError(f"expected {len(names) + 1} values, got {len(value)}")
    leaves = dict(zip(names, value, strict=False))
    kind = KINDS[cell]
    tuples = [value[-1]] if one_step else list(value[-1][0])
    named = [dict(zip(kind.cache, cache, strict=True)) for cache in tuples]
    flat = [dict(flat_cache(kind, step)) for step in named]
    for entry in flat[0]:
        arrays = [np.asarray(step[entry]) for step in flat]
        leaves[f"cache {entry}"] = arrays[0] if one_step else np.stack(arrays, -1)
    return leaves


def ntd(forward: Any, backward: Any, like: str) -> Convention:
    """(N, T, D): the cache is the forward function's own."""
    cell, one_step, _ = split(like)
    names = _ntd_names(cell, one_step)

    def args(case: Case) -> dict[str, Any]:
        return _ntd_cotangents(case) | {"cache": None}

    def read(value: Any, made: Any, case: Case) -> dict[str, Any]:
        try:
            return {"h": made[0]} | dict(zip(names, value, strict=True))
        except (TypeError, ValueError) as error:
            raise ValueError(f"expected {', '.join(names)}: {error}") from None

    return Convention(
        backward, args, read, _to_ntd, 1, before=forward, args_before=_ntd_inputs
    )


def torch(function: Any, like: str) -> Convention:
    """A ``torch.autograd.Function``."""
    cell, one_step, _ = split(like)
    names = ("h", *_ntd_names(cell, one_step))

    def args(case: Case) -> dict[str, Any]:
        return _ntd_cotangents(case) | _ntd_inputs(case)

    def read(value: Any, _: Any, case: Case) -> dict[str, Any]:
        return dict(zip(names, value, strict=True))

    apply = function if isinstance(function, Remote) else by_torch(function)
    return Convention(apply, args, read, _to_ntd, 1, args_before=_ntd_inputs)


def _ntd_names(cell: str, one_step: bool) -> tuple[str, ...]:
    state: tuple[str, ...] = ("dprev_h",) if one_step else ("dh0",)
    if one_step and cell == "lstm":
        state = ("dprev_h", "dprev_c")
    return ("dx", *state, "dWx", "dWh", "db")


def _ntd_inputs(case: Case) -> dict[str, Floats]:
    cell, one_step, _ = split(case.like)
    inputs, parameters = case.inputs, case.inputs["parameters"]
    weights = _pack(cell, parameters, "", inputs["caches"][0]["a_prev"].shape[0])
    if one_step:
        states = {"prev_h": inputs["a_prev"].T}
        if cell == "lstm":
            states["prev_c"] = inputs["c_prev"].T
        return {"x": inputs["xt"].T} | states | weights
    return {"x": inputs["x"].transpose(1, 2, 0), "h0": inputs["a0"].T} | weights


def _ntd_cotangents(case: Case) -> dict[str, Floats]:
    if "da" in case.inputs:
        return {"dh": case.inputs["da"].transpose(1, 2, 0)}
    names = {"dnext_h": "da_next", "dnext_c": "dc_next"}
    return {n: case.inputs[m].T for n, m in names.items() if m in case.inputs}


def _pack(cell: str, arrays: Any, prefix: str, n_a: int) -> dict[str, Floats]:
    """Wx (D, G·H), Wh (H, G·H), b (G·H,) from the exercise's weights or gradients."""
    if cell == "rnn":
        wx, wh = arrays[f"{prefix}Wax"].T, arrays[f"{prefix}Waa"].T
        b = arrays[f"{prefix}ba"].ravel()
    else:
        each = [arrays[f"{prefix}W{gate}"] for gate in GATES[cell]]
        wx = np.concatenate([w[:, n_a:].T for w in each], axis=1)
        wh = np.concatenate([w[:, :n_a].T for w in each], axis=1)
        b = np.concatenate([arrays[f"{prefix}b{gate}"].ravel() for gate in GATES[cell]])
    return {f"{prefix}Wx": wx, f"{prefix}Wh": wh, f"{prefix}b": b}


def rows_arguments(case: Case) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """The arguments of an ``ntd`` forward function, and the cotangents."""
    return _ntd_inputs(case), _ntd_cotangents(case)


def from_rows(value: Any, case: Case) -> Leaves:
    """What an ``ntd`` backward function returns, in the exercise's names and layout.

    Raises:
        ValueError, TypeError, IndexError: where the shapes do not allow it.
    """
    cell, one_step, _ = split(case.like)
    names = _ntd_names(cell, one_step)
    return from_ntd(dict(zip(names, map(np.asarray, value), strict=True)), case)


def from_ntd(found: Mapping[str, Any], case: Case) -> Leaves:
    """The inverse of `Convention.rename` for ``ntd``; leaves of odd shape are left out.

    >>> from .cases import generic
    >>> list(from_ntd({"dx": np.zeros((4, 3))}, generic("rnn_cell_backward")))
    ['dxt']
    """
    cell, one_step, _ = split(case.like)
    leaves: Leaves = {}
    state = {"dx": "dxt", "dprev_h": "da_prev", "dprev_c": "dc_prev"}
    for name, given in found.items():
        array = np.asarray(given, np.float64)
        if name == "dx" and not one_step and array.ndim == 3:
            leaves["dx"] = array.transpose(2, 0, 1)
        elif name == "dh0" and array.ndim == 2:
            leaves["da0"] = array.T
        elif name in state and array.ndim == 2:
            leaves[state[name]] = array.T
    return leaves | _unpack(cell, found)


def back(rename: Any) -> Callable[[Mapping[str, Any], Case], Leaves]:
    """From the names of a convention to the exercise's; of None, those as they are."""
    return from_ntd if rename is _to_ntd else _as_it_is


def _as_it_is(found: Mapping[str, Any], case: Case) -> Leaves:
    return dict(found)


def _unpack(cell: str, found: Mapping[str, Any]) -> Leaves:
    """The exercise's weights' gradients from the fused ones, as far as shapes allow."""
    given = (found.get(name, 0) for name in ("dWx", "dWh", "db"))
    wx, wh, b = (np.asarray(x, np.float64) for x in given)
    gates = GATES[cell]
    leaves: Leaves = {}
    if cell == "rnn":
        whole = {"dWax": wx.T, "dWaa": wh.T}
        leaves |= {name: w for name, w in whole.items() if w.ndim == 2}
        return leaves | ({"dba": b.reshape(-1, 1)} if b.ndim else {})
    if wx.ndim == wh.ndim == 2 and wx.shape[1] == wh.shape[1]:
        parts = np.array_split(np.concatenate([wh, wx]).T, len(gates))
        leaves |= {f"dW{gate}": w for gate, w in zip(gates, parts, strict=True)}
    if b.ndim:
        each = np.array_split(b.reshape(-1, 1), len(gates))
        leaves |= {f"db{gate}": x for gate, x in zip(gates, each, strict=True)}
    return leaves


def _to_ntd(leaves: Leaves, case: Case) -> Leaves:
    cell, one_step, _ = split(case.like)
    steps = case.inputs["caches"]
    weights = _pack(cell, leaves, "d", steps[0]["a_prev"].shape[0])
    if one_step:
        h = leaves.get("h", steps[0]["a_next"])
        found = {"h": h.T, "dx": leaves["dxt"].T}
        found["dprev_h"] = leaves["da_prev"].T
        if cell == "lstm":
            found["dprev_c"] = leaves["dc_prev"].T
        return found | weights
    count = leaves["dx"].shape[2]
    h = np.stack([step["a_next"].T for step in steps[:count]], axis=1)
    if "h" in leaves:  # of a forward pass that is not the right one
        h = leaves["h"].transpose(1, 2, 0)
    dx = leaves["dx"].transpose(1, 2, 0)
    return {"h": h, "dx": dx, "dh0": leaves["da0"].T} | weights
