"""The third oracle: what a machine derives from a cell's own step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy
from cases import CELLS, error, tolerance
from mutants import MUTANTS, plant
from pairs import pairs

import scanrnn as sr
from scanrnn.verify.audit.derived import derived
from scanrnn.verify.audit.settings import (
    STEPS,
    gradient,
    point_of,
    settings,
)

PLANTED = [name for name, m in MUTANTS.items() if m.file.startswith("cells/")]
ONE = "the memory's own path is dropped"
MASKED = settings(0)[1]


def nowhere(*args):
    raise AssertionError("the third oracle called the cell's own way back")


def agrees(cell):
    """The cell's gradient, by `pull` and `collect` of its own, with the machine's."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: cell.init(jax.random.key(0), 3, float))
    params = jax.tree.map(lambda s: jnp.asarray(rng.normal(size=s.shape)), shapes)
    point, cotangents = point_of(cell, params, 0)

    def leaves(cell):
        back = by_numpy(gradient(cell, MASKED, sr.Stored()))
        return jax.tree.leaves(back(point, cotangents))

    machine = derived(cell._replace(pull=nowhere, collect=nowhere))
    got, want = leaves(cell), leaves(machine)
    return max(map(error, got, want)) <= tolerance(float, 4 * STEPS)


@pytest.mark.parametrize("name", pairs(PLANTED, needed=[(ONE,)]))
def test_a_planted_mistake_is_seen_by_what_is_derived(name, tmp_path):
    mutant = MUTANTS[name]
    planted = CELLS[mutant.cell](plant(mutant, tmp_path))
    assert not agrees(sr.Cell(*planted[:6]))


@pytest.mark.parametrize("name", pairs(CELLS, needed=[("gru-reset-before",)]))
def test_what_is_right_is_what_is_derived(name):
    assert agrees(CELLS[name](sr))


def test_what_was_derived_itself_has_no_third_derivation():
    assert derived(sr.derive(lambda params, h, x: (h, h))) is None
