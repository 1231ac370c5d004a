"""The study of learning online: its streams, its costs, and its main."""

import jax
import jax.numpy as jnp
import numpy as np
import online_learning as study
import pytest


@pytest.mark.exhaustive
def test_a_copy_wants_in_order_what_it_showed():
    """Every sequence at a place of its own, and a reset where an episode begins."""
    draw = jax.jit(lambda first: study.copy(jax.random.key(0), first, 40))
    at = draw(jnp.int32(0))
    for b in range(study.BATCH):
        (begins,) = np.nonzero(at.resets[:, b])
        for t in begins[begins < 40 - study.EPISODE]:
            shown = at.xs[t : t + study.SHOWN, b, 0]
            asked = slice(t + study.LAG, t + study.EPISODE)
            assert np.array_equal(at.targets[asked, b], (shown + 1) / 2)
            assert at.weights[asked, b].all() and not at.xs[asked, b, 0].any()
            assert at.weights[t : t + study.EPISODE, b].sum() == study.SHOWN
    assert len(set(np.argmax(at.resets, 0).tolist())) == study.BATCH
    later = draw(jnp.int32(7))  # a stream is the same, wherever it is cut
    assert np.array_equal(later.xs[:33], at.xs[7:])


def test_an_echo_wants_the_bit_of_six_steps_ago():
    at = jax.jit(lambda: study.echo(jax.random.key(0), jnp.int32(5), 30))()
    assert np.array_equal(at.targets[study.LAG :], (at.xs[: -study.LAG, :, 0] + 1) / 2)
    assert at.weights.all() and not at.resets.any()


def test_operations_of_a_product_in_a_loop():
    def program(w, x):
        return jax.lax.scan(lambda h, _: (h @ w, None), x, None, length=5)[0]

    traced = jax.make_jaxpr(program)(jnp.ones((4, 4)), jnp.ones((2, 4)))
    assert study.operations(traced.jaxpr) == 5 * 2 * (2 * 4 * 4)


def test_what_a_step_costs_and_holds():
    """RTRL S times as much as the others; a window holds its tapes, online none."""
    costs = {name: study.cost_of_a_step(way, 3) for name, way in study.WAYS.items()}
    assert costs["rtrl"] > 2 * max(costs["snap"], costs["uoro"])
    assert costs["window16"] < costs["window4"] < costs["snap"]
    for name, way in study.WAYS.items():
        grows = study.held_bytes(way, 3, 2) < study.held_bytes(way, 3, 200)
        assert grows == name.startswith("window")


def test_main_draws_a_picture(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(study, "POINTS", 4)
    monkeypatch.setattr(study, "STREAMS", {"echo": study.echo})
    path = tmp_path / "a.png"
    study.main(cost=0.0, hidden=2, seeds=1, ways="rtrl,window4", picture=path)
    assert path.stat().st_size > 10_000
    told = capsys.readouterr().out
    assert "RTRL" in told and "window of 4" in told


def test_an_unknown_way():
    with pytest.raises(Exception, match="expected ways among"):
        study.main(ways="bptt")
