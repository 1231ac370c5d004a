"""Right backward passes in many forms; a checker must not reject one of them."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from scanrnn.verify.grading.cases import Case, Sizes, generic

Function = Callable[..., Any]


def rnn(slope: Function, deferred: bool = False, order: str = "C") -> Function:
    """rnn_backward with a form of the derivative, a summation order and a storage."""

    def rnn_backward(da: Any, caches: Any) -> dict[str, Any]:
        steps, x = caches
        n_a, m, count = da.shape
        dx = np.zeros((x.shape[0], m, count), da.dtype, order=order)
        carry = np.zeros((n_a, m), da.dtype)
        deltas = []
        for t in reversed(range(count)):
            a_next, a_prev, xt, p = steps[t]
            dz = slope(a_next, a_prev, xt, p) * (carry + da[:, :, t])
            dx[:, :, t] = (dz.T @ p["Wax"]).T
            carry = np.asarray(p["Waa"].T @ dz, order=order)
            deltas.append((dz, xt, a_prev))
        if deferred:
            dz, x_all, prev = (np.stack(part, -1) for part in zip(*deltas, strict=True))
            return {
                "dx": dx,
                "da0": carry,
                "dWax": np.einsum("amt,xmt->ax", dz, x_all),
                "dWaa": np.tensordot(dz, prev, ((1, 2), (1, 2))),
                "dba": dz.sum(axis=(1, 2))[:, None],
            }
        dWax = sum(dz @ xt.T for dz, xt, _ in deltas[::-1])
        dWaa = sum((prev @ dz.T).T for dz, _, prev in deltas)
        dba = sum(dz @ np.ones((m, 1), da.dtype) for dz, _, _ in deltas)
        return {"dx": dx, "da0": carry, "dWax": dWax, "dWaa": dWaa, "dba": dba}

    return rnn_backward


def _z(a_prev: Any, xt: Any, p: Any) -> Any:
    return p["Waa"] @ a_prev + (p["Wax"] @ xt + p["ba"])


SLOPES: dict[str, Function] = {
    "1 - a**2": lambda a, *_: 1 - a**2,
    "(1 - a)(1 + a)": lambda a, *_: (1 - a) * (1 + a),
    "1 - tanh(z)**2": lambda a, *rest: 1 - np.tanh(_z(*rest)) ** 2,
    "1 / cosh(z)**2": lambda a, *rest: 1 / np.cosh(_z(*rest)) ** 2,
}


def lstm(form: int) -> Function:
    """lstm_backward: products multiplied out, other slopes, fused weights."""

    def lstm_backward(da: Any, caches: Any) -> dict[str, Any]:
        steps, x = caches
        n_a, m, count = da.shape
        dx = np.zeros((x.shape[0], m, count), da.dtype)
        d_a, d_c = np.zeros((2, n_a, m), da.dtype)
        total: dict[str, Any] = {}
        for t in reversed(range(count)):
            _, c, a_prev, c_prev, f, i, g, o, xt, p = steps[t]
            d_a = d_a + da[:, :, t]
            tanh_c = np.tanh(c)
            if form == 0:
                dc = d_c + d_a * o * (1 - tanh_c**2)
                di, dg = dc * g * i * (1 - i), dc * i * (1 - g**2)
                df = dc * c_prev * f * (1 - f)
                do = d_a * tanh_c * o * (1 - o)
            else:
                by_a = o - o * tanh_c * tanh_c
                dc = d_a * by_a + d_c
                di = dc * (g * (i - i * i))
                dg = d_c * i * (1 - g) * (1 + g) + d_a * by_a * i * (1 - g * g)
                df, do = (f - f * f) * c_prev * dc, (o - o * o) * (tanh_c * d_a)
            fused = np.concatenate([p[f"W{gate}"] for gate in "fico"])
            delta = np.concatenate((df, di, dg, do))
            both = fused.T @ delta
            d_a, dx[:, :, t], d_c = both[:n_a], both[n_a:], dc * f
            outer = delta @ np.concatenate((a_prev, xt)).T
            bias = delta.sum(axis=1, keepdims=True)
            for k, gate in enumerate("fico"):
                rows = slice(k * n_a, (k + 1) * n_a)
                for name, value in ((f"dW{gate}", outer), (f"db{gate}", bias)):
                    total[name] = total.get(name, 0) + value[rows]
        return {"dx": dx, "da0": d_a} | total

    return lstm_backward


FORMS: dict[str, tuple[str, Function]] = {
    f"rnn {name}, {'deferred' if late else 'loop'}, order {order}": (
        "rnn_backward",
        rnn(slope, late, order),
    )
    for name, slope in SLOPES.items()
    for late in (False, True)
    for order in "CF"
} | {f"lstm form {form}": ("lstm_backward", lstm(form)) for form in (0, 1)}


def trials(number: int, seed: int) -> Iterator[tuple[str, Function, Case, Any]]:
    """Random forms on random sizes, dtypes and scales."""
    rng = np.random.default_rng(seed)
    names = list(FORMS)
    for _ in range(number):
        name = names[rng.integers(len(names))]
        like, function = FORMS[name]
        sizes = Sizes(
            n_x=int(rng.integers(1, 8)),
            n_a=int(rng.choice([1, 2, 5, 16])),
            m=int(rng.choice([1, 3, 10])),
            steps=int(rng.choice([1, 2, 7, 30])),
        )
        dtype = rng.choice([np.float64, np.float32])
        scale = float(rng.choice([1e-6, 1e-2, 1.0, 5.0, 30.0]))
        case = generic(like, sizes, int(rng.integers(1 << 30)), dtype, scale)
        yield f"{name}, {np.dtype(dtype)}, scale {scale:g}", function, case, dtype
