"""What is read computes what the libraries computed (golden/make.py), gradients too."""

import functools
import itertools
import re

import jax
import numpy as np
import pytest
from cases import assert_close, tolerance
from interop.peers import by_row, golden, read, row_of, write

import scanrnn as sr
from scanrnn import interop
from scanrnn.interop import convert, maps
from scanrnn.interop.blocks import letters, parse

SHARED, CASES = golden()
T = len(SHARED["xs"])


@functools.partial(jax.jit, static_argnums=0)
def run(net, params, xs, start, d_run):
    """Outputs and final state, and the gradients by params, inputs and start."""
    layer = sr.layer(net) if isinstance(net, sr.Cell) else net
    values, pull = jax.vjp(lambda *given: tuple(layer.run(*given)), params, xs, start)
    return values, pull(d_run)


def of_case(net, params, case):
    """`run` on the inputs, start and cotangents that the library had.

    Without a bias the program of a bias of zeros serves: it is compiled anyway.
    """
    fields, readers = case.final.shape[:2]
    start, d_final = (
        interop.state_from_torch(net, tuple(SHARED[k][:fields, :readers]))
        for k in ("start", "d_final")
    )
    d_outputs = SHARED["d_outputs"][..., : case.outputs.shape[-1]]
    bare = isinstance(net, sr.Cell) and params.b is None
    if bare:
        options = dict(net.made_by.options) | {"bias": True}
        net = net.made_by.factory(*net.made_by.arguments, **options)
        empty = jax.eval_shape(lambda: net.init(jax.random.key(0), len(params.w_x)))
        zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape), empty)
        params = zeros._replace(w_x=params.w_x, w_h=params.w_h)
    values, (d_params, *d_rest) = run(
        net, params, SHARED["xs"], start, (d_outputs, d_final)
    )
    if bare:
        d_params = type(d_params)(*d_params[:2], *(None for _ in d_params[2:]))
    return values, (d_params, *d_rest)


def stacked(net, state):
    """(fields, readers, B, H)."""
    return np.stack([np.asarray(leaf) for leaf in as_tuple(net, state)])


def as_tuple(net, state):
    fields = interop.state_to_torch(net, state)
    return fields if isinstance(fields, tuple) else (fields,)


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name):
    case = CASES[name]
    net, params = read(name, case.weights)
    (outputs, final), (d_params, d_xs, d_start) = of_case(net, params, case)
    got = {"outputs": outputs, "d_xs": d_xs}
    got |= {"final": stacked(net, final), "d_start": stacked(net, d_start)}
    assert_close(got, {k: getattr(case, k) for k in got})
    assert_close(write(name, net, d_params, gradients=True), case.gradients)


def test_every_row_of_the_table_is_compared():
    assert {row_of(name).name for name in CASES} == {row.name for row in maps.MAPS}


def test_every_weight_of_ours_has_one_place_and_every_bias_one_or_two():
    for row in maps.MAPS:
        told = [place for text in row.arrays.values() for place in parse(text).places]
        for leaf in row.kind.params._fields:
            for gate in row.kind.gates_of(leaf):
                count = told.count((leaf, gate))
                if (row.name, leaf) == ("flax.nnx.GRUCell", "b_hn"):
                    assert count == 0
                else:
                    assert count in ((1, 2) if leaf == "b" else (1,)), row.name


def mutants(row):
    """The row with one mistake: an order, a transpose, a sign or a shift."""
    texts = row.arrays

    def wrong(**changed):
        return row._replace(arrays=texts | changed)

    for k, text in texts.items():
        for gates in re.findall(r"\[([a-z] [a-z ]+)\]", text):
            for first, second in itertools.pairwise(gates.split()):
                order = gates.replace(f"{first} {second}", f"{second} {first}")
                yield wrong(**{k: text.replace(f"[{gates}]", f"[{order}]")})
        if "-" in text:
            yield wrong(**{k: text.replace("-1" if "-1" in text else "-", "", 1)})
        if text.startswith("w_h") and "[" not in text:  # square, so that it fits
            yield wrong(**{k: text.removesuffix("ᵀ") if "ᵀ" in text else f"{text}ᵀ"})
    for (k, one), (m, two) in itertools.combinations(texts.items(), 2):
        if letters(parse(one)) == letters(parse(two)) and one != two:
            yield wrong(**{k: two, m: one})


@pytest.mark.parametrize(
    "name", [n for n in CASES if not {"deep", "both"} & {*n.split()}]
)
def test_a_mistake_in_the_table_is_seen(name):
    case, row = CASES[name], row_of(name)
    net, _ = read(name, case.weights)
    arrays = by_row(name, case.weights)
    wrong = [mutant for mutant in mutants(row) if mutant.arrays.keys() >= arrays.keys()]
    assert wrong
    for mutant in wrong:
        params = convert.read(mutant, arrays)
        if jax.tree.all(
            jax.tree.map(np.array_equal, params, convert.read(row, arrays))
        ):
            continue  # what is exchanged is summed
        outputs = of_case(net, params, case)[0][0]
        error = np.max(np.abs(outputs - case.outputs))
        assert error > 1e6 * tolerance(np.float64, T), mutant.arrays
