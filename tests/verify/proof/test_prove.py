"""`prove`: right cells are proved, wrong ones are not, the unknown is refused."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from pairs import each

import scanrnn as sr
from scanrnn.engine.blocks import view
from scanrnn.verify.proof import modular
from scanrnn.verify.proof.interpret import evaluate
from scanrnn.verify.proof.modular import P, Refusal, Unknowns
from scanrnn.verify.proof.prove import WAYS, Proof, prove

RNN, RELU = sr.rnn(2), sr.rnn(2, activation="relu")
GRU, LSTM = sr.gru(2), sr.lstm(2)
RESET_BEFORE = sr.gru(2, reset_after=False)


def quick(cell, **options) -> Proof:
    small = {"ways": [sr.Stored()], "steps": [2], "inputs": ["floats"], "draws": 1}
    return prove(cell, **(small | options))


# Right cells.


@pytest.mark.parametrize("cell", [RNN, RELU, GRU, RESET_BEFORE, LSTM])
def test_every_cell_is_proved_in_every_way_back(cell):
    """Three steps: a whole block of two, and a rest."""
    proof = prove(cell, ways=WAYS, steps=[3], draws=1)
    assert proof.passed, str(proof)
    assert 0 < proof.bound < 1e-13
    assert {str(row.way) for row in proof.rows} == set(map(str, WAYS))
    tried = {(str(row.way), row.configuration) for row in proof.rows}
    assert len(tried) == len(WAYS) * (8 + 2)
    assert {row.configuration.inputs for row in proof.rows} == {"floats", "tokens"}


@pytest.mark.exhaustive
@pytest.mark.parametrize("cell", [RNN, RELU, GRU, RESET_BEFORE, LSTM])
def test_four_lengths_are_proved_if_nothing_is_said(cell):
    proof = prove(cell)
    assert proof.passed, str(proof)
    seen = {(str(row.way), row.configuration) for row in proof.rows}
    assert len(seen) == 3 * (4 * 8 + 4 * 2)


@pytest.mark.parametrize("way", [sr.Recomputed(), sr.Recomputed(1), sr.Checkpointed()])
def test_other_blocks_are_proved_too(way):
    assert prove(RNN, ways=[way], steps=[4], draws=1).passed


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("make", "hidden", "batch", "inputs"), [(sr.lstm, 1, 1, 1), (sr.gru, 3, 1, 2)]
)
def test_other_sizes_are_proved_too(make, hidden, batch, inputs):
    options = {"batch_size": batch, "input_size": inputs}
    ways = [sr.Recomputed(2)]
    proof = prove(make(hidden), ways=ways, steps=[3], draws=1, **options)
    assert proof.passed, str(proof)


class Weights(NamedTuple):
    w_h: jax.Array
    v: jax.Array


class State(NamedTuple):
    h: jax.Array


def own_cell(phi, phi_prime, combine=lambda a, v, u: a + v * u):
    """h = φ(x + v ∘ (h_prev W_h)), with φ' as a function of z and h."""

    def step(params, state, drive):
        z = drive + params.v * (state.h @ params.w_h)
        h = phi(z)
        return State(h), (phi_prime(z, h), state.h @ params.w_h)

    def pull(params, tape, d_state):
        slope, u = tape
        delta = d_state.h * slope
        return State((delta * params.v) @ params.w_h.T), (delta, u)

    def collect(params, xs, states_prev, deltas):
        delta, u = deltas
        d_w_h = jnp.einsum("tbi,tbj->ij", states_prev.h, delta * params.v)
        return Weights(d_w_h, jnp.sum(delta * u, (0, 1))), delta

    return sr.Cell(
        init=lambda key, size, dtype=None: Weights(
            jnp.ones((size, size), dtype), jnp.ones(size, dtype)
        ),
        start=lambda batch, dtype=None: State(jnp.zeros((batch, 3), dtype)),
        project=lambda params, xs: xs,
        step=step,
        pull=pull,
        collect=collect,
    )


OWN = {
    "tanh": (jnp.tanh, lambda z, h: 1 - h**2),
    "logistic": (jax.nn.sigmoid, lambda z, h: h * (1 - h)),
    "exp": (jnp.exp, lambda z, h: h),
    "sin": (jnp.sin, lambda z, h: jnp.cos(z)),
    "relu by max": (jax.nn.relu, lambda z, h: jnp.where(z > 0, 1.0, 0.0)),
    "relu by where": (
        lambda z: jnp.where(z <= 0, 0.0, z),
        lambda z, h: (h > 0).astype(h.dtype),
    ),
    "leaky relu": (
        lambda z: jnp.where(z > 0, z, 0.125 * z),
        lambda z, h: jnp.where(z > 0, 1.0, 0.125),
    ),
    "rational": (
        lambda z: z / (1 + z * z),
        lambda z, h: (1 - z * z) / (1 + z * z) ** 2,
    ),
    "polynomial": (lambda z: z - z**3 / 3, lambda z, h: 1 - z * z),
    "logarithm": (lambda z: jnp.log(1 + z * z), lambda z, h: 2 * z / (1 + z * z)),
    "root": (lambda z: jnp.sqrt(1 + z * z), lambda z, h: z / h),
}


@pytest.mark.parametrize(
    ("name", "way"), each(OWN, [sr.Stored(), sr.Recomputed(2), sr.Checkpointed(2)])
)
def test_a_right_cell_of_ones_own_is_proved(name, way):
    proof = prove(own_cell(*OWN[name]), ways=[way], steps=[3], draws=1)
    assert proof.passed, str(proof)
    assert {row.configuration.inputs for row in proof.rows} == {"floats"}


# Wrong cells: every one differs from a right one by a single slip.


def with_pull(cell, change):
    def pull(params, tape, d_state):
        return change(params, tape, d_state, *cell.pull(params, tape, d_state))

    return cell._replace(pull=pull)


def with_collect(cell, change):
    def collect(params, xs, states_prev, deltas):
        made = cell.collect(params, xs, states_prev, deltas)
        return change(params, xs, states_prev, deltas, *made)

    return cell._replace(collect=collect)


def with_tape(cell, change):
    def step(params, state, drive):
        after, tape = cell.step(params, state, drive)
        return after, change(state, after, tape)

    return cell._replace(step=step)


def with_factor(cell, factor):
    """An RNN whose pull has this function of h for φ'."""

    def change(params, tape, d_state, d_prev, delta):
        delta = d_state.h * factor(tape.h)
        return d_prev._replace(h=delta @ params.w_h.T), delta

    return with_pull(cell, change)


def scaled_state(params, tape, d_state, d_prev, delta):
    return jax.tree.map(lambda d: d * (1 + 2.0**-40), d_prev), delta


MUTANTS = {
    "W_h for its transpose": with_pull(
        RNN, lambda p, t, d, prev, delta: (prev._replace(h=delta @ p.w_h), delta)
    ),
    "a cotangent off by 2^-40": with_pull(LSTM, scaled_state),
    "a lost cotangent of c": with_pull(
        LSTM, lambda p, t, d, prev, delta: (prev._replace(c=0 * prev.c), delta)
    ),
    "c carried on without its gate": with_pull(
        LSTM, lambda p, t, d, prev, delta: (prev._replace(c=d.c), delta)
    ),
    "the output's path to c forgotten": with_tape(
        LSTM, lambda s, a, t: t._replace(dc_by_dh=0 * t.dc_by_dh)
    ),
    "1 - h for 1 - h²": with_factor(RNN, lambda h: 1 - h),
    "1 - h_prev² for 1 - h²": with_tape(RNN, lambda s, a, t: s),
    "no derivative": with_factor(RNN, jnp.ones_like),
    "h ≥ 0 for h > 0": with_factor(RELU, lambda h: (h >= 0).astype(h.dtype)),
    "the relu of the step before": with_tape(RELU, lambda s, a, t: s),
    "the direct path of the GRU forgotten": with_pull(
        GRU, lambda p, t, d, prev, delta: (prev._replace(h=prev.h - d.h * t.z), delta)
    ),
    "z for 1 - z": with_tape(GRU, lambda s, a, t: t._replace(z=1 - t.z)),
    "δ_n for dq": with_pull(
        GRU,
        lambda p, t, d, prev, delta: (
            prev,
            delta._replace(
                h=jnp.concatenate((delta.h[..., : -prev.h.shape[-1]], delta.n), -1)
            ),
        ),
    ),
    "h_prev for r ∘ h_prev": with_tape(RESET_BEFORE, lambda s, a, t: t._replace(k=s.h)),
    "d_w_h by the wrong end": with_collect(
        RNN, lambda p, x, s, ds, d, dx: (d._replace(w_h=d.w_h.T), dx)
    ),
    "d_w_h without its last step": with_collect(
        RNN,
        lambda p, x, s, ds, d, dx: (
            d._replace(w_h=jnp.einsum("tbi,tbj->ij", s.h[1:], ds[1:])),
            dx,
        ),
    ),
    "d_b a mean": with_collect(
        RNN, lambda p, x, s, ds, d, dx: (d._replace(b=d.b / 2), dx)
    ),
    "d_b of one sequence": with_collect(
        RNN, lambda p, x, s, ds, d, dx: (d._replace(b=ds[:, 0].sum(0)), dx)
    ),
    "d_xs in reverse": with_collect(
        RNN, lambda p, x, s, ds, d, dx: (d, jnp.flip(dx, 0))
    ),
    "d_xs zero": with_collect(LSTM, lambda p, x, s, ds, d, dx: (d, 0 * dx)),
    "gates in another order": with_collect(
        LSTM, lambda p, x, s, ds, d, dx: (d._replace(w_x=jnp.roll(d.w_x, 2, 1)), dx)
    ),
    "b_hn left out": with_collect(
        GRU, lambda p, x, s, ds, d, dx: (d._replace(b_hn=0 * d.b_hn), dx)
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_cell_is_not_proved(name):
    proof = quick(MUTANTS[name])
    assert not proof.passed
    assert "not proved" in str(proof)
    wrong = [row for row in proof.rows if not row.equal]
    assert all("entries differ" in row.reason for row in wrong)
    assert not any(row.leaf.startswith(("outputs", "final")) for row in wrong)


def test_the_rows_name_the_leaf_that_is_wrong():
    leaves = {row.leaf for row in quick(MUTANTS["d_b a mean"]).rows if not row.equal}
    assert leaves == {"d_params.b"}


def test_a_token_lookup_with_a_wrong_gradient_is_not_proved():
    wrong = with_collect(
        RNN, lambda p, x, s, ds, d, dx: (d._replace(w_x=jnp.flip(d.w_x, 0)), dx)
    )
    proof = quick(wrong, inputs=["tokens"])
    assert {row.leaf for row in proof.rows if not row.equal} == {"d_params.w_x"}


@dataclasses.dataclass(frozen=True)
class StatesAfter(sr.Stored):
    """A way back that pairs the deltas with h and not h_prev."""

    def restore(self, cell, part, course):
        _, tapes, first = super().restore(cell, part, course)
        return view(part.kept.states(), part.at, part.size), tapes, first


def test_a_wrong_way_back_is_not_proved():
    proof = quick(LSTM, ways=[sr.Stored(), StatesAfter()])
    wrong = {(str(row.way), row.leaf) for row in proof.rows if not row.equal}
    assert wrong == {("StatesAfter()", "d_params.w_h")}


def test_a_cell_that_raises_is_not_proved():
    wrong = with_collect(
        RNN, lambda p, x, s, ds, d, dx: (d._replace(b=jnp.zeros(5)), dx)
    )
    proof = quick(wrong)
    assert not any(row.equal for row in proof.rows)
    assert all("TypeError: " in row.reason for row in proof.rows)


# What is not known is refused; what is not decided is no pass.


def test_a_square_of_signs_is_undecided_and_not_called_wrong():
    def square(z):
        return jax.nn.relu(z) ** 2

    right = quick(own_cell(square, lambda z, h: 2 * jax.nn.relu(z)))
    wrong = quick(own_cell(square, lambda z, h: jax.nn.relu(z)))
    for proof, reason in ((right, "undecided"), (wrong, "entries differ")):
        rows = [row for row in proof.rows if not row.equal]
        assert rows
        assert all(reason in row.reason for row in rows)


REFUSED = {
    "primitive 'erf'": (lax.erf, lambda z, h: 2 / np.sqrt(np.pi) * jnp.exp(-z * z)),
    "primitive 'sort'": (lambda z: jnp.sort(z), lambda z, h: z),
    "primitive 'floor'": (lambda z: jnp.floor(z) + z, lambda z, h: 1 + 0 * z),
    "equality": (lambda z: jnp.where(z == 1, 0.0, z), lambda z, h: 1 + 0 * z),
    "not finite": (lambda z: jnp.where(z > 0, z, jnp.nan), lambda z, h: 1 + 0 * z),
    "from float64 to int": (
        lambda z: z + z.astype(int).astype(z.dtype),
        lambda z, h: 1 + 0 * z,
    ),
    "an integer that depends": (
        lambda z: z + jnp.where(z > 0, 1, 2),
        lambda z, h: 1 + 0 * z,
    ),
    "from bool to int32": (
        lambda z: lax.cond(z[0, 0] > 0, jnp.sin, jnp.tanh, z),
        lambda z, h: 1 + 0 * z,
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_has_no_known_meaning_is_refused(why):
    proof = quick(own_cell(*REFUSED[why]))
    assert not proof.passed
    assert all(not row.equal and why in row.reason for row in proof.rows)
    assert "refused" in str(proof)


def test_an_unknown_primitive_in_our_program_alone_is_refused():
    proof = quick(own_cell(jnp.tanh, lambda z, h: 1 - h * h + 0 * lax.erf(h)))
    assert all("primitive 'erf'" in row.reason for row in proof.rows)


@pytest.mark.parametrize(
    "options",
    [
        {"steps": []},
        {"steps": [0]},
        {"ways": []},
        {"inputs": []},
        {"inputs": ["words"]},
        {"batch_size": 0},
        {"input_size": 1.5},
        {"ways": [sr.Autodiff()]},
        {"ways": [sr.Stored]},
    ],
)
def test_bad_arguments_are_a_clear_error(options):
    with pytest.raises(ValueError, match="expected"):
        quick(RNN, **options)


def test_a_factory_is_no_cell():
    with pytest.raises(ValueError, match=r"such as sr.lstm\(2\)"):
        prove(sr.lstm)


# The bound and the table.


def test_the_bound_grows_with_the_programs():
    bounds = [quick(RNN, steps=[steps]).bound for steps in (1, 2, 4)]
    assert bounds == sorted(bounds)
    assert bounds[0] > 1 / P


def test_the_table_is_compact_and_states_the_bound():
    lines = str(quick(RNN, ways=[sr.Stored(), sr.Recomputed(2)])).splitlines()
    assert lines[0].split() == [
        "equal",
        "to",
        "jax.grad",
        "Stored()",
        "Recomputed(block=2)",
    ]
    assert lines[1].split() == ["d_params.w_x", "8/8", "8/8"]
    assert len(lines) == 1 + 7 + 2
    assert lines[-2] == "proved: 16 programs, equal modulo 2^61 - 1;"
    assert lines[-1].startswith("a wrong one passes with a probability below ")


# The interpreter, against JAX itself on whole numbers, where float64 is exact.


def integers(*shape, seed=0):
    drawn = np.random.default_rng(seed).integers(-4, 5, shape)
    return drawn.astype(np.float64)


def signed(field):
    numbers = [int(n) if n < P // 2 else int(n) - P for n in field.data.ravel()]
    return np.reshape(np.array(numbers, np.float64), field.shape)


def scan_with_counter(x):
    def body(carry, at):
        return carry * 2 + at, (carry, carry - at)

    return lax.scan(body, x[0], x, reverse=True)


X, Y, AT = integers(3, 4), integers(4, 3, seed=1), np.array([2, 0, 2])
PROGRAMS = {
    "products": lambda x, y, at: (x @ y, jnp.einsum("ij,ik->jk", x, y.T)),
    "batched product": lambda x, y, at: jnp.einsum("bij,bjk->bki", x[None], y[None]),
    "product of nothing": lambda x, y, at: x[:, :0] @ y[:0],
    "sums": lambda x, y, at: (x.sum(), x.sum(0), jnp.cumsum(x, 1), x[:0].sum(0)),
    "cumulative, reverse": lambda x, y, at: lax.cumsum(x, 0, reverse=True),
    "powers": lambda x, y, at: (x**2, x**3, jnp.square(x), -x, x - y.T, x * 0.5),
    "quotients": lambda x, y, at: x / 4,
    "shapes": lambda x, y, at: (
        x.T,
        x.reshape(2, 6),
        x[None, :, ::2],
        jnp.flip(x, 1),
        jnp.squeeze(x[:1]),
        jnp.concatenate((x, y.T)),
        *jnp.split(x, 2, axis=1),
        jnp.broadcast_to(x[:, None], (3, 2, 4)),
    ),
    "padding": lambda x, y, at: lax.pad(x, 7.0, ((1, -2, 1), (-1, 2, 2))),
    "rows": lambda x, y, at: (x[at], y[:, at], x.at[at].add(y.T)),
    "rows out of range": lambda x, y, at: (
        x.at[at + 1].get(mode="clip"),
        x.at[at + 1].add(y.T, mode="drop"),
    ),
    "slices": lambda x, y, at: (
        lax.dynamic_slice(x, (at[0], at[1]), (2, 2)),
        lax.dynamic_update_slice(x, y[:2, :2], (at[0], at[1])),
    ),
    "masks": lambda x, y, at: jnp.where((at > 0)[:, None] & True, x, y.T),
    "loop": lambda x, y, at: scan_with_counter(x),
    "loop of nothing": lambda x, y, at: lax.scan(lambda c, v: (c + v, c), x[0], x[:0]),
    "while": lambda x, y, at: lax.fori_loop(0, at[0], lambda i, v: v * 2 + i, x),
    "branch": lambda x, y, at: lax.switch(
        at[0], [jnp.negative, lambda v: v, lambda v: 3 * v], x
    ),
    "checkpoint": lambda x, y, at: jax.grad(
        lambda x: jax.checkpoint(lambda v: v**3)(x).sum()
    )(x),
    "vmap": lambda x, y, at: jax.vmap(lambda row, i: row[i])(x, at),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_gives_what_jax_gives_on_whole_numbers(name):
    with jax.enable_x64(True):
        program = PROGRAMS[name]
        expected = jax.tree.leaves(program(jnp.asarray(X), jnp.asarray(Y), AT))
        closed = jax.make_jaxpr(program)(X, Y, AT)
        arguments = [modular.constant(X), modular.constant(Y), AT]
        made = evaluate(closed, arguments, Unknowns(0))
    four = modular.constant(4.0)  # the quotients are by 4
    for ours, theirs in zip(made, expected, strict=True):
        assert ours.shape == theirs.shape
        whole = signed(modular.multiply(ours, four))
        np.testing.assert_array_equal(whole, 4 * np.asarray(theirs))


def test_an_index_out_of_range_that_gives_nan_is_refused():
    with jax.enable_x64(True):
        closed = jax.make_jaxpr(lambda x, at: x.at[at].get(mode="fill"))(X, AT + 1)
        with pytest.raises(Refusal, match="out of range"):
            evaluate(closed, [modular.constant(X), AT + 1], Unknowns(0))


def test_floats_are_exact():
    third = modular.constant(1 / 3).data[()]
    over, under = (1 / 3).as_integer_ratio()
    assert third * under % P == over
    assert modular.constant(np.float32(0.1)).data[()] != modular.constant(0.1).data[()]
    assert modular.constant(jnp.bfloat16(1.5)).data[()] * 2 % P == 3


def test_a_function_is_the_same_at_the_same_argument_only():
    unknowns = Unknowns(0)
    x = unknowns.draw((2,))
    once, again = unknowns.apply("tanh", x), unknowns.apply("tanh", x)
    assert (once.data == again.data).all()
    assert once.data[0] != once.data[1]
    assert (unknowns.apply("exp", x).data != once.data).all()


def test_a_relu_has_the_sign_of_its_argument_and_no_other():
    unknowns = Unknowns(0)
    x, zero = unknowns.draw((3,)), modular.constant(np.zeros(3))
    positive = unknowns.positive(x)
    relu = unknowns.larger(x, zero)
    assert (unknowns.positive(relu).data == positive.data).all()
    assert (unknowns.positive(modular.negative(relu)).data != positive.data).all()
    assert (unknowns.positive(zero).data == 0).all()
    product = unknowns.choose(positive, zero, unknowns.draw((3,)))
    assert (unknowns.positive(product).data != positive.data).all()


def test_degrees_are_those_of_the_polynomials():
    x = Unknowns(0).draw((2, 3))
    product = modular.contract(x, x, ((1,), (1,)), ((), ()))
    assert product.degree == (2, 0)
    assert modular.add(product, modular.constant(np.ones((2, 2)))).degree == (2, 0)
    quotient = modular.divide(modular.power(x, 3), x)
    assert quotient.degree == (3, 1)
    assert modular.sum_over(quotient, (1,)).degree == (5, 3)
    assert modular.subtract(quotient, x).degree == (3, 1)
