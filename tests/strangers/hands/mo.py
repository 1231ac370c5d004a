"""Mo writes the forward pass of the GRU, and his way back trusts what he stored."""

from types import SimpleNamespace as Tape

import numpy as np

from strangers.made import right, wrong


def sigmoid(v):
    return 0.5 * (1 + np.tanh(0.5 * v))


def gru_step(x, h, W, U, b):
    k = h.shape[1]
    Wr, Wz, Wn = np.split(W, 3, axis=1)
    Ur, Uz, Un = np.split(U, 3, axis=1)
    br, bz, bn = b[:k], b[k : 2 * k], b[2 * k :]
    r = sigmoid(x @ Wr + h @ Ur + br)
    z = sigmoid(x @ Wz + h @ Uz + bz)
    n = np.tanh(x @ Wn + (r * h) @ Un + bn)
    return n + z * (h - n), Tape(x=x, h=h, r=r, z=z, n=n, W=W, U=U)


def forward(x, h0, W, U, b, step=gru_step):
    T = x.shape[1]
    H = np.zeros((T + 1, *h0.shape))
    H[0] = h0
    tapes = []
    for t in range(T):
        H[t + 1], tape = step(x[:, t], H[t], W, U, b)
        tapes.append(tape)
    return H[1:].transpose(1, 0, 2), tapes


def back_step(g, t):
    Ur, Uz, Un = np.split(t.U, 3, axis=1)
    d_n = g * (1 - t.z) * (1 - t.n * t.n)
    d_z = g * (t.h - t.n) * t.z * (1 - t.z)
    gated = d_n @ Un.T
    d_r = gated * t.h * t.r * (1 - t.r)
    d = np.hstack((d_r, d_z, d_n))
    d_h = g * t.z + gated * t.r + d_r @ Ur.T + d_z @ Uz.T
    d_U = np.hstack((t.h.T @ d[:, : -t.h.shape[1]], (t.h * t.r).T @ d_n))
    return d @ t.W.T, d_h, t.x.T @ d, d_U, d.sum(0)


def backward(dh, tapes):
    carry, dxs, sums = 0, [], None
    for t in reversed(range(dh.shape[1])):
        dx, carry, *rest = back_step(dh[:, t] + carry, tapes[t])
        dxs.append(dx)
        sums = (
            rest if sums is None else [a + b for a, b in zip(sums, rest, strict=True)]
        )
    return (np.stack(dxs[::-1], axis=1), carry, *sums)


right_step = right(
    "gru_cell_backward", "weights split by name", convention="ntd", forward=gru_step
)(back_step)
right_sequence = right(
    "gru_backward", "weights split by name", convention="ntd", forward=forward
)(backward)


def with_step(cause, story, cell, **more):
    """His loop around another step forward; the way back is the right one's form."""

    def gru_forward(x, h0, W, U, b):
        return forward(x, h0, W, U, b, cell)

    more = {"convention": "ntd", "forward": gru_forward} | more
    return wrong("gru_backward", cause, story, **more)(backward)


def renewed(x, h, W, U, b):
    out, tape = gru_step(x, h, W, U, b)
    return h + tape.z * (tape.n - h), tape


z_renews = with_step(
    "forward: h = (1 - z) h + z n, the other form, while the way back has z keep",
    "z and 1 - z",
    renewed,
)


def not_reset(x, h, W, U, b):
    k = h.shape[1]
    Wr, Wz, Wn = np.split(W, 3, axis=1)
    Ur, Uz, Un = np.split(U, 3, axis=1)
    r = sigmoid(x @ Wr + h @ Ur + b[:k])
    z = sigmoid(x @ Wz + h @ Uz + b[k : 2 * k])
    n = np.tanh(x @ Wn + h @ Un + b[2 * k :])
    return n + z * (h - n), Tape(x=x, h=h, r=r, z=z, n=n, W=W, U=U)


no_reset_forward = with_step(
    "forward: the candidate is made from h, without the reset gate",
    "no reset",
    not_reset,
)


def reset_late(x, h, W, U, b):
    k = h.shape[1]
    Wr, Wz, Wn = np.split(W, 3, axis=1)
    Ur, Uz, Un = np.split(U, 3, axis=1)
    r = sigmoid(x @ Wr + h @ Ur + b[:k])
    z = sigmoid(x @ Wz + h @ Uz + b[k : 2 * k])
    n = np.tanh(x @ Wn + r * (h @ Un) + b[2 * k :])
    return n + z * (h - n), Tape(x=x, h=h, r=r, z=z, n=n, W=W, U=U)


reset_after_forward = with_step(
    "forward: the reset gate is applied after the product, the way back has it before",
    "r indexed wrongly",
    reset_late,
)


def columns_zrn(x, h, W, U, b):
    k = h.shape[1]
    Wz, Wr, Wn = np.split(W, 3, axis=1)
    Uz, Ur, Un = np.split(U, 3, axis=1)
    r = sigmoid(x @ Wr + h @ Ur + b[k : 2 * k])
    z = sigmoid(x @ Wz + h @ Uz + b[:k])
    n = np.tanh(x @ Wn + (r * h) @ Un + b[2 * k :])
    return n + z * (h - n), Tape(x=x, h=h, r=r, z=z, n=n, W=W, U=U)


order_forward = with_step(
    "forward: the columns are read as z, r, n; the way back writes r, z, n",
    "wrong gate order, from memory",
    columns_zrn,
)


def keeps_new(x, h, W, U, b):
    out, tape = gru_step(x, h, W, U, b)
    return out, Tape(**(vars(tape) | {"h": out}))


new_state_stored = with_step(
    "the tape holds the new state where the way back expects the one before",
    "off by one",
    keeps_new,
    step=-1,
    tags="caches",
)


def keeps_pre(x, h, W, U, b):
    out, tape = gru_step(x, h, W, U, b)
    return out, Tape(**(vars(tape) | {"n": np.arctanh(tape.n)}))


pre_activation_stored = with_step(
    "the tape holds the pre-activation of n instead of n",
    "tanh for o",
    keeps_pre,
    step=-1,
    tags="caches",
)


def buffered(x, h0, W, U, b):
    """One array for the state, written in every step, and kept in every tape."""
    state, outs, tapes = h0.copy(), [], []
    for t in range(x.shape[1]):
        out, tape = gru_step(x[:, t], state.copy(), W, U, b)
        tape.h = state
        state[...] = out
        outs.append(out)
        tapes.append(tape)
    return np.stack(outs, axis=1), tapes


state_buffer = wrong(
    "gru_backward",
    "all tapes hold one array as the state before; at the end it is the last state",
    "one array",
    convention="ntd",
    forward=buffered,
    step=-1,
    tags="view",
)(backward)


@wrong(
    "gru_backward",
    "dh0 is not returned but the gradient of the first state",
    "off by one",
    convention="ntd",
    forward=forward,
    step={"dh0": 0},
)
def gradient_of_the_first_state(dh, tapes):
    carry, dxs, sums = 0, [], [0, 0, 0]
    for t in reversed(range(dh.shape[1])):
        before = dh[:, t] + carry
        dx, carry, *rest = back_step(before, tapes[t])
        dxs.insert(0, dx)
        sums = [a + b for a, b in zip(sums, rest, strict=True)]
    return (np.stack(dxs, axis=1), before, *sums)


@wrong(
    "gru_backward",
    "time runs forwards, and dx is turned round as if it had run backwards",
    "two slips in one evening, from memory",
    convention="ntd",
    forward=forward,
    step=-1,
    tags="double time",
)
def forwards_and_turned(dh, tapes):
    carry, dxs, sums = 0, [], [0, 0, 0]
    for t in range(dh.shape[1]):
        dx, carry, *rest = back_step(dh[:, t] + carry, tapes[t])
        dxs.append(dx)
        sums = [a + b for a, b in zip(sums, rest, strict=True)]
    return (np.stack(dxs[::-1], axis=1), carry, *sums)
