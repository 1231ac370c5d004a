"""Many to one: the tasks are what they say, the gradients right, and cells learn."""

import jax
import jax.numpy as jnp
import many_to_one
import numpy as np
import pytest
import shared.memory
import typer

import scanrnn as sr

KEY = jax.random.key(0)
NAMES = list(shared.memory.CONTESTANTS)


def close(ours, theirs):
    for leaf, other in zip(*map(jax.tree.leaves, (ours, theirs)), strict=True):
        assert jnp.abs(other).max() > 0
        assert jnp.abs(leaf - other).max() <= 1e-5 * jnp.abs(other).max()


@pytest.mark.parametrize("length", [4, 11])
def test_adding_marks_one_number_in_each_half_and_tells_their_sum(length):
    batch = many_to_one.adding(KEY, length, 100)
    assert batch.xs.shape == (length, 100, 2)
    for b in range(100):
        numbers, marks = np.asarray(batch.xs[:, b]).T
        first, second = np.flatnonzero(marks)
        assert first < length // 2 <= second
        assert marks.sum() == 2
        assert np.isclose(batch.targets[b], numbers[first] + numbers[second])


def test_who_says_one_is_wrong_by_the_baseline():
    batch = many_to_one.adding(KEY, 10, 20_000)
    error = many_to_one.squared_error(jnp.ones((20_000, 1)), batch.targets)
    assert abs(error - many_to_one.BASELINE) < 0.01


def test_parity_counts_the_ones_within_the_length():
    batch = many_to_one.parity(KEY, 3, 9, 200)
    assert set(np.asarray(batch.lengths)) == set(range(3, 10))
    for b in range(200):
        bits = np.asarray(batch.xs[: batch.lengths[b], b]).tolist()
        assert batch.targets[b] == bits.count(1) % 2
    assert set(np.asarray(batch.xs).ravel()) == {0, 1}


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_autodiff(name):
    tasks = (
        (2, 1, many_to_one.adding(KEY, 7, 3), many_to_one.squared_error),
        (2, 2, many_to_one.parity(KEY, 2, 7, 3), sr.softmax_cross_entropy),
    )
    draws = [
        shared.memory.draw(name, KEY, inputs=X, outputs=V, hidden=5, longest=7)
        for X, V, _, _ in tasks
    ]

    def gradient(way):
        def loss(nets):
            return sum(
                grade(
                    many_to_one.answers(cell, net, batch, backward=way), batch.targets
                )
                for (cell, _), net, (_, _, batch, grade) in zip(
                    draws, nets, tasks, strict=True
                )
            )

        return jax.jit(jax.grad(loss))([net for _, net in draws])

    close(gradient(sr.Stored()), gradient(sr.Autodiff()))


def zero_weights(params):
    return params._replace(w_x=0 * params.w_x, w_h=0 * params.w_h)


def test_a_gru_begins_with_all_spans():
    cell, longest = sr.gru(150), 200
    params = shared.memory.chrono_gru(cell.init(KEY, 2), KEY, longest)
    start = cell.start(1)._replace(h=jnp.ones((1, 150)))
    xs = jnp.zeros((1, 1, 2))
    z = sr.unroll(cell, zero_weights(params), xs, start).final.h[0]
    spans = 1 / (1 - z)
    assert 2 < spans.min() < 10
    assert longest - 10 < spans.max() < longest
    assert abs(spans.mean() - longest / 2) < 15


def test_an_lstm_begins_with_all_spans_and_takes_in_what_it_gives_up():
    cell, longest = sr.lstm(150), 200
    params = zero_weights(shared.memory.chrono_lstm(cell.init(KEY, 2), KEY, longest))
    start = cell.start(1)._replace(c=jnp.ones((1, 150)))
    xs = jnp.zeros((1, 1, 2))
    f = sr.unroll(cell, params, xs, start).final.c[0]
    assert abs((1 / (1 - f)).mean() - longest / 2) < 15
    full = params._replace(b=params.b.at[300:450].set(20.0))  # g = 1
    assert jnp.allclose(sr.unroll(cell, full, xs, start).final.c, 1.0, atol=1e-6)


def test_an_irnn_holds_its_state_until_told():
    cell, net = shared.memory.draw(
        "irnn", KEY, inputs=2, outputs=1, hidden=3, longest=9
    )
    start = cell.start(2)._replace(h=jnp.arange(12.0).reshape(2, 6))
    run = sr.unroll(cell, net.cell, jnp.zeros((50, 2, 2)), start)
    assert jnp.array_equal(run.final.h, start.h)


def test_the_engine_learns_to_add_over_ten_steps():
    task = many_to_one.adding_task(10)
    [run] = shared.memory.train(["gru"], task, seeds=1, hidden=12, steps=400)["gru"]
    assert run.losses[0] > 0.1
    assert run.score < many_to_one.BASELINE / 5


def test_parity_learned_on_short_strings_holds_on_long_ones(monkeypatch):
    monkeypatch.setattr(many_to_one, "TRAINED", 6)
    monkeypatch.setattr(many_to_one, "TESTED", (6, 30))
    task = many_to_one.parity_task()
    [run] = shared.memory.train(["gru"], task, seeds=1, hidden=12, steps=500)["gru"]
    assert run.score.tolist() == [1.0, 1.0]


def test_contestants_have_about_as_many_weights():
    sizes = {
        name: shared.memory.weights(
            shared.memory.draw(name, KEY, inputs=2, outputs=1, hidden=32, longest=9)[1]
        )
        for name in NAMES
    }
    assert 0.7 * sizes["lstm"] < min(sizes.values()) <= max(sizes.values()) < 5000


def test_it_draws_its_picture_and_prints_every_cell(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(many_to_one, "TESTED", (3,))
    path = tmp_path / "a" / "picture.png"
    many_to_one.main(
        length=5, seeds=2, steps=3, hidden=2, cells="irnn, lstm", picture=path
    )
    assert path.read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert printed.count("ReLU RNN, identity") == printed.count("LSTM") == 2
    assert "GRU" not in printed


@pytest.mark.parametrize("cells", ["", "gru;lstm", "gru,transformer"])
def test_unknown_cells_are_one_clear_error(cells):
    with pytest.raises(typer.BadParameter, match="expected cells among rnn, irnn"):
        many_to_one.main(cells=cells)
