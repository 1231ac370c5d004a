"""Odd calls over the whole public face: one error at the border, or the right result.

A call begins as a right one; some of its arguments are then exchanged for others, right
or wrong. What comes of it is an error of ours that says what was expected, or what a
plain loop in NumPy makes of the same arguments. Nothing may end inside JAX.
"""

import contextlib
import pathlib
import traceback
from typing import NamedTuple

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

import scanrnn as sr

T, B, X, H = 3, 2, 4, 5
OURS = pathlib.Path(sr.__file__).parent
RNG = np.random.default_rng(0)

CELLS = {"rnn": sr.rnn(H), "gru": sr.gru(H), "lstm": sr.lstm(H, bias=False)}
PARAMS = {
    name: cell.init(jax.random.key(1), X, jnp.float32) for name, cell in CELLS.items()
}
FLOATS = RNG.normal(size=(T, B, X)).astype(np.float32)
TOKENS = RNG.integers(-1, X, size=(T, B)).astype(np.int32)
MASK = RNG.random((T, B)) < 0.6
RESETS = RNG.random((T, B)) < 0.4


def drawn(state):
    return jax.tree.map(
        lambda leaf: jnp.asarray(RNG.normal(size=leaf.shape), leaf.dtype), state
    )


STARTS = {name: drawn(cell.start(B, jnp.float32)) for name, cell in CELLS.items()}
HUGE = 10**12
ANY = [
    *(None, 0, -1, 2.5, True, "no", [], {}, (), object(), float("nan"), HUGE, 1j),
    *(np.zeros(()), np.ones((2, 2)), [[1.0], [1.0, 2.0]], jnp.ones(3), np.ones(0), len),
]
SIZES = [value for value in ANY if value is not HUGE]  # there is no memory for it
NO = [*ANY, sr.gru, sr.layer(sr.gru(2)), sr.Stored]


class Call(NamedTuple):
    verb: str
    cell: str
    arguments: dict


def options_of(name):
    """For every argument of `unroll` what may stand there, right ones first."""
    start = STARTS[name]
    one = jax.tree.map(lambda leaf: leaf[:1], start)
    alone = jax.tree.map(lambda leaf: leaf[0], start)
    others = [p for other, p in PARAMS.items() if other != name]
    return {
        "cell": [CELLS[name], *NO],
        "params": [
            PARAMS[name], PARAMS[name]._asdict(), tuple(PARAMS[name]), *others,
            PARAMS[name]._replace(w_x=PARAMS[name].w_x[:, 1:]), FLOATS, *ANY,
            jax.tree.map(lambda leaf: leaf.astype(int), PARAMS[name]),
        ],
        "xs": [
            FLOATS, TOKENS, FLOATS[:, 0], TOKENS[:, 0], FLOATS.tolist(), FLOATS[:0],
            FLOATS[:, :0], FLOATS[..., :0], FLOATS[..., :2], FLOATS[..., 0], FLOATS > 0,
            FLOATS.astype(complex), FLOATS.astype(np.float16), TOKENS.astype(np.int8),
            TOKENS.astype(np.uint8), TOKENS + 9, TOKENS.astype(np.int64) + 2**32,
            FLOATS.swapaxes(0, 1), FLOATS[None], PARAMS[name], *ANY,
        ],
        "start": [
            start, one, alone, tuple(start), start.h, STARTS["gru"], STARTS["lstm"],
            jax.tree.map(lambda leaf: leaf.astype(jnp.float16), start), *ANY,
        ],
        "lengths": [
            np.array([1, 3]), [0, 2], np.array([3, 4]), np.array([-1, 2]), 2,
            np.array([[1], [2]]), np.array([1.0, 2.0]), [HUGE, 1], np.array([1, 2, 3]),
            *ANY,
        ],
        "mask": [
            MASK, MASK.tolist(), MASK.T, MASK[:, 0], MASK.astype(int), MASK[:2],
            MASK[..., None], *ANY,
        ],
        "resets": [RESETS, RESETS.T, RESETS[:, 0], RESETS.astype(np.float32), *ANY],
        "reset_to": [start, one, alone, STARTS["lstm"], *ANY],
        "reverse": [True, False, np.True_, *ANY],
        "batch_first": [True, False, np.False_, *ANY],
        "outputs": ["h", "states", "c", *ANY],
        "masked": ["zero", "hold", *ANY],
        "unroll": [1, 2, np.int64(2), 7, *ANY],
        "backward": [
            sr.Stored(), sr.Recomputed(2), sr.Checkpointed(), sr.Autodiff(),
            sr.Budget(10**6), sr.Budget(1), sr.Fastest(), sr.Stored, "stored", *ANY,
        ],
    }  # fmt: skip


OPTIONS = {name: options_of(name) for name in CELLS}
OF_UNROLL = tuple(OPTIONS["gru"])
VERBS = {
    "unroll": OF_UNROLL,
    "truncated": tuple(k for k in OF_UNROLL if k != "backward"),
    "layer": tuple(k for k in OF_UNROLL if k != "cell"),
    "adjoints": (
        "cell",
        "params",
        "xs",
        "start",
        "lengths",
        "mask",
        "resets",
        "reverse",
    ),
    "step": ("cell", "params", "start", "xs"),
    "temporary_bytes": ("cell", "params", "xs", "backward"),
}


@st.composite
def calls(draw):
    verb = draw(st.sampled_from(list(VERBS)))
    name = draw(st.sampled_from(list(CELLS)))
    options, known = OPTIONS[name], VERBS[verb]
    arguments = {k: options[k][0] for k in ("cell", "params", "xs") if k in known}
    if verb in ("step", "adjoints"):
        arguments["start"] = options["start"][0]
    if verb == "step":
        arguments["xs"] = FLOATS[0]
    for _ in range(draw(st.integers(0, 4))):
        changed = draw(st.sampled_from(known))
        right = 3 if draw(st.integers(0, 2)) else len(options[changed])
        arguments[changed] = draw(st.sampled_from(options[changed][:right]))
    return Call(verb, name, arguments)


def made(call):
    arguments = dict(call.arguments)
    given = [arguments.pop(k) for k in ("cell", "params", "xs") if k in arguments]
    if call.verb == "layer":
        return sr.layer(CELLS[call.cell]).run(*given, **arguments)
    if call.verb == "truncated":
        return sr.truncated(*given, every=2, back=2, **arguments)
    if call.verb == "adjoints":
        return sr.adjoints(*given, np.ones((T, B, H), np.float32), **arguments)
    if call.verb == "step":
        cell, params, xs = given
        return sr.step(cell, params, arguments["start"], xs)
    return getattr(sr, call.verb)(*given, **arguments)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def one_step(name, p, state, a):
    """The cells' equations, from the projected input a."""
    h = state["h"]
    if name == "rnn":
        return {"h": np.tanh(a + h @ p.w_h + p.b)}
    if name == "gru":
        a, u = np.split(a + p.b, 3, -1), np.split(h @ p.w_h, 3, -1)
        r, z = sigmoid(a[0] + u[0]), sigmoid(a[1] + u[1])
        n = np.tanh(a[2] + r * (u[2] + p.b_hn))
        return {"h": (1 - z) * n + z * h}
    i, f, g, o = np.split(a + h @ p.w_h, 4, -1)
    c = sigmoid(f) * state["c"] + sigmoid(i) * np.tanh(g)
    return {"h": sigmoid(o) * np.tanh(c), "c": c}


def fields(state, batch):
    found = {k: np.asarray(v, np.float64) for k, v in state._asdict().items()}
    if next(iter(found.values())).ndim == 1:
        found = {k: v[None] for k, v in found.items()}
    return {k: np.broadcast_to(v, (batch, v.shape[1])) for k, v in found.items()}


def by_loop(call):
    """Outputs and final state, or (for `step`) output and state, in float64."""
    given = call.arguments
    name, p = (
        call.cell,
        jax.tree.map(lambda x: np.asarray(x, np.float64), given["params"]),
    )
    xs = np.asarray(given["xs"])
    if call.verb == "step":
        xs = xs[None]
    tokens = xs.dtype.kind in "iu"
    alone = xs.ndim == (1 if tokens else 2)
    turn = bool(given.get("batch_first")) and not alone

    def enter(x):
        x = np.asarray(x)
        return x[:, None] if alone else (x.swapaxes(0, 1) if turn else x)

    xs = enter(xs)
    steps, batch = xs.shape[:2]
    rows = np.where((xs == -1)[..., None], 0, p.w_x[xs]) if tokens else xs @ p.w_x
    zero = CELLS[name].start(batch, jnp.float32)
    start = given.get("start")
    state = fields(zero if start is None else start, batch)
    valid = np.ones((steps, batch), bool)
    if given.get("mask") is not None:
        valid = enter(given["mask"])
    if given.get("lengths") is not None:
        valid = np.arange(steps)[:, None] < np.atleast_1d(given["lengths"])
    resets = given.get("resets")
    resets = np.zeros((steps, batch), bool) if resets is None else enter(resets)
    to = given.get("reset_to")
    to = fields(zero if to is None else to, batch)
    outputs = [None] * steps
    for t in range(steps)[:: -1 if given.get("reverse") else 1]:
        state = {k: np.where(resets[t][:, None], to[k], v) for k, v in state.items()}
        after = one_step(name, p, state, rows[t])
        state = {k: np.where(valid[t][:, None], after[k], v) for k, v in state.items()}
        hold = valid[t][:, None] | (given.get("masked") == "hold")
        outputs[t] = {k: np.where(hold, v, 0) for k, v in state.items()}
    whole = given.get("outputs") == "states"
    handed_out = [
        np.stack([o[k] for o in outputs]) if steps else np.zeros((0, batch, H))
        for k in (state if whole else ["h"])
    ]
    leave = (
        (lambda x: x[:, 0]) if alone else (lambda x: x.swapaxes(0, 1) if turn else x)
    )
    finals = [v[0] if alone else v for v in state.values()]
    return [leave(x) for x in handed_out], finals


def assert_is_the_loop_s(call, result):
    if call.verb == "temporary_bytes":
        assert isinstance(result, int) and result >= 0
        return
    if call.verb == "adjoints":
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(result))
        return
    outputs, finals = by_loop(call)
    if call.verb == "step":
        outputs = [outputs[0][0]]
    want = [*outputs, *finals]
    got = jax.tree.leaves(tuple(result))
    assert [g.shape for g in got] == [w.shape for w in want]
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(np.asarray(g, np.float64), w, atol=1e-5)


@contextlib.contextmanager
def whole_traces():
    """Errors show where in JAX they were raised, if they were."""
    before = jax.config.jax_traceback_filtering
    jax.config.update("jax_traceback_filtering", "off")
    yield
    jax.config.update("jax_traceback_filtering", before)


def assert_is_ours(error):
    """Raised by a line of the library (or by Python itself, at the call)."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    inside = pathlib.Path(frame.filename)
    assert OURS in inside.parents or inside == pathlib.Path(__file__), frame
    assert "expected" in str(error) or "argument" in str(error), str(error)


LOGITS = RNG.normal(size=(T, B, X)).astype(np.float32)
LABELS = RNG.integers(X, size=(T, B))
DENSE = sr.init_dense(jax.random.key(0), X, H, jnp.float32)
KEY = jax.random.key(0)
RUN = sr.Unrolled(LOGITS, sr.gru(2).start(1))

# What makes values, and the readout: for every argument what may stand there.
MAKERS = {
    "rnn": {
        "hidden_size": [3, np.int32(2), *SIZES],
        "activation": ["relu", "gelu", *ANY],
        "bias": [False, *ANY],
    },
    "gru": {
        "hidden_size": [3, *SIZES],
        "reset_after": [False, *ANY],
        "bias": [False, *ANY],
    },
    "lstm": {
        "hidden_size": [3, *SIZES],
        "forget_bias": [0.5, *ANY],
        "bias": [False, *ANY],
    },
    "linear": {"output_size": [3, *SIZES], "bias": [False, *ANY]},
    "dropout": {"rate": [0.5, 1, *ANY], "variational": [True, *ANY]},
    "layer": {"cell": [sr.gru(2), *NO]},
    "residual": {"part": [sr.gru(2), sr.linear(3), jnp.tanh, *NO]},
    "recurrent_dropout": {"cell": [sr.gru(2), *NO], "rate": [0.5, 1.0, *ANY]},
    "bidirectional": {
        "forward": [sr.gru(2), sr.stack(sr.rnn(2)), *NO],
        "backward": [sr.lstm(2), sr.lstm(3), *NO],
        "merge": ["sum", "concat", "add", *ANY],
    },
    "feedback": {
        "cell": [sr.gru(2), *NO],
        "output_size": [2, *SIZES],
        "feed": [sr.Prediction(), sr.Prediction, *ANY],
    },
    "forced": {
        "inputs": [LOGITS, LABELS, *ANY],
        "gate": [True, MASK, MASK.T, LOGITS, *ANY],
        "noise": [LOGITS, LOGITS[1:], *ANY],
        "further": [LOGITS, LOGITS[:, 1:], *ANY],
    },
    "Recomputed": {"block": [3, *ANY]},
    "Checkpointed": {"every": [3, *ANY]},
    "Budget": {"bytes": [10**6, *ANY]},
    "Probabilities": {"temperature": [0.5, *ANY]},
    "StraightThrough": {"temperature": [0.5, *ANY]},
    "init_dense": {
        "key": [KEY],
        "input_size": [3, *SIZES],
        "output_size": [2, *SIZES],
        "dtype": ["float32", jnp.bfloat16, "int32", int, *ANY],
        "bias": [False, *ANY],
    },
    "last": {"run": [RUN, RUN._replace(final=()), *ANY]},
    "dense": {
        "params": [
            DENSE, DENSE._replace(b=None), DENSE._replace(b=DENSE.w),
            DENSE._replace(w=DENSE.w[0]), DENSE._replace(w=DENSE.w.astype(int)), *ANY,
        ],
        "hs": [LOGITS, LOGITS[0, 0], LOGITS.astype(complex), LABELS, LOGITS.T, *ANY],
    },
    "softmax_cross_entropy": {
        "logits": [LOGITS, LOGITS[..., :0], LOGITS.astype(complex), LABELS, *ANY],
        "labels": [
            LABELS, LABELS.astype(np.uint8), LABELS + 3, LABELS - 5, LABELS.T,
            LOGITS, MASK, *ANY,
        ],
        "weights": [MASK, RNG.random((T, B)), MASK.T, LOGITS.astype(complex), *ANY],
        "reduction": ["sum", "none", "max", *ANY],
        "label_smoothing": [0.1, 1, *ANY],
    },
}  # fmt: skip
MAKERS |= {f"plain_{name}": MAKERS[name] for name in ("dense", "softmax_cross_entropy")}
MAKERS["derive"] = {
    "step": [len, *[value for value in ANY if value is not len]],
    "init": [CELLS["gru"].init, *ANY],
    "start": [CELLS["gru"].start, *ANY],
}
NEEDED = {
    "recurrent_dropout": 2, "bidirectional": 2, "feedback": 2, "forced": 2,
    "init_dense": 3, "dense": 2, "softmax_cross_entropy": 2,
    "plain_dense": 2, "plain_softmax_cross_entropy": 2,
}  # fmt: skip


@st.composite
def makers(draw):
    name = draw(st.sampled_from(list(MAKERS)))
    options = MAKERS[name]
    known = list(options)
    arguments = {k: options[k][0] for k in known[: NEEDED.get(name, 1)]}
    for _ in range(draw(st.integers(0, 2))):
        changed = draw(st.sampled_from(known))
        arguments[changed] = draw(st.sampled_from(options[changed]))
    return name, arguments


def loss_by_loop(logits, labels, weights=None, reduction="mean", label_smoothing=0.0):
    logits = np.asarray(logits, np.float64)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    target = (1 - label_smoothing) * np.eye(logits.shape[-1])[labels]
    losses = -((target + label_smoothing / logits.shape[-1]) * log_p).sum(-1)
    weights = (
        np.ones_like(losses) if weights is None else np.asarray(weights, np.float64)
    )
    total = {"mean": weights.sum() or 1, "sum": 1, "none": 1}[reduction]
    weighted = weights * losses / total
    return weighted if reduction == "none" else weighted.sum()


def assert_is_what_was_meant(name, arguments, result):
    name = name.removeprefix("plain_")
    if name == "softmax_cross_entropy":
        want = loss_by_loop(**arguments)
        np.testing.assert_allclose(np.asarray(result, np.float64), want, atol=1e-5)
    elif name == "dense":
        (w, b), hs = arguments["params"], np.asarray(arguments["hs"])
        want = hs @ np.asarray(w) + (0 if b is None else np.asarray(b))
        np.testing.assert_allclose(result, want, atol=1e-5)
    elif name in ("forced", "last", "init_dense"):
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(result))
    else:  # a value: equal calls make equal ones, and it can be looked at
        again = getattr(sr, name)(**arguments)
        assert result == again and hash(result) == hash(again) and repr(result)


def settings(calls):
    return hypothesis.settings(
        max_examples=calls,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )


@settings(150)
@hypothesis.given(calls())
def test_over_time_an_error_at_the_border_or_what_a_plain_loop_says(call):
    is_empty = 0 in getattr(call.arguments["xs"], "shape", ())
    with jax.disable_jit(not is_empty), whole_traces():
        try:
            result = made(call)
        except (ValueError, TypeError) as error:
            assert_is_ours(error)
        else:
            assert_is_the_loop_s(call, result)


@settings(1000)
@hypothesis.given(makers())
def test_elsewhere_an_error_at_the_border_or_what_was_meant(call):
    name, arguments = call
    with whole_traces():
        try:
            result = getattr(sr, name)(**arguments)
        except (ValueError, TypeError) as error:
            assert_is_ours(error)
        else:
            assert_is_what_was_meant(name, arguments, result)
