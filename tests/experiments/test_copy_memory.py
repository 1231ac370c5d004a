"""Copy memory: the task is what it says, the gradients right, and a cell learns it."""

import copy_memory
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import typer
from by_numpy import by_numpy
from shared import memory

import scanrnn as sr

KEY = jax.random.key(0)
EVERY = pytest.mark.exhaustive


@pytest.mark.parametrize("blanks", [1, 7])
def test_symbols_come_first_and_are_told_last(blanks):
    batch = copy_memory.copying(KEY, blanks, 50)
    assert batch.xs.shape == batch.targets.shape == (blanks + 20, 50)
    words, answers = (np.asarray(tokens).T for tokens in batch)
    for xs, targets in zip(words, answers, strict=True):
        symbols = xs[:10].tolist()
        assert xs[10:].tolist() == [0] * (blanks - 1) + [9] + [0] * 10
        assert targets.tolist() == [0] * (blanks + 10) + symbols
    # That one of eight is missing among 500 has a chance of 8 (7/8)^500 = 1e-28.
    assert set(words[:, :10].ravel()) == set(range(1, 9))


def test_the_baseline_is_the_loss_of_who_knows_all_but_the_symbols():
    batch = copy_memory.copying(KEY, 7, 50)
    logits = np.full((27, 50, 9), -100.0, np.float32)
    logits[:-10, :, 0] = 0
    logits[-10:, :, 1:] = 0
    loss = jax.jit(sr.softmax_cross_entropy)(logits, batch.targets)
    assert abs(loss - copy_memory.baseline(7)) < 1e-5
    assert abs(copy_memory.baseline(1000) - 0.02039) < 1e-5


@pytest.mark.parametrize(
    "name",
    ["irnn", *(pytest.param(name, marks=EVERY) for name in ("rnn", "gru", "lstm"))],
)
def test_gradients_are_those_of_autodiff(name):
    cell, net = memory.draw(name, KEY, inputs=10, outputs=9, hidden=5, longest=23)
    batch = copy_memory.copying(KEY, 3, 2)

    def gradient(way):
        def loss(net):
            logits = copy_memory.answers(cell, net, batch.xs, backward=way)
            return sr.softmax_cross_entropy(logits, batch.targets)

        return by_numpy(jax.grad(loss))(net)

    ours, theirs = map(jax.tree.leaves, map(gradient, (sr.Stored(), sr.Autodiff())))
    for leaf, other in zip(ours, theirs, strict=True):
        assert jnp.abs(other).max() > 0
        assert jnp.abs(leaf - other).max() <= 1e-5 * jnp.abs(other).max()


def test_a_short_copy_is_learned_drawn_and_told(tmp_path, monkeypatch, capsys):
    """Of two symbols. Over ten seeds the entropy is 0.004 to 0.02 nats.

    A quarter of the baseline is 0.15, more than twenty standard deviations away.
    """
    found, table_of = {}, copy_memory.table_of
    monkeypatch.setattr(copy_memory, "SYMBOLS", 2)
    monkeypatch.setattr(
        copy_memory, "table_of", lambda runs, T: found.update(runs) or table_of(runs, T)
    )
    path = tmp_path / "a" / "picture.png"
    copy_memory.main(length=3, seeds=2, steps=500, hidden=16, cells="gru", picture=path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert list(found) == ["gru"]
    assert len(found["gru"]) == 2
    for run in found["gru"]:
        assert run.score.shares.shape == (2,)
        assert run.score.entropy < copy_memory.baseline(3) / 4
    printed = capsys.readouterr().out
    assert printed.count("GRU") == 1
    assert "LSTM" not in printed


def test_unknown_cells_are_one_clear_error():
    with pytest.raises(typer.BadParameter, match="expected cells among rnn, irnn"):
        copy_memory.main(cells="gru,tcn")
