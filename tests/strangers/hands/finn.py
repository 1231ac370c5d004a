"""Finn does the other course: arrays (N, T, D), caches that are dictionaries."""

import numpy as np

from strangers.made import right, wrong


def step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x.dot(Wx) + prev_h.dot(Wh) + b)
    return next_h, dict(x=x, prev=prev_h, Wx=Wx, Wh=Wh, h=next_h)


def step_backward(dnext_h, cache):
    dscores = dnext_h * (1 - cache["h"] ** 2)
    dx = dscores.dot(cache["Wx"].T)
    dprev_h = dscores.dot(cache["Wh"].T)
    return (
        dx,
        dprev_h,
        cache["x"].T.dot(dscores),
        cache["prev"].T.dot(dscores),
        dscores.sum(axis=0),
    )


def forward(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    h, caches = np.zeros((N, T, h0.shape[1])), []
    prev = h0
    for t in range(T):
        prev, cache = step_forward(x[:, t], prev, Wx, Wh, b)
        h[:, t] = prev
        caches.append(cache)
    return h, caches


right_step = right(
    "rnn_cell_backward",
    "(N, D), caches as dictionaries",
    convention="ntd",
    forward=step_forward,
)(step_backward)


@right(
    "rnn_backward",
    "(N, T, D), caches as dictionaries",
    **dict(convention="ntd", forward=forward),
)
def backward(dh, caches):
    N, T, H = dh.shape
    first = caches[0]
    dx = np.zeros((N, T, first["x"].shape[1]))
    dWx, dWh, db = 0, 0, 0
    dprev = np.zeros((N, H))
    for t in range(T)[::-1]:
        dx[:, t], dprev, a, b, c = step_backward(dh[:, t] + dprev, caches[t])
        dWx, dWh, db = dWx + a, dWh + b, db + c
    return dx, dprev, dWx, dWh, db


def sequence(cause, story, **more):
    more = {"convention": "ntd", "forward": forward} | more
    return wrong("rnn_backward", cause, story, **more)


@sequence("dprev_h is not added to dh", "no carry", step={"*": -2, "dh0": -2})
def dh_alone(dh, caches):
    N, T, _ = dh.shape
    dx = np.zeros((N, T, caches[0]["x"].shape[1]))
    dWx, dWh, db = 0, 0, 0
    for t in range(T)[::-1]:
        dx[:, t], dprev, a, b, c = step_backward(dh[:, t], caches[t])
        dWx, dWh, db = dWx + a, dWh + b, db + c
    return dx, dprev, dWx, dWh, db


@sequence(
    "dh, an argument, is added to in place; the gradients are right",
    "in place",
    words=r"in place|changes this argument|copy",
    tags="view",
)
def dh_in_place(dh, caches):
    N, T, _ = dh.shape
    dx = np.zeros((N, T, caches[0]["x"].shape[1]))
    dWx, dWh, db, dprev = 0, 0, 0, 0
    for t in range(T)[::-1]:
        dh[:, t] += dprev
        dx[:, t], dprev, a, b, c = step_backward(dh[:, t], caches[t])
        dWx, dWh, db = dWx + a, dWh + b, db + c
    return dx, dprev, dWx, dWh, db


@sequence(
    "the gradient is scaled by 1 / N inside the step",
    "a mean taken where the loss has taken one, from memory",
    step=-1,
    tags="scale",
)
def scaled_inside(dh, caches):
    N, T, _ = dh.shape
    dx = np.zeros((N, T, caches[0]["x"].shape[1]))
    dWx, dWh, db, dprev = 0, 0, 0, 0
    for t in range(T)[::-1]:
        dx[:, t], dprev, a, b, c = step_backward(dh[:, t] / N + dprev, caches[t])
        dWx, dWh, db = dWx + a, dWh + b, db + c
    return dx, dprev, dWx, dWh, db


@sequence("db adds the gradient of Wh's row sums", "dc += dc", step={"db": -1})
def db_of_another(dh, caches):
    N, T, _ = dh.shape
    dx = np.zeros((N, T, caches[0]["x"].shape[1]))
    dWx, dWh, db, dprev = 0, 0, 0, 0
    for t in range(T)[::-1]:
        dx[:, t], dprev, a, b, c = step_backward(dh[:, t] + dprev, caches[t])
        dWx, dWh = dWx + a, dWh + b
        db = db + b.sum(axis=0)
    return dx, dprev, dWx, dWh, db


@sequence(
    "db is set to the step's, not added to, while the others are summed",
    "a plus sign forgotten, from memory",
    step={"db": (-1, -2)},
)
def db_of_step_0(dh, caches):
    N, T, _ = dh.shape
    dx = np.zeros((N, T, caches[0]["x"].shape[1]))
    dWx, dWh, dprev = 0, 0, 0
    for t in range(T)[::-1]:
        dx[:, t], dprev, a, b, db = step_backward(dh[:, t] + dprev, caches[t])
        dWx, dWh = dWx + a, dWh + b
    return dx, dprev, dWx, dWh, db


@sequence(
    "the loop runs forwards, carry and all",
    "reversed() forgotten, from memory",
    step=-1,
    tags="time",
)
def forwards(dh, caches):
    N, T, _ = dh.shape
    dx = np.zeros((N, T, caches[0]["x"].shape[1]))
    dWx, dWh, db, dprev = 0, 0, 0, 0
    for t in range(T):
        dx[:, t], dprev, a, b, c = step_backward(dh[:, t] + dprev, caches[t])
        dWx, dWh, db = dWx + a, dWh + b, db + c
    return dx, dprev, dWx, dWh, db


@sequence(
    "the first cache of the list serves all steps",
    "first step's",
    step=-1,
    tags="time",
)
def first_cache(dh, caches):
    N, T, _ = dh.shape
    dx = np.zeros((N, T, caches[0]["x"].shape[1]))
    dWx, dWh, db, dprev = 0, 0, 0, 0
    for t in range(T)[::-1]:
        dx[:, t], dprev, a, b, c = step_backward(dh[:, t] + dprev, caches[0])
        dWx, dWh, db = dWx + a, dWh + b, db + c
    return dx, dprev, dWx, dWh, db


@sequence(
    "dh0 is the gradient that reaches h<0>, not h0: taken before step 0",
    "off by one",
    step={"dh0": 0},
    tags="time",
)
def dh0_too_early(dh, caches):
    N, T, _ = dh.shape
    dx = np.zeros((N, T, caches[0]["x"].shape[1]))
    dWx, dWh, db, dprev = 0, 0, 0, 0
    for t in range(T)[::-1]:
        dh0 = dh[:, t] + dprev
        dx[:, t], dprev, a, b, c = step_backward(dh0, caches[t])
        dWx, dWh, db = dWx + a, dWh + b, db + c
    return dx, dh0, dWx, dWh, db


@sequence(
    "the input of the next step stands in dWx: an index t + 1, cut at the end",
    "off by one",
    step={"dWx": -2},
    tags="time",
)
def next_input(dh, caches):
    dx, dh0, _, dWh, db = backward(dh, caches)
    T = dh.shape[1]
    dWx, dprev = 0, 0
    for t in range(T)[::-1]:
        dscores = (dh[:, t] + dprev) * (1 - caches[t]["h"] ** 2)
        dprev = dscores @ caches[t]["Wh"].T
        dWx = dWx + caches[min(t + 1, T - 1)]["x"].T @ dscores
    return dx, dh0, dWx, dWh, db


@sequence(
    "the carry is added twice from the second step on",
    "added before the call and inside it, from memory",
    step={"*": -2, "dh0": -2},
)
def carry_twice(dh, caches):
    N, T, _ = dh.shape
    dx = np.zeros((N, T, caches[0]["x"].shape[1]))
    dWx, dWh, db, dprev = 0, 0, 0, 0
    for t in range(T)[::-1]:
        total = dh[:, t] + dprev
        dx[:, t], dprev, a, b, c = step_backward(total + dprev, caches[t])
        dWx, dWh, db = dWx + a, dWh + b, db + c
    return dx, dprev, dWx, dWh, db


@sequence(
    "Wh is not transposed on the way to h0, and db is a mean over the batch",
    "two slips in one evening, from memory",
    step={"*": -2, "dh0": -1, "db": -1},
    tags="double scale",
)
def transpose_and_mean(dh, caches):
    N, T, _ = dh.shape
    dx = np.zeros((N, T, caches[0]["x"].shape[1]))
    dWx, dWh, db, dprev = 0, 0, 0, 0
    for t in range(T)[::-1]:
        c = caches[t]
        dscores = (dh[:, t] + dprev) * (1 - c["h"] ** 2)
        dx[:, t], dprev = dscores @ c["Wx"].T, dscores @ c["Wh"]
        dWx = dWx + c["x"].T @ dscores
        dWh = dWh + c["prev"].T @ dscores
        db = db + dscores.mean(axis=0)
    return dx, dprev, dWx, dWh, db


def views(x, h0, Wx, Wh, b):
    """The caches hold h[:, t - 1]; at t = 0 that is the last slot."""
    N, T, _ = x.shape
    h, caches = np.zeros((N, T, h0.shape[1])), []
    for t in range(T):
        h[:, t] = np.tanh(x[:, t] @ Wx + (h[:, t - 1] if t else h0) @ Wh + b)
        caches.append(dict(x=x[:, t], prev=h[:, t - 1], Wx=Wx, Wh=Wh, h=h[:, t]))
    return h, caches


view_of_the_last = sequence(
    "caches[0] holds the view h[:, -1] as the state before, which becomes the last one",
    "a[t-1] at 0",
    step={"dWh": 0},
    forward=views,
    tags="view time",
)(backward.function)


def one_dict(x, h0, Wx, Wh, b):
    """One dictionary, filled again at every step and appended every time."""
    N, T, _ = x.shape
    h, caches, cache, prev = np.zeros((N, T, h0.shape[1])), [], {}, h0
    for t in range(T):
        new, filled = step_forward(x[:, t], prev, Wx, Wh, b)
        cache.update(filled)
        caches.append(cache)
        h[:, t] = prev = new
    return h, caches


one_dictionary = sequence(
    "all caches are one dictionary, which ends up with the last step's arrays",
    "one array",
    step={"*": -2},
    forward=one_dict,
    tags="view",
)(backward.function)


def cell(cause, story, **more):
    more = {"convention": "ntd", "forward": step_forward} | more
    return wrong("rnn_cell_backward", cause, story, **more)


@cell("dscores lacks the slope in the product with Wh", "chain rule, from memory")
def dprev_without_slope(dnext_h, cache):
    dx, _, dWx, dWh, db = step_backward(dnext_h, cache)
    return dx, dnext_h @ cache["Wh"].T, dWx, dWh, db


@cell("the slope is h - h**2, that of a sigmoid", "another activation, from memory")
def sigmoid_slope(dnext_h, cache):
    h = cache["h"]
    dscores = dnext_h * (h - h**2)
    dWx, dWh = cache["x"].T @ dscores, cache["prev"].T @ dscores
    dx, dprev = dscores @ cache["Wx"].T, dscores @ cache["Wh"].T
    return dx, dprev, dWx, dWh, dscores.sum(0)


@cell("the slope is squared: it was multiplied in twice", "twice, from memory")
def slope_twice(dnext_h, cache):
    slope = 1 - cache["h"] ** 2
    dscores = slope * dnext_h
    dscores *= slope
    dWx, dWh = cache["x"].T @ dscores, cache["prev"].T @ dscores
    dx, dprev = dscores @ cache["Wx"].T, dscores @ cache["Wh"].T
    return dx, dprev, dWx, dWh, dscores.sum(axis=0)


@cell("dWh is made with next_h", "off by one")
def dWh_with_next(dnext_h, cache):
    dx, dprev, dWx, _, db = step_backward(dnext_h, cache)
    return dx, dprev, dWx, cache["h"].T @ (dnext_h * (1 - cache["h"] ** 2)), db


@cell(
    "db keeps the batch axis: (N, H)",
    "broadcast",
    words=r"shape|sum",
    tags="shape",
)
def db_per_example(dnext_h, cache):
    dx, dprev, dWx, dWh, _ = step_backward(dnext_h, cache)
    return dx, dprev, dWx, dWh, dnext_h * (1 - cache["h"] ** 2)
