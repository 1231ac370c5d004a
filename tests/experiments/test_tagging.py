"""Tags that need both directions: the data, the bounds, the gradients, the answer."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tagging
from cases import errors, tolerance

import scanrnn as sr


def tag_by_hand(task, word, t):
    """The tag of a position from the definition, or None."""
    before = [x for x in word[:t] if x != tagging.BLANK]
    after = [x for x in word[t + 1 :] if x != tagging.BLANK]
    if not before or not after:
        return None
    pair = (before[-1] == tagging.B, after[0] == tagging.B)
    return int(pair[0] == pair[1]) if task == "agree" else 2 * pair[0] + pair[1]


@pytest.mark.parametrize("task", tagging.TASKS)
def test_tags_are_those_of_the_definition(task):
    data = tagging.draw(jax.random.key(0), task, 40, 11)
    lengths = np.asarray(data.lengths)
    assert {3, 11} <= set(lengths.tolist()) <= set(range(3, 12))
    for n, length in enumerate(lengths):
        word = data.xs[:length, n].tolist()
        tags = [tag_by_hand(task, word, t) for t in range(length)]
        assert word[0] != tagging.BLANK and word[-1] != tagging.BLANK
        assert data.counts[:, n].tolist() == [
            t < length and tags[t] is not None for t in range(11)
        ]
        for t in np.flatnonzero(data.counts[:, n]):
            assert data.tags[t, n] == tags[t]


@pytest.mark.parametrize("task", tagging.TASKS)
def test_the_future_of_a_position_is_a_fair_coin_given_its_past(task):
    data = tagging.draw(jax.random.key(1), task, 4000, 15)
    t = 4
    before, after = tagging.nearest(data.xs), tagging.nearest(data.xs[::-1])[::-1]
    counts = data.counts[t]
    for past, present in itertools.product((tagging.A, tagging.B), range(3)):
        alike = counts & (before[t] == past) & (data.xs[t] == present)
        share = float((after[t] == tagging.A)[alike].mean())
        assert abs(share - 0.5) < 3.5 * 0.5 / float(alike.sum()) ** 0.5


def test_no_sum_of_two_scores_has_more_than_three_of_four_right():
    """The bound of the docstring, with random scores; and it is attained."""
    rng = np.random.default_rng(0)
    past, future = rng.normal(size=(2, 10_000, 2))
    agree = (past[:, :, None] + future[:, None, :] > 0) == np.eye(2, dtype=bool)
    assert agree.mean((1, 2)).max() == 0.75


@pytest.mark.parametrize("name", ["bidirectional", "bidirectional, two layers"])
def test_gradients_are_those_of_jax_grad(name):
    with jax.enable_x64(True):
        layer = tagging.layers(3)[name]
        params = tagging.init(jax.random.key(0), layer, "pair")
        data = tagging.draw(jax.random.key(1), "pair", 5, 11)
        assert params.readout.w.dtype == jnp.float64
        by_hand, by_jax = (
            jax.jit(jax.grad(lambda p, way=way: tagging.loss(p, layer, data, way)))(
                params
            )
            for way in (sr.Stored(), sr.Autodiff())
        )
        assert all(jnp.abs(leaf).max() > 0 for leaf in jax.tree.leaves(by_jax))
        assert max(errors(by_hand, by_jax).values()) < tolerance(jnp.float64, 11)


def test_padding_changes_nothing():
    layer = tagging.layers(3)["bidirectional, two layers"]
    params = tagging.init(jax.random.key(0), layer, "pair")
    data = tagging.draw(jax.random.key(1), "pair", 5, 11)
    steps = jnp.arange(11)[:, None]
    other = data._replace(xs=jnp.where(steps < data.lengths, data.xs, tagging.B))
    assert (other.xs != data.xs).any()
    loss = jax.jit(tagging.loss, static_argnums=1)
    assert loss(params, layer, data) == loss(params, layer, other)


def test_both_directions_solve_what_one_cannot():
    """Short sequences: one layer of both directions has the pairs, and soon."""
    options = {"hidden": 8, "longest": 10, "steps": 150}
    losses, right = tagging.train("pair", "bidirectional", 0, **options)
    assert losses.shape == (150,)
    assert right > 0.97
    losses, right = tagging.train("pair", "forward", 0, **options)
    assert right < 0.53
    assert losses[-20:].mean() > 0.95 * np.log(2)


@pytest.mark.parametrize("steps", [1, 7])
def test_the_script_tells_and_draws(tmp_path, capsys, monkeypatch, steps):
    asked = []

    def train(task, name, seed, *, hidden, longest, steps):
        asked.append((task, name, seed))
        return np.linspace(0.72, 0.7, steps), 0.125 * seed

    monkeypatch.setattr(tagging, "train", train)
    picture = tmp_path / "tagging.png"
    tagging.main(seeds=2, steps=steps, hidden=2, longest=4, picture=picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    told = capsys.readouterr().out
    assert told.count("12.50%") == len(tagging.TASKS) * len(tagging.COLOURS)
    assert asked == list(itertools.product(tagging.TASKS, tagging.COLOURS, range(2)))
