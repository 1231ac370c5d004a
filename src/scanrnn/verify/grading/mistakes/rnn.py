"""Mistakes inside one step of the simple recurrent network."""

from typing import Any

import numpy as np

from .catalogue import After, Mistake
from .passes import Line, sigmoid

SLOPE = "dtanh = (1 - a_next**2) * da_next"
DELTA = "use dtanh = (1 - a_next**2) * da_next in every product"


def _z(k: Any) -> Any:
    return k.Wax @ k.xt + k.Waa @ k.a_prev + k.ba


def _slope(name: str, says: str, line: Line, harmless: bool = False) -> Mistake:
    return Mistake(name, says, SLOPE, {"slope": line}, harmless=harmless)


RNN = (
    _slope(
        "the derivative is missing",
        "da_next is used as it is: the derivative of tanh is left out.",
        lambda k, d: np.ones_like(k.a_next),
    ),
    _slope(
        "the square is missing",
        "The derivative is written 1 - a_next instead of 1 - a_next**2.",
        lambda k, d: 1 - k.a_next,
    ),
    _slope(
        "the whole derivative is squared",
        "The derivative is written (1 - a_next)**2.",
        lambda k, d: (1 - k.a_next) ** 2,
    ),
    _slope(
        "the derivative has the wrong sign inside",
        "The derivative is written 1 + a_next**2.",
        lambda k, d: 1 + k.a_next**2,
    ),
    _slope(
        "the derivative is taken at a_prev",
        "The derivative is written 1 - a_prev**2; it belongs to the step's own output.",
        lambda k, d: 1 - k.a_prev**2,
    ),
    _slope(
        "tanh is applied twice",
        "The derivative is written 1 - tanh(a_next)**2, but a_next is a tanh already.",
        lambda k, d: 1 - np.tanh(k.a_next) ** 2,
    ),
    _slope(
        "the derivative is taken of z",
        "The derivative is written 1 - z**2, with z before the tanh.",
        lambda k, d: 1 - _z(k) ** 2,
    ),
    _slope(
        "the derivative of the sigmoid",
        "The derivative is written a_next (1 - a_next), which is that of the sigmoid.",
        lambda k, d: k.a_next * (1 - k.a_next),
    ),
    _slope(
        "the sigmoid of z in the derivative",
        "The derivative is written s (1 - s) with s = sigmoid(z).",
        lambda k, d: sigmoid(_z(k)) * (1 - sigmoid(_z(k))),
    ),
    _slope(
        "the derivative of the relu",
        "The derivative is written a_next > 0, which is that of relu.",
        lambda k, d: (np.asarray(k.a_next) > 0) * np.ones_like(k.a_next),
    ),
    _slope(
        "tanh instead of its derivative",
        "da_next is multiplied by a_next itself.",
        lambda k, d: k.a_next,
    ),
    _slope(
        "the square alone",
        "da_next is multiplied by a_next**2; the 1 - is lost.",
        lambda k, d: k.a_next**2,
    ),
    _slope(
        "the derivative is squared",
        "da_next is multiplied by (1 - a_next**2)**2.",
        lambda k, d: (1 - k.a_next**2) ** 2,
    ),
    _slope(
        "the derivative is negated",
        "The derivative is written a_next**2 - 1.",
        lambda k, d: k.a_next**2 - 1,
    ),
    _slope(
        "the bias is missing in the derivative",
        "z is computed again without the bias, and the derivative from it.",
        lambda k, d: 1 - np.tanh(k.Wax @ k.xt + k.Waa @ k.a_prev) ** 2,
    ),
    _slope(
        "the derivative is recomputed from z",
        "The derivative is 1 - tanh(z)**2 with z recomputed from the cache's a_prev. "
        "That form is right; it only shows that the cache's a_prev is not.",
        lambda k, d: 1 - np.tanh(_z(k)) ** 2,
        harmless=True,
    ),
    Mistake(
        "the parentheses are missing",
        "1 - a_next**2 * da_next: the product is taken before the difference.",
        "(1 - a_next**2) * da_next, with parentheses",
        {"dz": lambda k, d: 1 - k.a_next**2 * d.da_next},
    ),
    Mistake(
        "tanh of the gradient",
        "The derivative is taken of da_next: 1 - tanh(da_next)**2.",
        SLOPE,
        {"dz": lambda k, d: 1 - np.tanh(d.da_next) ** 2},
    ),
    Mistake(
        "tanh of the gradient, times the gradient",
        "The derivative is (1 - tanh(da_next)**2) * da_next.",
        SLOPE,
        {"dz": lambda k, d: (1 - np.tanh(d.da_next) ** 2) * d.da_next},
    ),
    Mistake(
        "dxt without the derivative",
        "dxt = Wax.T @ da_next: it starts from da_next and not from dtanh.",
        "dxt = Wax.T @ dtanh",
        {"dxt": lambda k, d: k.Wax.T @ d.da_next},
    ),
    Mistake(
        "da_prev without the derivative",
        "da_prev = Waa.T @ da_next: it starts from da_next and not from dtanh.",
        "da_prev = Waa.T @ dtanh",
        {"da_prev": lambda k, d: k.Waa.T @ d.da_next},
    ),
    Mistake(
        "Waa is not transposed",
        "da_prev = Waa @ dtanh.",
        "da_prev = Waa.T @ dtanh",
        {"da_prev": lambda k, d: k.Waa @ d.dz},
    ),
    Mistake(
        "Waa is left out",
        "da_prev = dtanh: the gradient is handed on without the weights.",
        "da_prev = Waa.T @ dtanh",
        {"da_prev": lambda k, d: d.dz},
    ),
    Mistake(
        "the gradient bypasses the step",
        "da_prev = Waa.T @ dtanh + da_next: there is no direct path in this cell.",
        "da_prev = Waa.T @ dtanh",
        {"da_prev": lambda k, d: k.Waa.T @ d.dz + d.da_next},
    ),
    Mistake(
        "da_prev with the derivative of the step before",
        "da_prev is multiplied by 1 - a_prev**2, which the next visit does again.",
        "da_prev = Waa.T @ dtanh",
        {"da_prev": lambda k, d: (k.Waa.T @ d.dz) * (1 - k.a_prev**2)},
    ),
    Mistake(
        "da_prev has the wrong sign",
        "da_prev = -Waa.T @ dtanh.",
        "da_prev = Waa.T @ dtanh",
        {"da_prev": lambda k, d: -k.Waa.T @ d.dz},
    ),
    Mistake(
        "Wax is not transposed",
        "dxt = Wax @ dtanh, which fits only where n_x = n_a.",
        "dxt = Wax.T @ dtanh",
        {"dxt": lambda k, d: k.Wax @ d.dz},
    ),
    Mistake(
        "dWax without the derivative",
        "dWax = da_next @ xt.T.",
        "dWax = dtanh @ xt.T",
        {"dWax": lambda k, d: d.da_next @ k.xt.T},
    ),
    Mistake(
        "dWaa without the derivative",
        "dWaa = da_next @ a_prev.T.",
        "dWaa = dtanh @ a_prev.T",
        {"dWaa": lambda k, d: d.da_next @ k.a_prev.T},
    ),
    Mistake(
        "dba without the derivative",
        "dba = sum of da_next.",
        "dba = np.sum(dtanh, axis=1, keepdims=True)",
        {"dba": lambda k, d: d.da_next.sum(axis=1, keepdims=True)},
    ),
    Mistake(
        "all weights without the derivative",
        "dWax, dWaa and dba are made from da_next; only dxt and da_prev use dtanh.",
        DELTA,
        {
            "dWax": lambda k, d: d.da_next @ k.xt.T,
            "dWaa": lambda k, d: d.da_next @ k.a_prev.T,
            "dba": lambda k, d: d.da_next.sum(axis=1, keepdims=True),
        },
    ),
    Mistake(
        "dWaa with a_next",
        "dWaa = dtanh @ a_next.T: Waa was multiplied by a_prev.",
        "dWaa = dtanh @ a_prev.T",
        {"dWaa": lambda k, d: d.dz @ k.a_next.T},
    ),
    Mistake(
        "dWaa is transposed",
        "dWaa = a_prev @ dtanh.T: the operands of the outer product are swapped.",
        "dWaa = dtanh @ a_prev.T",
        {"dWaa": lambda k, d: k.a_prev @ d.dz.T},
    ),
    Mistake(
        "dWaa with itself",
        "dWaa = dtanh @ dtanh.T.",
        "dWaa = dtanh @ a_prev.T",
        {"dWaa": lambda k, d: d.dz @ d.dz.T},
    ),
    Mistake(
        "dWaa with da_prev",
        "dWaa = dtanh @ da_prev.T: a gradient stands where the state belongs.",
        "dWaa = dtanh @ a_prev.T",
        {"dWaa": lambda k, d: d.dz @ d.da_prev.T},
    ),
    Mistake(
        "dWax is transposed",
        "dWax = xt @ dtanh.T, which fits only where n_x = n_a.",
        "dWax = dtanh @ xt.T",
        {"dWax": lambda k, d: k.xt @ d.dz.T},
    ),
    Mistake(
        "dWax with the state",
        "dWax = dtanh @ a_prev.T, which fits only where n_x = n_a.",
        "dWax = dtanh @ xt.T",
        {"dWax": lambda k, d: d.dz @ k.a_prev.T},
    ),
    Mistake(
        "dba is a mean",
        "The bias gradient is averaged over the examples; it is their sum.",
        "dba = np.sum(dtanh, axis=1, keepdims=True)",
        {"dba": lambda k, d: d.dz.mean(axis=1, keepdims=True)},
    ),
    Mistake(
        "dba of the first example",
        "The bias gradient takes one example; it is the sum over all.",
        "dba = np.sum(dtanh, axis=1, keepdims=True)",
        {"dba": lambda k, d: d.dz[:, :1]},
    ),
    Mistake(
        "dba of the last example",
        "The bias gradient takes the last example; it is the sum over all.",
        "dba = np.sum(dtanh, axis=1, keepdims=True)",
        {"dba": lambda k, d: d.dz[:, -1:]},
    ),
    Mistake(
        "dba is summed over everything",
        "np.sum(dtanh) without an axis gives one number for all units.",
        "dba = np.sum(dtanh, axis=1, keepdims=True)",
        {"dba": lambda k, d: d.dz.sum() + 0 * k.ba},
    ),
    Mistake(
        "dba is summed over the units",
        "The bias gradient is summed over axis 0 and not over the examples.",
        "dba = np.sum(dtanh, axis=1, keepdims=True)",
        {"dba": lambda k, d: d.dz.sum(axis=0, keepdims=True).T},
    ),
    Mistake(
        "dba is doubled",
        "The bias gradient counts twice, as for a network with two biases.",
        "dba = np.sum(dtanh, axis=1, keepdims=True)",
        {"dba": After(lambda dba, k, d: 2 * dba)},
    ),
    Mistake(
        "dba is zero",
        "The bias gradient is never added up.",
        "dba += np.sum(dtanh, axis=1, keepdims=True)",
        {"dba": After(lambda dba, k, d: 0 * dba)},
    ),
    Mistake(
        "dWaa is divided by the examples",
        "dWaa = (dtanh @ a_prev.T) / m.",
        "dWaa = dtanh @ a_prev.T",
        {"dWaa": After(lambda dw, k, d: dw / k.xt.shape[1])},
    ),
    Mistake(
        "dWax is divided by the examples",
        "dWax = (dtanh @ xt.T) / m.",
        "dWax = dtanh @ xt.T",
        {"dWax": After(lambda dw, k, d: dw / k.xt.shape[1])},
    ),
    Mistake(
        "the sum of the bias is divided and the weights are not",
        "dba is divided by m n_a: np.mean without an axis.",
        "dba = np.sum(dtanh, axis=1, keepdims=True)",
        {"dba": lambda k, d: d.dz.mean() + 0 * k.ba},
    ),
)
