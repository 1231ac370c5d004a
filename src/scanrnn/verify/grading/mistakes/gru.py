"""Mistakes inside one step of the gated recurrent unit, reset before the product."""

import numpy as np

from .catalogue import After, Mistake
from .passes import cols, rows

DIRECT = "da_prev = da_next * zt + dk * rt + Wr.T dr + Wz.T dz"


def _drop(name: str, line: str, says: str) -> Mistake:
    return Mistake(name, says, DIRECT, {line: lambda k, d: np.zeros_like(k.a_prev)})


GRU = (
    _drop(
        "the direct path is missing",
        "direct",
        "da_prev leaves out da_next * zt: what the update gate let through unchanged.",
    ),
    _drop(
        "the path through the reset is missing",
        "by_reset",
        "da_prev leaves out dk * rt, the path through r * a_prev into the candidate.",
    ),
    _drop(
        "the path through the gates is missing",
        "by_gates",
        "da_prev leaves out Wr.T dr + Wz.T dz.",
    ),
    Mistake(
        "the path through the reset gate is missing",
        "da_prev leaves out Wr.T dr.",
        DIRECT,
        {"by_gates": lambda k, d: rows(k.Wz, k).T @ d.dz},
    ),
    Mistake(
        "the path through the update gate is missing",
        "da_prev leaves out Wz.T dz.",
        DIRECT,
        {"by_gates": lambda k, d: rows(k.Wr, k).T @ d.dr},
    ),
    Mistake(
        "the direct path with 1 - z",
        "da_prev takes da_next * (1 - zt); here z keeps the old state.",
        DIRECT,
        {"direct": lambda k, d: d.da_next * (1 - k.zt)},
    ),
    Mistake(
        "the direct path without the gate",
        "da_prev takes da_next as it is.",
        DIRECT,
        {"direct": lambda k, d: d.da_next},
    ),
    Mistake(
        "dk reaches a_prev without the reset",
        "da_prev takes dk and not dk * rt.",
        DIRECT,
        {"by_reset": lambda k, d: d.dk},
    ),
    Mistake(
        "dn with z",
        "dn = da_next * zt * (1 - nt**2): the candidate is weighted by 1 - z.",
        "dn = da_next * (1 - zt) * (1 - nt**2)",
        {"dn": lambda k, d: d.da_next * k.zt * (1 - k.nt**2)},
    ),
    Mistake(
        "dn without the gate",
        "dn = da_next * (1 - nt**2).",
        "dn = da_next * (1 - zt) * (1 - nt**2)",
        {"dn": lambda k, d: d.da_next * (1 - k.nt**2)},
    ),
    Mistake(
        "dn: no derivative",
        "dn leaves out 1 - nt**2.",
        "dn = da_next * (1 - zt) * (1 - nt**2)",
        {"dn": lambda k, d: d.da_next * (1 - k.zt)},
    ),
    Mistake(
        "dn: the derivative of the sigmoid",
        "dn uses nt (1 - nt); the candidate is a tanh.",
        "dn = da_next * (1 - zt) * (1 - nt**2)",
        {"dn": lambda k, d: d.da_next * (1 - k.zt) * k.nt * (1 - k.nt)},
    ),
    Mistake(
        "dz has the wrong sign",
        "dz = da_next * (nt - a_prev) ...: the difference is the wrong way round.",
        "dz = da_next * (a_prev - nt) * zt * (1 - zt)",
        {"dz": After(lambda dz, k, d: -dz)},
    ),
    Mistake(
        "dz without the candidate",
        "dz = da_next * a_prev * zt * (1 - zt): z also weighs the candidate.",
        "dz = da_next * (a_prev - nt) * zt * (1 - zt)",
        {"dz": lambda k, d: d.da_next * k.a_prev * k.zt * (1 - k.zt)},
    ),
    Mistake(
        "dz without a_prev",
        "dz = -da_next * nt * zt * (1 - zt): z also keeps the old state.",
        "dz = da_next * (a_prev - nt) * zt * (1 - zt)",
        {"dz": lambda k, d: -d.da_next * k.nt * k.zt * (1 - k.zt)},
    ),
    Mistake(
        "dz: no derivative",
        "dz leaves out zt * (1 - zt).",
        "dz = da_next * (a_prev - nt) * zt * (1 - zt)",
        {"dz": lambda k, d: d.da_next * (k.a_prev - k.nt)},
    ),
    Mistake(
        "dz: the derivative of tanh",
        "dz uses 1 - zt**2; the update gate is a sigmoid.",
        "dz = da_next * (a_prev - nt) * zt * (1 - zt)",
        {"dz": lambda k, d: d.da_next * (k.a_prev - k.nt) * (1 - k.zt**2)},
    ),
    Mistake(
        "dz with a_next",
        "dz = da_next * (a_next - nt) ...: the gate weighs the old state.",
        "dz = da_next * (a_prev - nt) * zt * (1 - zt)",
        {"dz": lambda k, d: d.da_next * (k.a_next - k.nt) * k.zt * (1 - k.zt)},
    ),
    Mistake(
        "dr without a_prev",
        "dr = dk * rt * (1 - rt): the reset multiplied a_prev.",
        "dr = dk * a_prev * rt * (1 - rt)",
        {"dr": lambda k, d: d.dk * k.rt * (1 - k.rt)},
    ),
    Mistake(
        "dr: no derivative",
        "dr leaves out rt * (1 - rt).",
        "dr = dk * a_prev * rt * (1 - rt)",
        {"dr": lambda k, d: d.dk * k.a_prev},
    ),
    Mistake(
        "dr: the derivative of tanh",
        "dr uses 1 - rt**2; the reset gate is a sigmoid.",
        "dr = dk * a_prev * rt * (1 - rt)",
        {"dr": lambda k, d: d.dk * k.a_prev * (1 - k.rt**2)},
    ),
    Mistake(
        "dr without the weights",
        "dr comes from dn directly, not through Wn.T.",
        "dr = (Wn.T dn) * a_prev * rt * (1 - rt)",
        {"dr": lambda k, d: d.dn * k.a_prev * k.rt * (1 - k.rt)},
    ),
    Mistake(
        "Wn is not transposed",
        "dk = Wn dn.",
        "dk = Wn.T dn",
        {"dk": lambda k, d: rows(k.Wn, k) @ d.dn},
    ),
    Mistake(
        "dWn with a_prev",
        "dWn uses [a_prev; xt]; the candidate saw [r * a_prev; xt].",
        "dWn = dn @ [rt * a_prev; xt].T",
        {"both_n": lambda k, d: d.both},
    ),
    Mistake(
        "the weights with a_next",
        "dWr and dWz use [a_next; xt]; the gates saw a_prev.",
        "np.concatenate((a_prev, xt), axis=0)",
        {"both": lambda k, d: np.concatenate((k.a_next, k.xt))},
    ),
    Mistake(
        "the reset after the product",
        "dr and da_prev are those of the other form, n = tanh(x W + r * (h W)).",
        "the form of your forward pass: dk = Wn.T dn, dr = dk * a_prev * rt (1 - rt)",
        {
            "dr": lambda k, d: d.dn * (rows(k.Wn, k) @ k.a_prev) * k.rt * (1 - k.rt),
            "by_reset": lambda k, d: rows(k.Wn, k).T @ (d.dn * k.rt),
        },
    ),
    Mistake(
        "the reset on the other side of Wn",
        "da_prev has Wn.T (rt * dn); the reset multiplied a_prev, before Wn.",
        "da_prev has (Wn.T dn) * rt",
        {"by_reset": lambda k, d: rows(k.Wn, k).T @ (d.dn * k.rt)},
    ),
    Mistake(
        "dr with Wn not turned back",
        "dr is dn times Wn a_prev, as if the reset came after the product.",
        "dk = Wn.T dn, dr = dk * a_prev * rt * (1 - rt)",
        {"dr": lambda k, d: d.dn * (rows(k.Wn, k) @ k.a_prev) * k.rt * (1 - k.rt)},
    ),
    Mistake(
        "the reset after the product, in dWn as well",
        "dr, da_prev and dWn are those of the other form, n = tanh(x W + r * (h W)).",
        "the form of your forward pass: dk = Wn.T dn, dr = dk * a_prev * rt (1 - rt)",
        {
            "dr": lambda k, d: d.dn * (rows(k.Wn, k) @ k.a_prev) * k.rt * (1 - k.rt),
            "by_reset": lambda k, d: rows(k.Wn, k).T @ (d.dn * k.rt),
            "dWn": lambda k, d: np.concatenate(
                ((d.dn * k.rt) @ k.a_prev.T, d.dn @ k.xt.T), axis=1
            ),
        },
    ),
    Mistake(
        "dWr and dWz are exchanged",
        "The gradients of the reset and the update gate change places.",
        "keep one order of the gates",
        {
            "dWr": lambda k, d: d.dz @ d.both.T,
            "dWz": lambda k, d: d.dr @ d.both.T,
        },
    ),
    Mistake(
        "dbr and dbz are exchanged",
        "The bias gradients of the reset and the update gate change places.",
        "keep one order of the gates",
        {
            "dbr": lambda k, d: d.dz.sum(axis=1, keepdims=True),
            "dbz": lambda k, d: d.dr.sum(axis=1, keepdims=True),
        },
    ),
    *(
        Mistake(
            f"dxt without the {name} gate",
            f"dxt leaves out the {name} gate.",
            "dxt = Wr_x.T dr + Wz_x.T dz + Wn_x.T dn",
            {
                "dxt": After(
                    lambda dx, k, d, g=gate: (
                        dx - cols(getattr(k, f"W{g}"), k).T @ getattr(d, f"d{g}")
                    )
                )
            },
        )
        for gate, name in (("r", "reset"), ("z", "update"), ("n", "candidate"))
    ),
    *(
        Mistake(
            f"db{gate} is a mean",
            f"db{gate} is averaged over the examples; it is their sum.",
            f"db{gate} = np.sum(d{gate}, axis=1, keepdims=True)",
            {f"db{gate}": After(lambda db, k, d: db / k.xt.shape[1])},
        )
        for gate in "rzn"
    ),
)
