"""Mistakes inside one step of the long short-term memory."""

from typing import Any

import numpy as np

from .catalogue import After, Mistake
from .passes import Line, bias, cols, rows

NAMES = {"f": "forget", "i": "update", "o": "output", "c": "candidate"}
DC = "dc = dc_next + da_next * ot * (1 - np.tanh(c_next)**2), then use dc everywhere"


def _only(term: str) -> Line:
    """One of the two streams into the memory."""
    if term == "time":
        return lambda k, d: d.dc_next
    return lambda k, d: d.da_next * k.ot * d.slope_c


def _streams(name: str, line: str, what: str, lost: str) -> Mistake:
    kept = "time" if lost == "outputs" else "outputs"
    path = "dc_next" if lost == "time" else "da_next * ot * (1 - tanh(c_next)**2)"
    return Mistake(
        name,
        f"{what} leaves out {path}: two streams reach the memory.",
        DC,
        {line: _only(kept)},
    )


def _parentheses(gate: str, line: str, slope: Any, rest: Any) -> Mistake:
    def without(k: Any, d: Any) -> Any:
        return d.dc_next * rest(k) + d.da_next * k.ot * d.slope_c * rest(k) * slope(k)

    return Mistake(
        f"d{gate}: the parentheses are missing",
        f"The derivative of the {NAMES[gate]} gate multiplies only the second of the "
        "two terms.",
        f"(dc_next * ... + da_next * ot * (1 - np.tanh(c_next)**2) * ...) * the "
        f"derivative of the {NAMES[gate]} gate",
        {line: without},
    )


def _gate_slope(gate: str, wrong: Any, says: str, name: str) -> Mistake:
    return Mistake(
        f"d{gate}: {name}",
        says,
        f"{gate}t * (1 - {gate}t), the derivative of the sigmoid"
        if gate != "c"
        else "1 - cct**2, the derivative of tanh",
        {"d" + gate if gate != "c" else "dcc": wrong},
    )


def _no_slope(gate: str) -> Mistake:
    lines: dict[str, Line] = {
        "f": lambda k, d: d.dc_f * k.c_prev,
        "i": lambda k, d: d.dc_i * k.cct,
        "c": lambda k, d: d.dc_c * k.it,
        "o": lambda k, d: d.da_next * d.tanh_c,
    }
    says = f"The derivative of the {NAMES[gate]} gate's own function is left out."
    return _gate_slope(gate, lines[gate], says, "no derivative")


def _tanh_slope(gate: str) -> Mistake:
    lines: dict[str, Line] = {
        "f": lambda k, d: d.dc_f * k.c_prev * (1 - k.ft**2),
        "i": lambda k, d: d.dc_i * k.cct * (1 - k.it**2),
        "o": lambda k, d: d.da_next * d.tanh_c * (1 - k.ot**2),
    }
    says = f"The {NAMES[gate]} gate is a sigmoid, and gets the derivative of tanh."
    return _gate_slope(gate, lines[gate], says, "the derivative of tanh")


def _swapped(first: str, second: str, of: str) -> Mistake:
    """DW or db of two gates exchanged."""

    def after(gradients: dict[str, Any], *_: Any) -> dict[str, Any]:
        one, two = f"d{of}{first}", f"d{of}{second}"
        return gradients | {one: gradients[two], two: gradients[one]}

    return Mistake(
        f"d{of}{first} and d{of}{second} are exchanged",
        f"The gradients of the {NAMES[first]} and {NAMES[second]} gate are returned "
        "under each other's name.",
        "keep one order of the gates from the forward pass to the dictionary",
        {"finish": After(after)},
    )


def _copied(target: str, source: str) -> Mistake:
    return Mistake(
        f"{target} is a copy of {source}",
        f"{target} is computed by the line for {source}: copied and not changed.",
        f"compute {target} from its own gate",
        {"finish": After(lambda g, *_: g | {target: g[source]} if target in g else g)},
    )


def _missing(gate: str, line: str) -> Mistake:
    where = "da_prev" if line == "da_prev" else "dxt"
    part = rows if line == "da_prev" else cols

    def change(value: Any, k: Any, d: Any) -> Any:
        delta = d.dcc if gate == "c" else getattr(d, f"d{gate}")
        return value - part(getattr(k, f"W{gate}"), k).T @ delta

    return Mistake(
        f"{where} without the {NAMES[gate]} gate",
        f"{where} adds up three gates and leaves out the {NAMES[gate]} gate.",
        f"{where} is a sum over all four gates",
        {line: After(change)},
    )


def _wrong_rows(k: Any, d: Any) -> Any:
    n = k.a_prev.shape[0]
    pairs = ((k.Wf, d.df), (k.Wi, d.di), (k.Wc, d.dcc), (k.Wo, d.do))
    return sum(w[:, -n:].T @ delta for w, delta in pairs)


def _untransposed(k: Any, d: Any) -> Any:
    pairs = ((k.Wf, d.df), (k.Wi, d.di), (k.Wc, d.dcc), (k.Wo, d.do))
    return sum(rows(w, k) @ delta for w, delta in pairs)


LSTM = (
    _streams("dc: the memory's stream is lost", "dc", "dc", "time"),
    _streams("dc: the output's stream is lost", "dc", "dc", "outputs"),
    _streams("df: the memory's stream is lost", "dc_f", "dft", "time"),
    _streams("df: the output's stream is lost", "dc_f", "dft", "outputs"),
    _streams("di: the memory's stream is lost", "dc_i", "dit", "time"),
    _streams("di: the output's stream is lost", "dc_i", "dit", "outputs"),
    _streams("dc~: the memory's stream is lost", "dc_c", "dcct", "time"),
    _streams("dc~: the output's stream is lost", "dc_c", "dcct", "outputs"),
    _streams("dc_prev: the memory's stream is lost", "dc_back", "dc_prev", "time"),
    _streams("dc_prev: the output's stream is lost", "dc_back", "dc_prev", "outputs"),
    _parentheses("c", "dcc", lambda k: 1 - k.cct**2, lambda k: k.it),
    _parentheses("i", "di", lambda k: k.it * (1 - k.it), lambda k: k.cct),
    _parentheses("f", "df", lambda k: k.ft * (1 - k.ft), lambda k: k.c_prev),
    _no_slope("f"),
    _no_slope("i"),
    _no_slope("c"),
    _no_slope("o"),
    _tanh_slope("f"),
    _tanh_slope("i"),
    _tanh_slope("o"),
    _gate_slope(
        "c",
        lambda k, d: d.dc_c * k.it * k.cct * (1 - k.cct),
        "The candidate is a tanh, and gets the derivative of the sigmoid.",
        "the derivative of the sigmoid",
    ),
    _gate_slope(
        "c",
        lambda k, d: d.dc_c * k.it * (1 - np.tanh(k.cct) ** 2),
        "The derivative is 1 - tanh(cct)**2, but cct is a tanh already.",
        "tanh is applied twice",
    ),
    _gate_slope(
        "c",
        lambda k, d: d.dc_c * k.it * (1 - k.cct),
        "The derivative is written 1 - cct; the square is missing.",
        "the square is missing",
    ),
    _gate_slope(
        "c",
        lambda k, d: d.dc_c * k.it * (1 - k.it**2),
        "The derivative of the candidate is written with it: 1 - it**2.",
        "the derivative of another gate",
    ),
    Mistake(
        "the memory without the derivative of tanh",
        "dc adds da_next * ot; the factor 1 - tanh(c_next)**2 is left out.",
        DC,
        {"slope_c": lambda k, d: np.ones_like(k.c_next)},
    ),
    Mistake(
        "the memory with 1 - c_next**2",
        "The derivative is written 1 - c_next**2; c_next is no tanh.",
        DC,
        {"slope_c": lambda k, d: 1 - k.c_next**2},
    ),
    Mistake(
        "the memory with the derivative at a_next",
        "The derivative is written 1 - a_next**2; a_next = ot * tanh(c_next).",
        DC,
        {"slope_c": lambda k, d: 1 - k.a_next**2},
    ),
    Mistake(
        "the memory with the square missing",
        "The derivative is written 1 - tanh(c_next).",
        DC,
        {"slope_c": lambda k, d: 1 - d.tanh_c},
    ),
    Mistake(
        "the memory with the derivative at c_prev",
        "The derivative is written 1 - tanh(c_prev)**2.",
        DC,
        {"slope_c": lambda k, d: 1 - np.tanh(k.c_prev) ** 2},
    ),
    Mistake(
        "dc without the output gate",
        "dc adds da_next * (1 - tanh(c_next)**2); the factor ot is left out.",
        DC,
        {"dc": lambda k, d: d.dc_next + d.da_next * d.slope_c},
    ),
    Mistake(
        "dc counts the output twice",
        "dc_next is overwritten by dc and the term of da_next is added again.",
        DC,
        {"dc": lambda k, d: d.dc_next + 2 * d.da_next * k.ot * d.slope_c},
    ),
    Mistake(
        "do with c_next",
        "do = da_next * c_next * ot * (1 - ot): the tanh is left out.",
        "do = da_next * np.tanh(c_next) * ot * (1 - ot)",
        {"do": lambda k, d: d.da_next * k.c_next * k.ot * (1 - k.ot)},
    ),
    Mistake(
        "do with c_prev",
        "do is made with tanh(c_prev); the output gate reads the new memory.",
        "do = da_next * np.tanh(c_next) * ot * (1 - ot)",
        {"do": lambda k, d: d.da_next * np.tanh(k.c_prev) * k.ot * (1 - k.ot)},
    ),
    Mistake(
        "do from dc",
        "do is made from dc and not from da_next.",
        "do = da_next * np.tanh(c_next) * ot * (1 - ot)",
        {"do": lambda k, d: d.dc * d.tanh_c * k.ot * (1 - k.ot)},
    ),
    Mistake(
        "df with c_next",
        "dft is made with c_next; the forget gate multiplied c_prev.",
        "dft = dc * c_prev * ft * (1 - ft)",
        {"df": lambda k, d: d.dc_f * k.c_next * k.ft * (1 - k.ft)},
    ),
    Mistake(
        "df without c_prev",
        "dft leaves out the factor c_prev.",
        "dft = dc * c_prev * ft * (1 - ft)",
        {"df": lambda k, d: d.dc_f * k.ft * (1 - k.ft)},
    ),
    Mistake(
        "di with it",
        "dit is made with it where the candidate cct belongs.",
        "dit = dc * cct * it * (1 - it)",
        {"di": lambda k, d: d.dc_i * k.it * k.it * (1 - k.it)},
    ),
    Mistake(
        "di without the candidate",
        "dit leaves out the factor cct.",
        "dit = dc * cct * it * (1 - it)",
        {"di": lambda k, d: d.dc_i * k.it * (1 - k.it)},
    ),
    Mistake(
        "dc~ with cct",
        "dcct is made with cct where the update gate it belongs.",
        "dcct = dc * it * (1 - cct**2)",
        {"dcc": lambda k, d: d.dc_c * k.cct * (1 - k.cct**2)},
    ),
    Mistake(
        "dc~: the formula of the first edition",
        "The exercise's first edition printed the formula without the parentheses, and "
        "with cct * (1 - tanh(cct)**2) for the derivative of tanh.",
        "dcct = dc * it * (1 - cct**2)",
        {
            "dcc": lambda k, d: (
                d.dc_next * k.it
                + d.da_next
                * k.ot
                * d.slope_c
                * k.it
                * k.cct
                * (1 - np.tanh(k.cct) ** 2)
            )
        },
    ),
    Mistake(
        "dc~ without the update gate",
        "dcct leaves out the factor it.",
        "dcct = dc * it * (1 - cct**2)",
        {"dcc": lambda k, d: d.dc_c * (1 - k.cct**2)},
    ),
    Mistake(
        "dc_prev without the forget gate",
        "dc_prev = dc: the factor ft is left out.",
        "dc_prev = dc * ft",
        {"dc_prev": lambda k, d: d.dc},
    ),
    Mistake(
        "dc_prev with the update gate",
        "dc_prev = dc * it: the memory went through the forget gate.",
        "dc_prev = dc * ft",
        {"dc_prev": lambda k, d: d.dc * k.it},
    ),
    Mistake(
        "dc_prev with c_prev",
        "dc_prev = dc * c_prev.",
        "dc_prev = dc * ft",
        {"dc_prev": lambda k, d: d.dc * k.c_prev},
    ),
    *(_missing(gate, line) for line in ("da_prev", "dxt") for gate in "fico"),
    Mistake(
        "da_prev with the wrong rows",
        "da_prev takes the last n_a columns of the weights; [a_prev; xt] has a_prev "
        "first.",
        "W[:, :n_a].T",
        {"da_prev": _wrong_rows},
    ),
    Mistake(
        "the weights are not transposed",
        "da_prev = W[:, :n_a] @ dgate.",
        "W[:, :n_a].T @ dgate",
        {"da_prev": _untransposed},
    ),
    Mistake(
        "xt comes before a_prev",
        "The outer products use [xt; a_prev]; the forward pass used [a_prev; xt].",
        "np.concatenate((a_prev, xt), axis=0)",
        {"both": lambda k, d: np.concatenate((k.xt, k.a_prev))},
    ),
    Mistake(
        "the weights with a_next",
        "The outer products use [a_next; xt]; the gates saw a_prev.",
        "np.concatenate((a_prev, xt), axis=0)",
        {"both": lambda k, d: np.concatenate((k.a_next, k.xt))},
    ),
    *(
        _swapped(a, b, of)
        for of in ("W", "b")
        for a, b in ("fi", "fo", "io", "ic", "fc", "oc")
    ),
    *(
        _copied(f"d{of}{a}", f"d{of}{b}")
        for of in ("W", "b")
        for a, b in ("if", "fi", "ci", "oc", "oi", "of", "co", "ic")
    ),
    *(
        Mistake(
            f"db{gate} is a mean",
            f"db{gate} is averaged over the examples; it is their sum.",
            f"db{gate} = np.sum(d{gate}t, axis=1, keepdims=True)",
            {f"db{gate}": After(lambda db, k, d: db / k.xt.shape[1])},
        )
        for gate in "fico"
    ),
    *(
        Mistake(
            f"dW{gate} without the derivative of tanh(c)",
            f"dW{gate} comes from a delta that left out 1 - tanh(c_next)**2.",
            DC,
            {f"dc_{gate}": lambda k, d: d.dc_next + d.da_next * k.ot},
        )
        for gate in "fic"
    ),
    Mistake(
        "all biases are means",
        "Every bias gradient is averaged over the examples.",
        "np.sum(..., axis=1, keepdims=True)",
        {
            f"db{gate}": (
                lambda k, d, gate=gate: (
                    bias(d.dcc if gate == "c" else getattr(d, f"d{gate}"))
                    / k.xt.shape[1]
                )
            )
            for gate in "fico"
        },
    ),
)
