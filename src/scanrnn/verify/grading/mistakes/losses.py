"""The way from the loss into the states: its right pass and its mistakes.

With logits l = Wya a + by and p = softmax(l), and the loss the mean of −log p[label]
over m examples and T steps::

    dl = (p − y) / (m T)      dWya = Σₜ dl aᵀ      dby = Σ dl      da = Wyaᵀ dl
"""

from types import SimpleNamespace
from typing import Any

import numpy as np

from ...rounding import Floats
from .catalogue import After, Mistake
from .passes import Line, Lines, evaluate, softmax


def _count(k: Any) -> int:
    return int(k.a.shape[1] * k.a.shape[2])


READOUT: Lines = {
    "logits": lambda k, d: np.einsum("ya,amt->ymt", k.Wya, k.a) + k.by[:, :, None],
    "p": lambda k, d: softmax(d.logits),
    "dl": lambda k, d: (d.p - k.y) / _count(k),
    "dWya": lambda k, d: np.einsum("ymt,amt->ya", d.dl, k.a),
    "dby": lambda k, d: d.dl.sum(axis=(1, 2))[:, None],
    "da": lambda k, d: np.einsum("ya,ymt->amt", k.Wya, d.dl),
}
LEAVES = ("da", "dWya", "dby")


def readout_backward(lines: Lines, inputs: dict[str, Any]) -> dict[str, Floats]:
    """da, dWya and dby from a (n_a, m, T), Wya, by and one-hot y (n_y, m, T)."""
    chosen = {name: lines.get(name, line) for name, line in READOUT.items()}
    d = evaluate(chosen, SimpleNamespace(**inputs), SimpleNamespace())
    return {leaf: getattr(d, leaf) for leaf in LEAVES}


def _dl(name: str, says: str, line: Line | After) -> Mistake:
    return Mistake(f"loss: {name}", says, "dl = (softmax(l) - y) / (m T)", {"dl": line})


LOSSES = (
    _dl(
        "the label is not subtracted",
        "dl = p / (m T): the one-hot label is missing.",
        lambda k, d: d.p / _count(k),
    ),
    _dl(
        "the wrong sign",
        "dl = (y - p) / (m T).",
        lambda k, d: (k.y - d.p) / _count(k),
    ),
    _dl(
        "not divided at all",
        "dl = p - y, but the loss is a mean over examples and steps.",
        lambda k, d: d.p - k.y,
    ),
    _dl(
        "not divided by the steps",
        "dl = (p - y) / m; the loss is a mean over the steps too.",
        lambda k, d: (d.p - k.y) / k.a.shape[1],
    ),
    _dl(
        "not divided by the examples",
        "dl = (p - y) / T; the loss is a mean over the examples too.",
        lambda k, d: (d.p - k.y) / k.a.shape[2],
    ),
    _dl(
        "divided twice",
        "dl is divided by m T once more.",
        After(lambda dl, k, d: dl / _count(k)),
    ),
    _dl(
        "divided by the classes",
        "dl is divided by n_y.",
        After(lambda dl, k, d: dl / k.y.shape[0]),
    ),
    _dl(
        "the derivative of the sigmoid as well",
        "dl = (p - y) p (1 - p) / (m T): the softmax's derivative is in p - y already.",
        After(lambda dl, k, d: dl * d.p * (1 - d.p)),
    ),
    _dl(
        "the derivative with respect to p",
        "dl = -y / p / (m T), which is dL/dp and not dL/dl.",
        lambda k, d: -k.y / d.p / _count(k),
    ),
    _dl(
        "the label of the next step",
        "Step t is compared with the label of step t + 1.",
        lambda k, d: (d.p - np.roll(k.y, -1, 2)) / _count(k),
    ),
    _dl(
        "the last step alone",
        "Only the last step's loss is differentiated.",
        After(lambda dl, k, d: dl * (np.arange(k.a.shape[2]) == k.a.shape[2] - 1)),
    ),
    _dl(
        "the derivative of softmax comes twice",
        "p - y has been through softmax already; its Jacobian is applied again.",
        After(lambda dl, k, d: d.p * (dl - (d.p * dl).sum(axis=0, keepdims=True))),
    ),
    Mistake(
        "loss: dWya is divided by the examples again",
        "dWya is divided by m once more; dl has the 1 / (m T).",
        "dWya = sum of dl aT",
        {"dWya": After(lambda dw, k, d: dw / k.a.shape[1])},
    ),
    Mistake(
        "loss: dWya keeps the last step",
        "dWya = instead of dWya +=, so one step remains.",
        "add up over the steps",
        {"dWya": lambda k, d: d.dl[:, :, -1] @ k.a[:, :, -1].T},
    ),
    Mistake(
        "loss: dWya with the state before",
        "dWya uses a of step t - 1.",
        "dWya = sum of dl<t> a<t>T",
        {"dWya": lambda k, d: np.einsum("ymt,amt->ya", d.dl, np.roll(k.a, 1, 2))},
    ),
    Mistake(
        "loss: dby is a mean",
        "dby is averaged over steps and examples.",
        "dby = sum of dl over both",
        {"dby": lambda k, d: d.dl.mean(axis=(1, 2))[:, None]},
    ),
    Mistake(
        "loss: dby keeps the last step",
        "dby = instead of dby +=.",
        "add up over the steps",
        {"dby": lambda k, d: d.dl[:, :, -1].sum(axis=1)[:, None]},
    ),
    Mistake(
        "loss: softmax over the examples",
        "The softmax is normalised over the examples.",
        "normalise over the classes, axis 0",
        {"p": lambda k, d: np.exp(d.logits) / np.exp(d.logits).sum(1, keepdims=True)},
    ),
    Mistake(
        "loss: da at the last step alone",
        "The loss reaches the states at the last step only.",
        "da[:, :, t] = Wya.T dl[:, :, t] at every step",
        {
            "da": After(
                lambda da, k, d: da * (np.arange(da.shape[2]) == da.shape[2] - 1)
            )
        },
    ),
)
