"""Iris does the LSTM of the other course: gates i, f, o, g in the columns."""

import numpy as np

from strangers.made import right, wrong


def sig(z):
    return np.where(
        z >= 0, 1 / (1 + np.exp(-np.abs(z))), 1 - 1 / (1 + np.exp(-np.abs(z)))
    )


def step_forward(x, h, c, Wx, Wh, b):
    H = h.shape[1]
    A = x @ Wx + h @ Wh + b
    i, f, o, g = (
        sig(A[:, :H]),
        sig(A[:, H : 2 * H]),
        sig(A[:, 2 * H : 3 * H]),
        A[:, 3 * H :],
    )
    g = np.tanh(g)
    nc = f * c + i * g
    nh = o * np.tanh(nc)
    return (
        nh,
        nc,
        {"x": x, "h": h, "c": c, "Wx": Wx, "Wh": Wh, "gates": (i, f, o, g), "nc": nc},
    )


def step_backward(dnh, dnc, k, order="ifog"):
    i, f, o, g = k["gates"]
    t = np.tanh(k["nc"])
    dc = dnc + dnh * o * (1 - t * t)
    d = {
        "i": dc * g * i * (1 - i),
        "f": dc * k["c"] * f * (1 - f),
        "o": dnh * t * o * (1 - o),
        "g": dc * i * (1 - g * g),
    }
    dA = np.hstack([d[name] for name in order])
    return (
        dA @ k["Wx"].T,
        dA @ k["Wh"].T,
        dc * f,
        k["x"].T @ dA,
        k["h"].T @ dA,
        dA.sum(0),
    )


def forward(x, h0, Wx, Wh, b):
    h, c, out, caches = h0, np.zeros_like(h0), [], []
    for t in range(x.shape[1]):
        h, c, k = step_forward(x[:, t], h, c, Wx, Wh, b)
        out.append(h)
        caches.append(k)
    return np.stack(out, 1), caches


right_step = right(
    "lstm_cell_backward",
    "(N, D), gates i, f, o, g in the columns",
    convention="ntd",
    forward=step_forward,
)(lambda dnh, dnc, k: step_backward(dnh, dnc, k))


def backward(dh, caches, step=step_backward):
    N, T, H = dh.shape
    dx, grads = [], (0, 0, 0)
    ch = cc = np.zeros((N, H))
    for t in reversed(range(T)):
        dxt, ch, cc, *three = step(dh[:, t] + ch, cc, caches[t])
        dx.insert(0, dxt)
        grads = tuple(a + b for a, b in zip(grads, three, strict=True))
    return (np.stack(dx, 1), ch, *grads)


right_sequence = right(
    "lstm_backward",
    "(N, T, D), gates i, f, o, g in the columns",
    convention="ntd",
    forward=forward,
)(lambda dh, caches: backward(dh, caches))


def sequence(cause, story, **more):
    more = {"convention": "ntd", "forward": forward, "step": -1} | more
    return wrong("lstm_backward", cause, story, **more)


@sequence(
    "deltas are stacked as i, f, g, o while the columns are i, f, o, g",
    "wrong gate order, from memory",
)
def stacked_ifgo(dh, caches):
    return backward(dh, caches, lambda a, c, k: step_backward(a, c, k, "ifgo"))


@sequence(
    "deltas are stacked as f, i, o, g, the order of the other course",
    "wrong gate order, from memory",
)
def stacked_fiog(dh, caches):
    return backward(dh, caches, lambda a, c, k: step_backward(a, c, k, "fiog"))


@sequence(
    "dnext_c is set by the output instead of added to",
    "= for +=",
    step={"*": -2, "dh0": -2},
)
def dc_is_set(dh, caches):
    return backward(dh, caches, lambda a, c, k: step_backward(a, 0 * c, k))


@sequence("the slope of the memory is 1 - c**2 without tanh", "wrong formula")
def slope_of_c(dh, caches):
    def step(dnh, dnc, k):
        i, f, o, g = k["gates"]
        dc = dnc + dnh * o * (1 - k["nc"] ** 2)
        do = dnh * np.tanh(k["nc"]) * o * (1 - o)
        di, df = dc * g * i * (1 - i), dc * k["c"] * f * (1 - f)
        dA = np.hstack((di, df, do, dc * i * (1 - g**2)))
        dx, dh_, dWx, dWh = dA @ k["Wx"].T, dA @ k["Wh"].T, k["x"].T @ dA, k["h"].T @ dA
        return dx, dh_, dc * f, dWx, dWh, dA.sum(axis=0)

    return backward(dh, caches, step)


@sequence(
    "Wx's gradient pairs delta with the input of the step before",
    "off by one",
    tags="time",
)
def input_of_before(dh, caches):
    shifted = [k | {"x": caches[t - 1]["x"]} for t, k in enumerate(caches)]
    return backward(dh, shifted)


@sequence(
    "the memory's carry is multiplied by sigmoid(f), as if f were a pre-activation",
    "sigmoid again",
    step={"*": -2, "dh0": -2},
)
def f_twice_activated(dh, caches):
    def step(dnh, dnc, k):
        dx, dh_, dc, *rest = step_backward(dnh, dnc, k)
        f = k["gates"][1]
        return dx, dh_, dc / f * sig(f), *rest

    return backward(dh, caches, step)


@sequence(
    "db is a mean over the batch, and stacked i, f, g, o",
    "two slips, from memory",
    tags="double scale",
)
def mean_and_order(dh, caches):
    dx, dh0, dWx, dWh, db = stacked_ifgo(dh, caches)
    return dx, dh0, dWx, dWh, db / len(dh)


def no_copy(x, h0, Wx, Wh, b):
    """The memory is one array that each step updates in place."""
    h, c, out, caches = h0, np.zeros_like(h0), [], []
    for t in range(x.shape[1]):
        before = c.copy()
        h, new, k = step_forward(x[:, t], h, before, Wx, Wh, b)
        c[...] = new
        k["c"] = c
        caches.append(k)
        out.append(h)
    return np.stack(out, 1), caches


memory_not_copied = sequence(
    "c_prev in the caches is the running array itself; all hold the last memory",
    "one array",
    forward=no_copy,
    step=-1,
    tags="view",
)(lambda dh, caches: backward(dh, caches))


def cell(cause, story, **more):
    more = {"convention": "ntd", "forward": step_forward} | more
    return wrong("lstm_cell_backward", cause, story, **more)


@cell("dprev_c lacks f", "a factor forgotten, from memory")
def dprev_c_without_f(dnh, dnc, k):
    dx, dh_, dc, *rest = step_backward(dnh, dnc, k)
    return dx, dh_, dc / k["gates"][1], *rest


@cell("do lacks tanh: next_c stands for tanh(next_c)", "no tanh")
def do_without_tanh(dnh, dnc, k):
    i, f, o, g = k["gates"]
    dc = dnc + dnh * o * (1 - np.tanh(k["nc"]) ** 2)
    dA = np.hstack(
        (
            dc * g * i * (1 - i),
            dc * k["c"] * f * (1 - f),
            dnh * k["nc"] * o * (1 - o),
            dc * i * (1 - g**2),
        )
    )
    return (
        dA @ k["Wx"].T,
        dA @ k["Wh"].T,
        dc * f,
        k["x"].T @ dA,
        k["h"].T @ dA,
        dA.sum(0),
    )


@cell("dnext_c is added once more to dprev_c", "dc += dc")
def dnext_c_again(dnh, dnc, k):
    dx, dh_, dc, *rest = step_backward(dnh, dnc, k)
    return dx, dh_, dc + dnc, *rest
