"""Measured models: who is timed has the gradients of the library's own layer."""

import frameworks
import jax.numpy as jnp
import pytest
from frameworks import MODELS, Size, contestants, error, rows

TINY = Size(T=5, B=2, X=3, H=4)


def test_who_has_other_gradients_is_not_timed(monkeypatch):
    """The oracle of the measurement fails where a model is another."""

    def wrong(step, start, xs):
        final, outputs = frameworks.sr.scan(step, start, xs)
        return final, 1.01 * outputs

    ways = {"its own": None, "Stored": wrong}
    monkeypatch.setattr(frameworks, "WAYS", ways)
    with pytest.raises(ValueError, match="gradients of its own layer"):
        contestants(MODELS["Haiku"](TINY), TINY, 1)
    assert error(jnp.ones(3), jnp.ones(3)) == 0


@pytest.mark.exhaustive
def test_every_library_on_one_and_two_devices():
    told = list(rows(TINY, seconds=0.0, rounds=1))
    assert [(name, devices) for name, devices, *_ in told] == [
        (name, devices) for name in MODELS for devices in "12"
    ]
