"""Values and gradients that torch, Flax and Haiku computed (golden/make.py)."""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy
from cases import WAYS, assert_close
from pairs import each

import scanrnn as sr

GOLDEN = json.loads((pathlib.Path(__file__).parent / "golden/golden.json").read_text())


def cell_of(name, size):
    if "lstm" in name:
        return sr.lstm(size)
    if "gru" in name:
        return sr.gru(size, reset_after="before" not in name)
    return sr.rnn(size)


@pytest.mark.parametrize(("name", "way"), each(GOLDEN, [*WAYS, "autodiff"]))
def test_values_and_gradients(name, way):
    backward = {**WAYS, "autodiff": lambda sr: sr.Autodiff()}[way](sr)
    given, want = jax.tree.map(
        jnp.asarray,
        GOLDEN[name],
        is_leaf=lambda x: (
            isinstance(x, list) and not any(isinstance(item, dict) for item in x)
        ),
    )
    cell = cell_of(name, given["h"].shape[1])
    params = cell.init(jax.random.key(0), given["xs"].shape[2])
    params = type(params)(*(given[field] for field in params._fields))
    start = cell.start(given["h"].shape[0])
    start = type(start)(*(given[field] for field in start._fields))
    d_final = type(start)(*(given[f"d_final_{field}"] for field in start._fields))

    def run(params, xs, start):
        return tuple(sr.unroll(cell, params, xs, start, backward=backward))

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
    assert set(got) == set(want)
    assert_close(got, want)


def test_the_file_holds_what_it_says():
    names = {f"torch-{kind}" for kind in ("rnn", "gru", "lstm")}
    names |= {"flax-gru", "flax-lstm", "haiku-gru-reset-before"}
    assert set(GOLDEN) == names
    for given, want in GOLDEN.values():
        assert np.shape(want["outputs"]) == np.shape(given["d_outputs"])
