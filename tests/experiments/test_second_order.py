"""The study of curvature: its optimiser, what it counts, and its main."""

import jax.numpy as jnp
import newton.contest
import numpy as np
import pytest
import second_order as study
import typer
from newton import hessian_free


def test_damping_follows_the_ratio_and_a_step_the_loss():
    factors = [float(hessian_free._factor(jnp.float32(r))) for r in RATIOS]
    assert np.allclose(factors, list(RATIOS.values()))
    before = jnp.ones(())
    for good in (1.0, 0.25):
        rate, tries = hessian_free._searched(
            lambda rate, good=good: jnp.where(rate <= good, 0.5, jnp.nan),
            before,
            jnp.where(good == 1.0, 0.5, jnp.nan),
        )
        assert (rate, tries) == (good, 1 - np.log2(good))
    rate, _ = hessian_free._searched(lambda rate: before, before, before)
    assert rate == 0


RATIOS = {1.0: 2 / 3, 0.5: 1.0, 0.0: 1.5, -2.0: 4.0, float("nan"): 4.0}


def test_a_study_learns_counts_and_draws(tmp_path, capsys, monkeypatch):
    """Three symbols of no blank, by both; the work is the same to half a batch."""
    runs = {}
    contest = study.contest
    monkeypatch.setattr(study, "POINTS", 2)
    monkeypatch.setattr(newton.contest, "ADAM_CHUNK", 1)  # no rest: one program
    monkeypatch.setattr(
        study, "contest", lambda *args: runs.update(contest(*args)) or runs
    )
    path = tmp_path / "a.png"
    sizes = {"short": 1, "hidden": 4, "updates": 6, "iterations": 5, "batch": 40}
    study.main(problems="short", picture=path, **sizes)
    ours, adam = runs["Hessian-free"], runs["Adam"]
    assert abs(ours.work[-1] - adam.work[-1]) <= 32
    least = 40 * (1 + hessian_free.PRODUCT * (5 + 2) + hessian_free.VALUE)
    assert np.all(np.diff(ours.work) >= least - 1e-3)
    assert ours.losses[-1] < 0.7 * ours.losses[0]
    assert ours.loss < adam.loss
    assert list(ours.nets) == [0, *range(1, 7)]
    assert path.stat().st_size > 10_000
    told = capsys.readouterr().out
    assert "Hessian-free" in told and "Gauss-Newton, largest" in told


def test_an_unknown_problem():
    with pytest.raises(typer.BadParameter, match="expected problems among adding"):
        study.main(problems="parity")
