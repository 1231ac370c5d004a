"""Copy memory: the task is what it says, the gradients right, and cells learn."""

import copy_memory
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import shared.memory
import typer

import scanrnn as sr

KEY = jax.random.key(0)


@pytest.mark.parametrize("blanks", [1, 7])
def test_symbols_come_first_and_are_told_last(blanks):
    batch = copy_memory.copying(KEY, blanks, 50)
    assert batch.xs.shape == batch.targets.shape == (blanks + 20, 50)
    for xs, targets in zip(
        *map(np.asarray, (batch.xs.T, batch.targets.T)), strict=True
    ):
        symbols = xs[:10].tolist()
        assert set(symbols) <= set(range(1, 9))
        assert xs[10:].tolist() == [0] * (blanks - 1) + [9] + [0] * 10
        assert targets.tolist() == [0] * (blanks + 10) + symbols
    assert set(np.asarray(batch.xs[:10]).ravel()) == set(range(1, 9))


def test_the_baseline_is_the_loss_of_who_knows_all_but_the_symbols():
    batch = copy_memory.copying(KEY, 13, 3)
    logits = np.full((33, 3, 9), -100.0, np.float32)
    logits[:-10, :, 0] = 0
    logits[-10:, :, 1:] = 0
    loss = sr.softmax_cross_entropy(logits, batch.targets)
    assert abs(loss - copy_memory.baseline(13)) < 1e-5
    assert abs(copy_memory.baseline(1000) - 0.02039) < 1e-5


@pytest.mark.parametrize("name", list(shared.memory.CONTESTANTS))
def test_gradients_are_those_of_autodiff(name):
    cell, net = shared.memory.draw(
        name, KEY, inputs=10, outputs=9, hidden=5, longest=23
    )
    batch = copy_memory.copying(KEY, 3, 2)

    def gradient(way):
        def loss(net):
            logits = copy_memory.answers(cell, net, batch.xs, backward=way)
            return sr.softmax_cross_entropy(logits, batch.targets)

        return jax.jit(jax.grad(loss))(net)

    ours, theirs = map(jax.tree.leaves, map(gradient, (sr.Stored(), sr.Autodiff())))
    for leaf, other in zip(ours, theirs, strict=True):
        assert jnp.abs(other).max() > 0
        assert jnp.abs(leaf - other).max() <= 1e-5 * jnp.abs(other).max()


def test_a_short_copy_is_learned(monkeypatch):
    monkeypatch.setattr(copy_memory, "SYMBOLS", 2)
    task = copy_memory.copy_task(3)
    [run] = shared.memory.train(["gru"], task, seeds=1, hidden=16, steps=500)["gru"]
    assert run.score.shares.shape == (2,)
    assert run.score.shares.mean() > 0.9
    assert run.score.entropy < copy_memory.baseline(3) / 4


def test_it_draws_its_picture_and_prints_every_cell(tmp_path, capsys):
    path = tmp_path / "a" / "picture.png"
    copy_memory.main(
        length=3, seeds=2, steps=3, hidden=2, cells="rnn,gru", picture=path
    )
    assert path.read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert printed.count("tanh RNN, orthogonal") == printed.count("GRU") == 1
    assert "LSTM" not in printed


def test_unknown_cells_are_one_clear_error():
    with pytest.raises(typer.BadParameter, match="expected cells among rnn, irnn"):
        copy_memory.main(cells="gru,tcn")
