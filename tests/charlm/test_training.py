"""The step of training: its state, its gradient, its losses, its traces."""

import functools
import itertools
import math
from collections import Counter

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from by_numpy import by_numpy
from charlm_runs import TINY, tiny, train, write_names, write_text

import scanrnn as sr
from scanrnn.charlm import Config, Diverged, RunDirectory, char_model, read_about
from scanrnn.charlm.events import Compared, Evaluated, Stepped
from scanrnn.charlm.gradients import compare_gradients
from scanrnn.charlm.loop import Setup, prepare
from scanrnn.charlm.model import model_of
from scanrnn.charlm.placement import STREAMS, Placement
from scanrnn.charlm.schedule import MOST_STEPS, steps_per_call
from scanrnn.charlm.streams import Window, cut_window
from scanrnn.charlm.train import (
    TrainState,
    Update,
    evaluator,
    init_state,
    learning_rate,
    place_state,
    updater,
)

pytestmark = pytest.mark.usefixtures("standard_promotion")


@pytest.fixture
def standard_promotion():
    with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats
        yield


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return write_text(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    return write_names(tmp_path_factory.mktemp("corpus"))


KEY = jax.random.key(0)
CALL = MOST_STEPS  # at most, in calls of tiny runs: one program serves them all
# Settings of runs that learn; what holds of any run is asked of their programs, too.
LEARNS = {"hidden": 24, "batch": 4, "window": 20, "steps": 250, "dropout": 0.0}
NAMES = {"hidden": 16, "batch": 3, "window": 17, "learning_rate": 0.02}


def at(*progress: float) -> np.ndarray:
    return np.resize(np.float32(progress), CALL)


def window_at(setup: Setup, cursor: int, steps: int) -> Window:
    """As a step of training cuts it."""
    cut = by_numpy(lambda *at: cut_window(*at, steps, setup.task.separator))
    return cut(setup.tokens, np.int32(cursor))


def begin(setup: Setup) -> tuple[Update, TrainState, jax.Array]:
    """The call of a run, the state and the streams, as `fit` makes and places them."""
    config = setup.config
    placement = Placement.over(config.devices, config.batch)
    state = init_state(setup.task, config.batch, config.seed)
    return (
        updater(setup.task, placement),
        place_state(state, placement),
        placement.place(setup.tokens, STREAMS),
    )


def walk(
    config: Config, steps: int, rate: float = 1.0
) -> tuple[TrainState, list[float]]:
    """Steps of one; by a ``rate`` of 0 they leave the parameters as they are."""
    update, state, tokens = begin(prepare(config))
    losses = []
    for step in range(steps):
        state, metrics = update(state, tokens, at(rate * step / steps), np.int32(1))
        losses.append(float(metrics.loss[0]))
    return state, losses


def test_a_carried_state_makes_windows_one_long_unroll(text):
    config = tiny(text, **LEARNS)
    setup = prepare(config)
    model = setup.task.model
    state, losses = walk(config, 5, rate=0.0)
    params = init_state(setup.task, config.batch, config.seed).params
    long = window_at(setup, 0, 5 * config.window)
    loss, final = by_numpy(model.loss)(params, long, model.start(config.batch))
    np.testing.assert_allclose(np.mean(losses), loss, rtol=1e-5)
    chex.assert_trees_all_close(state.state, final, rtol=1e-4, atol=1e-6)


def test_the_state_starts_anew_when_the_streams_end(text):
    config = tiny(text, **LEARNS)
    setup = prepare(config)
    model, length = setup.task.model, setup.tokens.shape[0]
    per_pass = (length - 1) // config.window
    state, losses = walk(config, per_pass + 1, rate=0.0)
    cursor = int(state.cursor) - config.window
    assert 0 <= cursor < config.window
    params = init_state(setup.task, config.batch, config.seed).params
    window = window_at(setup, cursor, config.window)
    loss, _ = by_numpy(model.loss)(params, window, model.start(config.batch))
    np.testing.assert_allclose(losses[-1], loss, rtol=1e-5)


def test_the_state_starts_anew_at_every_name(names):
    setup = prepare(Config(names=names, hidden=7, batch=3, window=40, dropout=0.0))
    model, separator = setup.task.model, setup.task.separator
    params, predict = model.init(jax.random.key(1)), by_numpy(model.predict)
    window = window_at(setup, 5, 40)
    logits, _ = predict(params, window.inputs, model.start(3), window.resets)
    column = np.asarray(window.inputs[:, 1])
    starts = np.flatnonzero(column == separator)
    assert len(starts) > 2
    for start, end in itertools.pairwise(starts):
        alone, _ = predict(params, column[start:end, None], model.start(1))
        np.testing.assert_allclose(logits[start:end, 1], alone[:, 0], atol=1e-6)


def test_of_names_no_state_is_carried(names):
    config = Config(names=names, **NAMES)
    state, _ = walk(config, 3)
    chex.assert_trees_all_equal(state.state, task_start(config))


def task_start(config):
    return prepare(config).task.model.start(config.batch)


EXHAUSTIVE = pytest.mark.exhaustive


@pytest.mark.parametrize(
    "cell",
    [
        *("relu-rnn", "lstm"),
        *(
            pytest.param(c, marks=EXHAUSTIVE)
            for c in ("rnn", "gru", "gru-reset-before")
        ),
    ],
)
def test_the_hand_derived_gradient_is_that_of_jax(text, cell):
    layers = 2 if cell == "gru" else 1
    config = tiny(text, cell=cell, layers=layers, dropout=0.0)
    setup = prepare(config)
    size = setup.vocabulary.size
    window = window_at(setup, 0, config.window)
    params = setup.task.model.init(jax.random.key(3))
    compare = functools.partial(
        compare_gradients,
        by_jax=model_of(config, size, "autodiff"),
        params=params,
        window=window,
        state=setup.task.model.start(config.batch),
    )
    rows = compare(model_of(config, size, "recomputed:4"))
    assert len(rows) == len(jax.tree.leaves(params))
    assert all(row.largest > 0 for row in rows)
    assert max(row.relative for row in rows) < 1e-5


def test_the_comparison_finds_a_wrong_gradient(text, monkeypatch):
    setup = prepare(tiny(text))
    size = setup.vocabulary.size
    right = char_model(sr.stack(sr.rnn(7)), size, sr.Autodiff())
    cell = sr.rnn(7)

    def pull(params, tape, d_state):
        d_prev, delta = cell.pull(params, tape, d_state)
        return jax.tree.map(lambda leaf: 0.9 * leaf, d_prev), delta

    wrong = char_model(sr.stack(cell._replace(pull=pull)), size)
    window = window_at(setup, 0, 11)
    params = right.init(jax.random.key(3))
    rows = compare_gradients(wrong, right, params, window, right.start(3))
    found = {row.name: row.relative for row in rows}
    assert found[".layers[0].w_h"] > 1e-3
    assert found[".readout.w"] < 1e-5


def test_autodiff_leaves_the_whole_chain_to_jax():
    model = char_model(sr.stack(sr.gru(7)), 5, sr.Autodiff())
    params = model.init(jax.random.key(0))
    window = Window(jnp.zeros((11, 3), int), jnp.ones((11, 3), int))
    jaxpr = jax.make_jaxpr(model.loss)(params, window, model.start(3))
    assert "custom_vjp" not in str(jaxpr) and "_cross_entropy_jvp" not in str(jaxpr)
    by_hand = char_model(sr.stack(sr.gru(7)), 5)
    jaxpr = jax.make_jaxpr(by_hand.loss)(params, window, model.start(3))
    rules = "custom_vjp_call", "_dense_jvp", "_cross_entropy_jvp"
    assert all(rule in str(jaxpr) for rule in rules)


def test_another_way_back_trains_alike(text):
    def after(backward):
        return walk(tiny(text, backward=backward), 6)[1]

    assert TINY.backward == "fastest"  # whose program others run
    np.testing.assert_allclose(after("checkpointed:3"), after("fastest"), rtol=1e-4)


def test_calls_of_all_lengths_are_traced_once(text, monkeypatch):
    setup, jit = prepare(tiny(text)), jax.jit
    _, state, tokens = begin(setup)

    def counting(update, **how):
        return jit(chex.assert_max_traces(update, n=1), **how)

    monkeypatch.setattr(jax, "jit", counting)
    counted = updater.__wrapped__(setup.task, Placement.over(1, TINY.batch))
    monkeypatch.undo()
    for count in (1, CALL, 7, 2, *[CALL] * 11):  # more than a pass over the streams
        state, _ = counted(state, tokens, at(0), np.int32(count))
    assert int(state.step) == 10 + 12 * CALL


def test_how_steps_fall_into_calls_changes_no_bit(text):
    setup, rates = prepare(tiny(text)), np.linspace(0, 1, 36, dtype=np.float32)
    ends = []
    for lengths in ((1,) * 36, (12, 12, 12), (5, 12, 12, 7)):
        (update, state, tokens), losses = begin(setup), []
        for count in lengths:
            progress = at(*rates[len(losses) :][:count])
            state, metrics = update(state, tokens, progress, np.int32(count))
            losses += [*np.asarray(metrics.loss[:count])]
        ends.append((jax.device_get(state._replace(key=0)), losses))
    chex.assert_trees_all_equal(*ends)


@pytest.mark.parametrize(
    "most",
    [CALL, *(pytest.param(k, marks=pytest.mark.exhaustive) for k in (3, 64))],
)
def test_many_steps_a_call_are_the_same_run(text, tmp_path, most):
    by_one, by_many = (
        train(tmp_path / str(k), tiny(text, samples=1, steps_per_call=k))
        for k in (1, most)
    )
    assert [untimed(event) for event in by_many] == [untimed(e) for e in by_one]
    assert [type(event) for event in by_many].count(Stepped) == 40


def untimed(event):
    """What an event tells, apart from times, paths and settings."""
    match event:
        case Stepped(step, loss, progress, _):
            return step, pytest.approx(loss, rel=1e-5), pytest.approx(progress)
        case Evaluated(step, loss, _):
            return step, pytest.approx(loss, rel=1e-5)
    return type(event), getattr(event, "step", None)


def test_a_small_model_makes_many_steps_a_call_and_a_large_one_few():
    small = Config(hidden=32, batch=8, window=16)
    assert steps_per_call(small, 20_000) == 16
    assert 1 < steps_per_call(small, 200_000) < 16
    assert steps_per_call(Config(), 800_000) == 1
    assert steps_per_call(Config(steps_per_call=5), 800_000) == 5


def test_the_state_is_donated(text):
    update, state, tokens = begin(prepare(tiny(text)))
    held = jax.tree.leaves((state.params, state.opt_state, state.state))
    update(state, tokens, at(0), np.int32(1))
    assert all(leaf.is_deleted() for leaf in held)


def test_of_each_stream_the_same_units_are_left_out_in_a_whole_window(text):
    setup = prepare(tiny(text, hidden=400, batch=5, dropout=0.3))
    model, size = setup.task.model, setup.vocabulary.size
    kept = model.draw_kept(jax.random.key(0), 5)
    assert kept.shape == (1, 5, 400)
    assert abs(float(kept.mean()) - 0.7) < 4 * (0.3 * 0.7 / kept.size) ** 0.5
    drawn, shapes = np.random.default_rng(1), jax.eval_shape(model.init, KEY)
    params = jax.tree.map(
        lambda leaf: drawn.normal(0, 0.1, leaf.shape).astype(leaf.dtype), shapes
    )
    start, window = model.start(5), window_at(setup, 0, 11)

    def by_the_equations(params, window):
        run = sr.stack(sr.lstm(400)).run(params.layers, window.inputs, start)
        logits = run[0] * kept / 0.7 @ params.readout.w + params.readout.b
        assert size == logits.shape[-1]
        losses = optax.softmax_cross_entropy_with_integer_labels
        return losses(logits, window.labels).mean()

    found, _ = by_numpy(model.loss)(params, window, start, kept)
    expected = by_numpy(by_the_equations)(params, window)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_dropout_is_drawn_anew_at_every_step_and_never_when_evaluating(text):
    config = tiny(text, dropout=0.5)
    setup = prepare(config)
    model, params = setup.task.model, setup.task.model.init(jax.random.key(0))
    window, loss = window_at(setup, 0, config.window), by_numpy(model.loss)
    start = model.start(config.batch)
    losses = [
        float(loss(params, window, start, model.draw_kept(key, 3))[0])
        for key in map(jax.random.key, (1, 2))
    ]
    whole = loss(params, window, start)[0]
    plain = model_of(tiny(text, dropout=0.0), setup.vocabulary.size)
    assert losses[0] != losses[1]
    assert float(whole) == float(by_numpy(plain.loss)(params, window, start)[0])


def test_the_learning_rate_rises_and_falls_to_zero():
    rate = by_numpy(lambda progress: learning_rate(2.0, progress))
    rates = [float(rate(p)) for p in np.linspace(0, 1, 101)]
    assert rates[0] == 0
    assert max(rates) == pytest.approx(2.0, rel=1e-3)
    assert np.argmax(rates) == 3
    assert (np.diff(rates[3:]) <= 0).all()
    assert rates[-1] == pytest.approx(0, abs=1e-6)


def test_a_trained_model_beats_the_frequencies_of_characters(text, tmp_path):
    config = tiny(text, **LEARNS)
    events = train(tmp_path / "run", config)
    losses = [event.loss for event in events if isinstance(event, Stepped)]
    held_out = [event.loss for event in events if isinstance(event, Evaluated)]
    corpus = prepare(config).corpus
    counts = Counter(corpus.held_out)
    total = len(corpus.held_out)
    unigram = -sum(n / total * math.log(n / total) for n in counts.values())
    assert len(losses) == 250
    assert np.mean(losses[-20:]) < np.mean(losses[:20]) / 2
    assert held_out[-1] < 0.5 * unigram
    [compared] = [event for event in events if isinstance(event, Compared)]
    assert max(row.relative for row in compared.rows) < 1e-5


def test_names_train(names, tmp_path):
    config = Config(
        names=names, steps=150, samples=1, evaluations=2, checkpoints=1, **NAMES
    )  # fmt: skip
    events = train(tmp_path / "run", config)
    held_out = [event.loss for event in events if isinstance(event, Evaluated)]
    assert held_out[-1] < math.log(7) * 0.75


def test_the_held_out_loss_is_that_of_one_pass(text):
    setup = prepare(tiny(text, dropout=0.0))
    model = setup.task.model
    params = model.init(jax.random.key(0))
    found = evaluator(model, False)(params, setup.held_out)
    windows = setup.held_out
    batch = windows.inputs.shape[2]
    whole = Window(*(np.reshape(leaf, (-1, batch)) for leaf in windows[:3]))
    expected, _ = by_numpy(model.loss)(params, whole, model.start(batch))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_loss_that_is_not_finite_stops_the_run(text, tmp_path):
    run = RunDirectory(tmp_path / "run")
    config = tiny(text, cell="relu-rnn", learning_rate=1e38, checkpoints=1)
    with pytest.raises(Diverged, match=r"step \d+: .*last good checkpoint is .*/0\."):
        train(run.path, config)
    assert run.steps() == [0]
    finite = [line["loss"] for line in run.read_metrics() if "loss" in line]
    assert np.isfinite(finite).all()


def test_too_few_devices_are_named(text, tmp_path):
    count = len(jax.devices()) + 1
    with pytest.raises(ValueError, match=f"JAX_NUM_CPU_DEVICES={count}"):
        train(tmp_path / "run", tiny(text, batch=count, devices=count))


@pytest.mark.parametrize("most", [pytest.param(1, marks=pytest.mark.exhaustive), CALL])
def test_a_run_by_the_clock_ends_with_it(text, tmp_path, most):
    config = tiny(text, minutes=0.02, checkpoints=1, steps_per_call=most)
    events = train(tmp_path / "run", config)
    steps = [event for event in events if isinstance(event, Stepped)]
    assert steps[-1].progress == 1
    assert all(event.progress < 1 for event in steps[:-1])
    assert (np.diff([event.progress for event in steps]) >= 0).all()
    assert len(steps) % most == 1 % most
    assert isinstance(events[-2], Evaluated)
    about = read_about(RunDirectory(tmp_path / "run"))
    assert about.step == len(steps)
    assert about.seconds >= 1.2
    assert len(train(tmp_path / "run", None, resume=True)) == 1  # the time is up
