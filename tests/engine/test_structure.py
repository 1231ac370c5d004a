"""What the compiled program looks like: one product a step, one trace, lean memory."""

import re

import chex
import jax
import jax.numpy as jnp
import pytest
from cases import CELLS, WAYS, problem
from pairs import each, pairs
from programs import count, inner, loop_bodies, loops

import scanrnn as sr

PRODUCTS = {"rnn": 1, "relu": 1, "gru": 1, "gru-reset-before": 2, "lstm": 1}


def gradient_jaxpr(case, backward):
    def loss(params, xs, start):
        run = sr.unroll(case.cell, params, xs, start, backward=backward, **case.options)
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(run))

    is_tokens = jnp.issubdtype(case.xs.dtype, jnp.integer)
    grad = jax.grad(loss, (0, 2) if is_tokens else (0, 1, 2))
    return jax.make_jaxpr(grad)(case.params, case.xs, case.start).jaxpr


@pytest.mark.parametrize(
    ("cell", "way", "option"), pairs(CELLS, WAYS, ["plain", "all", "tokens-all"])
)
def test_one_product_per_step_forward_and_backward(cell, way, option):
    jaxpr = gradient_jaxpr(problem(cell, option), WAYS[way](sr))
    innermost = [body for _, body in loops(jaxpr) if not list(loops(body))]
    assert innermost, "no loop over time found"
    assert {count(body, ["dot_general"]) for body in innermost} == {PRODUCTS[cell]}
    assert not any(
        count(body, ["scatter-add", "scatter", "gather"]) for body in innermost
    )


@pytest.mark.parametrize(
    ("cell", "way"), each([sr.rnn(11), sr.gru(11), sr.lstm(11)], WAYS)
)
def test_no_weight_is_copied_or_transposed_in_a_loop_over_steps(cell, way):
    """W_h is turned once, before the loop (law 7); no copy of it is made inside."""
    params = cell.init(jax.random.key(0), 3, jnp.float32)

    def loss(params, xs):
        return jnp.sum(sr.unroll(cell, params, xs, backward=WAYS[way](sr)).outputs)

    compiled = jax.jit(jax.grad(loss)).lower(params, jnp.ones((48, 2, 3), jnp.float32))
    bodies = loop_bodies(compiled.compile().as_text())
    assert len(bodies) >= 2
    rows, columns = params.w_h.shape
    weight = rf"f32\[({rows},{columns}|{columns},{rows})\]"
    made = re.compile(rf"= {weight}\S* (copy|transpose|fusion)\(")
    innermost = [b for b in bodies if not any(" while(" in line for line in b)]
    assert not [line for body in innermost for line in body if made.search(line)]


def test_the_count_sees_what_autodiff_does():
    """The oracle accumulates weight gradients in the loop: the counter must say so."""
    jaxpr = gradient_jaxpr(problem("rnn"), sr.Autodiff())
    assert {count(body, ["dot_general"]) for _, body in loops(jaxpr)} == {1, 2}


@pytest.mark.parametrize("cell", CELLS)
def test_stored_has_two_loops_and_no_product_but_the_large_ones(cell):
    """One loop there, one back; outside, five products: project, dx, dW_x, dW_h."""
    jaxpr = gradient_jaxpr(problem(cell), sr.Stored())
    bodies = [body for _, body in loops(jaxpr)]
    assert len(bodies) == 2
    inside = sum(count(body, ["dot_general"]) for body in bodies)
    large = 5 if cell == "gru-reset-before" else 4
    assert count(jaxpr, ["dot_general"]) - inside == large


@pytest.mark.parametrize("cell", CELLS)
def test_block_products_are_made_once_per_block(cell):
    jaxpr = gradient_jaxpr(problem(cell, length=24), sr.Recomputed(4))
    outer = [(length, body) for length, body in loops(jaxpr) if list(loops(body))]
    assert [length for length, _ in outer] == [6, 6]  # blocks, there and back


def test_stored_makes_one_block_of_what_two_would_hold():
    cell = sr.lstm(64)
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), 8))

    def loss(params, xs):
        run = sr.unroll(cell, params, xs, backward=sr.Stored())
        return jnp.sum(run.outputs)

    def loops_of_loops(length):
        xs = jax.ShapeDtypeStruct((length, 16, 8), params.w_h.dtype)
        jaxpr = jax.make_jaxpr(jax.grad(loss))(params, xs).jaxpr
        return [n for n, body in loops(jaxpr) if list(loops(body))]

    assert loops_of_loops(256) == []  # 256 * 16 * 256 floats of drives
    assert loops_of_loops(512) == [4, 4]  # blocks of 128 steps, there and back


def traces(function, *calls):
    chex.clear_trace_counter()
    counted = jax.jit(chex.assert_max_traces(function, n=1))
    for call in calls:
        counted(*call)


def test_one_trace_per_shape():
    first, second = problem("lstm", "all", seed=0), problem("lstm", "all", seed=1)

    def step(params, xs, start, mask, resets):
        def loss(params):
            cell = sr.lstm(start.h.shape[-1])  # built anew: the factory is cached
            run = sr.unroll(
                cell, params, xs, start, mask=mask, resets=resets, reverse=True
            )
            return jnp.sum(run.outputs)

        return jax.grad(loss)(params)

    calls = [
        (p.params, p.xs, p.start, p.options["mask"], p.options["resets"])
        for p in (first, second)
    ]
    traces(step, *calls)


def test_cells_are_values():
    assert sr.gru(64) is sr.gru(hidden_size=64, reset_after=True)
    assert sr.gru(64) != sr.gru(64, reset_after=False)
    assert sr.lstm(8) is sr.lstm(8, forget_bias=1)
    assert hash(sr.rnn(8)) == hash(sr.rnn(8, activation="tanh"))
    assert sr.Recomputed(4) == sr.Recomputed(4) != sr.Recomputed(5)


@pytest.mark.parametrize("way", pairs(WAYS, needed=[("recomputed",)]))
def test_the_program_does_not_grow_with_time(way):
    case = problem("gru")
    short, long = (
        case._replace(xs=jax.ShapeDtypeStruct((n, *case.xs.shape[1:]), case.xs.dtype))
        for n in (48_000, 480_000)  # several blocks each
    )
    assert equations(gradient_jaxpr(short, blocks(way))) == equations(
        gradient_jaxpr(long, blocks(way))
    )


def equations(jaxpr):
    return len(jaxpr.eqns) + sum(
        equations(body) for eqn in jaxpr.eqns for body in inner(eqn)
    )


def blocks(way):
    return {
        "stored": sr.Stored(),
        "recomputed": sr.Recomputed(4),
        "checkpointed": sr.Checkpointed(4),
    }[way]


def temporary_bytes(cell, backward, length):
    params = cell.init(jax.random.key(0), 8, jnp.float32)
    xs = jnp.ones((length, 8, 8), jnp.float32)

    def loss(params, xs):
        # Of the last output only: no (T, B, H) cotangent of all outputs to keep.
        return jnp.sum(sr.unroll(cell, params, xs, backward=backward).final.h)

    compiled = jax.jit(jax.grad(loss)).lower(params, xs).compile()
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize("cell", [sr.rnn(32), sr.gru(32), sr.lstm(32)])
def test_memory_falls_from_stored_to_recomputed_to_checkpointed(cell):
    ways = (sr.Autodiff(), sr.Stored(), sr.Recomputed(32), sr.Checkpointed())
    autodiff, stored, recomputed, checkpointed = (
        temporary_bytes(cell, way, 1024) for way in ways
    )
    assert checkpointed < recomputed < autodiff
    assert checkpointed < stored <= 1.25 * autodiff
    if cell is not sr.rnn(32):  # its tapes are its states: `Stored` keeps no more
        assert recomputed < stored
    state = 4 * 8 * 32  # bytes of one field of one state
    # 2 √T states and some dozens of arrays per step of one segment of 32 steps.
    assert checkpointed < (2 * 32 + 32 * 40) * state
