"""The suite's own test: every planted mistake makes the gradient check fail."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import WAYS, T, errors, problem, tolerance
from mutants import MUTANTS, Mutant, plant

import scanrnn


def readout_gap(sr):
    """The worst error of the readout by hand against its oracle in the true library."""
    rng = np.random.default_rng(0)
    logits = jnp.asarray(rng.normal(size=(T, 4)))
    labels = jnp.asarray(rng.integers(4, size=T))
    weights = jnp.asarray(rng.random(T))

    def grad(loss):
        return jax.grad(lambda x: 1.7 * loss(x, labels, weights))(logits)

    got = grad(sr.softmax_cross_entropy)
    return max(errors(got, grad(scanrnn.plain_softmax_cross_entropy)).values())


def gap(mutant, sr):
    """The worst error of a gradient through ``sr`` against the true oracle."""
    if mutant.option == "readout":
        return readout_gap(sr)
    case = problem(mutant.cell, mutant.option, sr)
    want = problem(mutant.cell, mutant.option).cotangents(backward=scanrnn.Autodiff())
    got = case.cotangents(sr, backward=WAYS[mutant.way](sr))
    return max(errors(got, want).values())


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_mistake_is_caught(name, tmp_path):
    mutant = MUTANTS[name]
    assert not gap(mutant, plant(mutant, tmp_path)) <= tolerance(jnp.float64, T)


def test_a_copy_without_a_mistake_passes(tmp_path):
    nothing = Mutant("engine/scan.py", "class Sequence(", "class Sequence(")
    assert gap(nothing, plant(nothing, tmp_path)) <= tolerance(jnp.float64, T)
