"""Strangers' functions: detected, located, named; whatever they do."""

import weakref
from itertools import product

import jax.numpy as jnp
import numpy as np
import pytest
from pairs import each, pairs
from right_passes import FORMS

from scanrnn import course
from scanrnn.verify import grade
from scanrnn.verify.grading.cases import Case, official, remembered, split
from scanrnn.verify.grading.mistakes import everything, of
from scanrnn.verify.grading.mistakes.catalogue import After, Mistake
from scanrnn.verify.grading.mutants import mutant

right = mutant("rnn_backward")


@pytest.mark.parametrize("name", list(FORMS)[::3])
def test_right_functions_pass(name):
    like, function = FORMS[name]
    verdict = grade(function, like=like)
    assert verdict.passed, str(verdict)
    assert verdict.suspicions == ()


AXES = ("rnn", "lstm"), ("", "cell_"), ("forward", "backward")
EIGHT = ["".join((f"{cell}_", part, way)) for cell, part, way in product(*AXES)]


@pytest.mark.parametrize("like", EIGHT)
def test_all_eight_right_functions_pass(like):
    assert grade(mutant(like), like=like).passed


@pytest.mark.parametrize(
    "cell, part, way", [*pairs(*AXES), ("readout", "", "backward")]
)
def test_the_library_s_own_functions_of_the_exercise_pass(cell, part, way):
    like = f"{cell}_{part}{way}"
    verdict = grade(getattr(course, like), like=like)
    assert verdict.passed, str(verdict)


def sample(like):
    """Some mistakes of a long list, all of a short one; verification/naming has all."""
    mistakes = [m for m in of(like) if not m.harmless]
    if split(like)[2]:
        mistakes = [m for m in mistakes if m.store is None]
    step = 13 if like.startswith("lstm") else 5
    return mistakes[:: 1 if len(mistakes) < 30 else step]


@pytest.mark.parametrize("like", [*EIGHT, "readout_backward"])
def test_mistakes_are_detected_in_both_precisions_and_named(like):
    for mistake in sample(like):
        verdict = grade(mutant(like, mistake), like=like)
        single = [row for row in verdict.rows if "float32" in row.case]
        assert not verdict.passed, mistake.name
        first = verdict.suspicions[0]
        assert mistake.name in (*first.names, *first.alike)
        assert first.says and first.instead
        assert not all(row.passed for row in single) or not single


@pytest.mark.parametrize("like", ["rnn_backward", "lstm_backward"])
def test_wrong_caches_are_seen_before_the_way_back(like):
    stores = [m for m in of(like) if m.store is not None and not m.harmless]
    for mistake in stores[::4]:
        forward = mutant(like.replace("backward", "forward"), mistake)
        verdict = grade(mutant(like), like=like, forward=forward)
        wrong = [row.leaf for row in verdict.rows if not row.passed]
        assert wrong[0].startswith("cache "), mistake.name
        first = verdict.suspicions[0]
        assert mistake.name in (*first.names, *first.alike)


def test_two_mistakes_at_once_are_named():
    by_name = {m.name: m for m in of("rnn_backward")}
    pair = [by_name["the carry is dropped"], by_name["dWaa with a_next"]]
    first = grade(mutant("rnn_backward", *pair)).suspicions[0]
    assert set(first.names) == {m.name for m in pair}


LEAVES = ("dxt", "dWax", "dWaa", "dba")


@pytest.mark.parametrize("leaf, step", each(LEAVES, range(4)))
def test_the_step_and_the_leaf_of_an_error_are_told(leaf, step):
    def wrong(da, caches):
        """Right, but for one leaf's share at one step, known by its a_next."""
        marked = MARK[step]

        def line(value, k, d):
            hit = k.a_next.shape == marked.shape and np.allclose(k.a_next, marked)
            return value * 1.001 if hit else value

        return mutant("rnn_backward", Mistake("", "", "", {leaf: After(line)}))(
            da, caches
        )

    MARK = [cache["a_next"] for cache in official("rnn_backward").inputs["caches"]]
    rows = [r for r in grade(wrong).rows if r.case == "public test" and not r.passed]
    assert [(r.leaf, r.step) for r in rows] == [(leaf.replace("dxt", "dx"), step)]


def raises(da, caches):
    raise RuntimeError("no such luck")


def forever(da, caches):
    while True:
        pass


def changed(**leaves):
    def function(da, caches):
        gradients = right(da, caches)
        return {k: leaves.get(k, lambda x: x)(v) for k, v in gradients.items()}

    return function


def mutates(da, caches):
    gradients = right(da, caches)
    da[:, :, 0] += 1
    return gradients


STRANGE = {
    "raises": (raises, "raised RuntimeError: no such luck"),
    "wrong type": (lambda da, caches: 3, "expected a dictionary"),
    "nothing": (lambda da, caches: None, "returned NoneType"),
    "not a number": (changed(dba=lambda x: x * np.nan), "not-a-number"),
    "flat bias": (changed(dba=np.ravel), "keepdims=True"),
    "too many steps": (
        changed(dx=lambda dx: np.pad(dx, ((0, 0), (0, 0), (0, 3)))),
        "expected shape (3, 10, 4), got (3, 10, 7)",
    ),
    "rounded": (changed(dx=np.float32), "rounded to float32, and what is"),
    "transposed": (changed(dWax=np.transpose), "it is transposed"),
    "a string": (changed(dba=lambda x: "oops"), "expected an array"),
    "missing": (lambda da, c: {"dx": right(da, c)["dx"]}, "missing from what is"),
    "mutates": (mutates, "changes the argument da in place"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_strange_functions_are_survived_and_described(name):
    function, message = STRANGE[name]
    verdict = grade(function)
    assert not verdict.passed
    assert message in str(verdict)
    verdict.to_json()


def steps_of_x(da, caches, slip=0.0):
    """In the public test da ends before x."""
    steps, x = caches
    da = np.stack([da[:, :, t] for t in range(x.shape[2])], axis=2)
    gradients = course.lstm_backward(da, (steps, x))
    return gradients | {"dbf": np.asarray(gradients["dbf"]) + slip}


def test_who_takes_the_steps_from_x_is_right_and_told():
    verdict = grade(steps_of_x, "lstm_backward")
    assert verdict.passed
    assert "da has 4 steps and x 7, and with all of x it raised" in verdict.notes[0]
    verdict = grade(lambda *args: steps_of_x(*args, slip=1.0), "lstm_backward")
    assert {row.leaf for row in verdict.rows if not row.passed} == {"dbf"}


def test_a_function_that_never_returns_is_left():
    verdict = grade(forever, seconds=0.1)
    assert not verdict.passed
    assert "did not return within 0.1 s" in str(verdict)


def test_extra_keys_are_told_and_do_no_harm():
    verdict = grade(lambda da, caches: right(da, caches) | {"dWya": 0})
    assert verdict.passed
    assert "dWya" in verdict.notes[0]


def test_jax_functions_are_judged_in_float64():
    def with_jax(da, caches):
        return {k: jnp.asarray(v) for k, v in right(da, caches).items()}

    assert grade(with_jax).passed


def test_a_function_that_computes_in_single_precision_is_told_so():
    def single(da, caches):
        return {k: np.asarray(v, np.float32) for k, v in right(da, caches).items()}

    verdict = grade(single)
    assert verdict.passed
    assert "float32" in verdict.notes[0]


def ntd_forward(x, h0, Wx, Wh, b):
    hs, prev, cache = [], h0, []
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ Wx + prev @ Wh + b)
        cache.append((x[:, t], prev, h))
        hs.append(h)
        prev = h
    return np.stack(hs, 1), (cache, Wx, Wh)


def ntd_backward(dh, cache, carried=1):
    steps, Wx, Wh = cache
    dx, dWx, dWh, db = np.zeros((*dh.shape[:2], Wx.shape[0]), dh.dtype), 0, 0, 0
    carry = np.zeros_like(dh[:, 0])
    for t in reversed(range(dh.shape[1])):
        xt, prev, h = steps[t]
        dz = (dh[:, t] + carried * carry) * (1 - h**2)
        dx[:, t], carry = dz @ Wx.T, dz @ Wh.T
        dWx, dWh, db = dWx + xt.T @ dz, dWh + prev.T @ dz, db + dz.sum(0)
    return dx, carry, dWx, dWh, db


def test_the_ntd_convention_is_judged_and_named():
    assert grade(ntd_backward, forward=ntd_forward, convention="ntd").passed
    wrong = grade(
        lambda dh, cache: ntd_backward(dh, cache, 0),
        forward=ntd_forward,
        convention="ntd",
    )
    assert {row.leaf for row in wrong.rows if not row.passed} == {
        *("dx", "dh0", "dWx", "dWh", "db")
    }
    assert wrong.suspicions[0].names == ("the carry is dropped",)
    # The last step is right: it gets nothing from time. Seven steps, and three.
    steps = {row.step for row in wrong.rows if row.leaf == "dx" and not row.passed}
    assert steps == {5, 1}


@pytest.mark.parametrize("carried", [1, 0])
def test_torch_functions_are_judged_and_named(carried):
    torch = pytest.importorskip("torch")

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            h, ctx.cache = ntd_forward(*(x.numpy() for x in inputs))
            return torch.tensor(h)

        @staticmethod
        def backward(ctx, dh):
            gradients = ntd_backward(dh.numpy(), ctx.cache, carried)
            return tuple(torch.tensor(np.ascontiguousarray(g)) for g in gradients)

    verdict = grade(Function, convention="torch")
    assert verdict.passed == bool(carried), str(verdict)
    if not carried:
        assert verdict.suspicions[0].names == ("the carry is dropped",)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"like": "rnn"}, "expected like"),
        ({"convention": "dnt"}, "expected convention"),
        ({"convention": "ntd"}, "expected forward"),
    ],
)
def test_unknown_names_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        grade(right, **options)


def test_the_catalogue_is_wide_and_documented():
    mistakes = {m.name: m for group in everything().values() for m in group}
    assert len(mistakes) >= 50
    for mistake in mistakes.values():
        assert mistake.says[-1] == "." and mistake.instead, mistake.name
        assert "-- " not in mistake.says


def test_a_verdict_of_a_sequence_can_be_drawn(tmp_path):
    verdict = grade(mutant("rnn_backward", of("rnn_backward")[0]))
    assert list(verdict.errors) == ["dx", "da0", "dWax", "dWaa", "dba"]
    # The last step gets nothing from time, so its errors are rounding.
    assert max(errors[-1] for errors in verdict.errors.values()) < 1e-12
    assert min(errors[-2] for errors in verdict.errors.values()) > 1e-3
    path = tmp_path / "errors.png"
    verdict.plot(str(path))
    assert path.read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match="without errors by step"):
        grade(mutant("rnn_cell_backward"), "rnn_cell_backward").plot(str(path))


def test_a_second_call_gives_the_same_verdict():
    wrong = mutant("rnn_backward", of("rnn_backward")[3])
    assert grade(wrong) == grade(wrong)


def test_what_follows_from_a_case_is_kept_with_the_case():
    asked = []

    @remembered
    def size(case, leaf):
        asked.append(leaf)
        return case.inputs[leaf].size

    case = Case("", "", {"x": np.zeros(3), "y": np.zeros(5)})
    assert [size(case, leaf) for leaf in "xyxy"] == [3, 5, 3, 5]
    assert asked == ["x", "y"]
    kept = weakref.ref(case)
    del case
    assert kept() is None


def test_a_case_that_all_share_cannot_be_written_to():
    inputs = official("rnn_backward").inputs
    for array in (inputs["da"], inputs["caches"][0]["parameters"]["Wax"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
