"""What the experiments share does what it says."""

import jax
import jax.numpy as jnp
import pytest
import shared.study


def test_fit_finds_the_minimum_and_tells_every_loss():
    target = jnp.array([1.0, -2.0])

    def loss(params, key):
        return jnp.sum((params - target) ** 2)

    start = jnp.zeros(2)
    params, losses = shared.study.fit(
        loss, start, jax.random.key(0), steps=70, rate=0.1
    )
    assert losses.shape == (70,)
    assert losses[0] == 5.0
    assert losses[-1] < 0.1
    assert jnp.allclose(params, target, atol=0.3)
    assert jnp.array_equal(start, jnp.zeros(2))  # not donated


def test_watch_tells_the_norm_before_clipping():
    def loss(params, key):
        return 3.0 * params[0] - 4.0 * params[1]

    run = shared.study.watch(loss, jnp.zeros(2), jax.random.key(0), steps=60)
    assert run.norms.tolist() == [5.0] * 60
    params, losses = shared.study.fit(loss, jnp.zeros(2), jax.random.key(0), steps=60)
    assert jnp.array_equal(run.params, params)
    assert run.told.tolist() == losses.tolist()


def test_fit_ends_with_the_chunk_that_reaches_the_level():
    def loss(params, key):
        return (params - 1.0) ** 2

    options = {"steps": 500, "rate": 0.1, "chunk": 10}
    _, all_of_it = shared.study.fit(loss, jnp.zeros(()), jax.random.key(0), **options)
    _, losses = shared.study.fit(
        loss, jnp.zeros(()), jax.random.key(0), level=0.05, **options
    )
    means = all_of_it.reshape(-1, 10).mean(1)
    first = int((means < 0.05).argmax())
    assert 0 < first < 49
    assert losses.tolist() == all_of_it[: 10 * (first + 1)].tolist()


def test_runs_of_one_loss_trace_it_once():
    traces = []

    def loss(params, key):
        traces.append(key)
        return (params - 1.0) ** 2

    for start in (0.0, 3.0):
        shared.study.fit(loss, jnp.asarray(start), jax.random.key(0), steps=5)
        assert len(traces) == 1


def test_fit_gives_every_update_its_own_key():
    """That two of 60 have the same 32 random bits has a chance of 4e-7."""

    def loss(params, key):
        return params * 0, jax.random.bits(key)

    _, bits = shared.study.fit(
        loss, jnp.zeros(()), jax.random.key(0), steps=60, has_aux=True
    )
    assert len(set(bits.tolist())) == 60


def test_fit_hands_on_what_stands_beside_the_loss():
    def loss(params, key):
        return jnp.sum(params**2), {"before": params}

    start = jnp.array([1.0, -2.0])
    _, told = shared.study.fit(loss, start, jax.random.key(0), steps=60, has_aux=True)
    assert told["before"].shape == (60, 2)
    assert jnp.array_equal(told["before"][0], start)


def test_a_picture_is_never_overwritten(tmp_path):
    drawing, _ = shared.study.figure()
    paths = [shared.study.save(drawing, tmp_path / "a.png", "b") for _ in range(3)]
    assert [path.name for path in paths] == ["a.png", "a-2.png", "a-3.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_a_picture_is_named_after_its_script(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drawing, _ = shared.study.figure()
    assert shared.study.save(drawing, None, "two_streams").name == "two_streams.png"


@pytest.mark.parametrize("steps", [1, 50, 51])
def test_fit_runs_as_many_updates_as_asked(steps):
    def loss(params, key):
        return (params - 1.0) ** 2

    _, losses = shared.study.fit(loss, jnp.zeros(()), jax.random.key(0), steps=steps)
    assert len(losses) == steps
