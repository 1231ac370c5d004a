"""Values and gradients that others computed: torch, Flax and Haiku (golden/make.py).

And memorax, and the papers in NumPy (golden/make_diagonal.py).
"""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy
from cases import PARALLEL, WAYS, assert_close
from pairs import each

import scanrnn as sr
from scanrnn.verify.audit.reals import joined, paired

FOLDER = pathlib.Path(__file__).parent / "golden"
GOLDEN = json.loads((FOLDER / "golden.json").read_text())
DIAGONAL = json.loads((FOLDER / "diagonal.json").read_text())
OF_DIAGONAL = {
    "paper-ind-rnn": lambda size: sr.ind_rnn(size, activation="tanh"),
    "paper-min-lstm": sr.min_lstm,
    "memorax-min-gru": lambda size: sr.min_gru(size, activation="positive", bias=False),
    "memorax-lru": sr.lru,
}


def cell_of(name, size):
    if name in OF_DIAGONAL:
        return OF_DIAGONAL[name](size)
    if "lstm" in name:
        return sr.lstm(size)
    if "gru" in name:
        return sr.gru(size, reset_after="before" not in name)
    return sr.rnn(size)


OTHERS = {**WAYS, **PARALLEL, "autodiff": lambda sr: sr.Autodiff()}


@pytest.mark.parametrize(
    ("name", "way"),
    [*each(GOLDEN, [*WAYS, "autodiff"]), *each(DIAGONAL, [*PARALLEL, "stored"])],
)
def test_values_and_gradients(name, way):
    backward = OTHERS[way](sr)
    given, want = jax.tree.map(
        jnp.asarray,
        (GOLDEN | DIAGONAL)[name],
        is_leaf=lambda x: (
            isinstance(x, list) and not any(isinstance(item, dict) for item in x)
        ),
    )
    cell = cell_of(name, given["h"].shape[1])
    params = cell.init(jax.random.key(0), given["xs"].shape[2])
    params = type(params)(*(given.get(field) for field in params._fields))
    start = cell.start(given["h"].shape[0])
    start = type(start)(*(given[field] for field in start._fields))
    d_final = type(start)(*(given[f"d_final_{field}"] for field in start._fields))

    def run(params, xs, start):  # complex states as pairs
        start = joined(cell, start)
        return paired(tuple(sr.unroll(cell, params, xs, start, backward=backward)))

    @by_numpy
    def there_and_back(params, xs, start):
        made, pull = jax.vjp(run, params, xs, start)
        return made, pull((given["d_outputs"], d_final))

    made, cotangents = there_and_back(params, given["xs"], start)
    (outputs, final), (d_params, d_xs, d_start) = made, cotangents
    got = {"outputs": outputs, "d_xs": d_xs}
    got |= {f"final_{k}": leaf for k, leaf in final._asdict().items()}
    got |= {f"d_{k}": leaf for k, leaf in d_start._asdict().items()}
    got |= {f"d_{k}": leaf for k, leaf in d_params._asdict().items()}
    got = {k: leaf for k, leaf in got.items() if leaf is not None}
    assert set(got) == set(want)
    assert_close(got, want)


def test_the_file_holds_what_it_says():
    names = {f"torch-{kind}" for kind in ("rnn", "gru", "lstm")}
    names |= {"flax-gru", "flax-lstm", "haiku-gru-reset-before"}
    assert set(GOLDEN) == names
    assert set(DIAGONAL) == set(OF_DIAGONAL)
    for given, want in (GOLDEN | DIAGONAL).values():
        assert np.shape(want["outputs"]) == np.shape(given["d_outputs"])
