"""What the experiments share does what it says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import shared.page
import shared.study
from PIL import Image


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


@pytest.mark.parametrize(
    ("levels", "places"),
    [
        ([0.1, 0.5, 0.9], [0.1, 0.5, 0.9]),
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.2, 0.5, 0.5, 0.5], [0.2, 0.4, 0.5, 0.6]),
        ([0.38, 0.5, 0.5], [0.36, 0.46, 0.56]),
        ([-3.0, 7.0], [0.0, 1.0]),
    ],
)
def test_names_beside_curves_stand_a_gap_apart(levels, places):
    np.testing.assert_allclose(shared.page.spaced(levels, 0.1), places)


def test_every_curve_is_named_level_with_its_end():
    _, axes = shared.page.page()
    axes.set(yscale="log", ylim=(1e-4, 1))
    ends = [shared.page.End(f"{y:g}", 1, y, "C0") for y in (1e-3, 1e-1)]
    shared.page.name_ends(axes, ends, height=2.0)
    assert [text.get_text() for text in axes.texts] == ["0.001", "0.1"]
    np.testing.assert_allclose([text.xyann[1] for text in axes.texts], [0.25, 0.75])


def test_nothing_on_a_page_is_below_eight_points():
    drawing, axes = shared.page.page()
    axes.set(title="a", xlabel="b", ylabel="c")
    shared.page.caption(drawing, "d")
    drawing.canvas.draw()
    texts = drawing.findobj(lambda one: hasattr(one, "get_fontsize"))
    assert min(text.get_fontsize() for text in texts if text.get_text()) >= 8
    assert drawing.get_figwidth() * 96 <= 701


def test_a_picture_takes_few_bytes_and_keeps_its_size(tmp_path):
    drawing, axes = shared.page.page()
    axes.plot([0, 1])
    path = shared.study.save(drawing, tmp_path / "a.png", "a")
    with Image.open(path) as saved:
        assert saved.size == (1095, 540)
    assert path.stat().st_size < 20_000


def test_lists_and_spreads_in_words():
    assert shared.page.listed(["a", "b", "c"]) == "a, b and c"
    assert [shared.page.listed(names) for names in ([], ["a"])] == ["", "a"]
    assert shared.page.spread([0.31, 0.1], ".1f") == "0.1 to 0.3"
    assert shared.page.spread([2, 2], "d") == "2"
