"""What cannot be represented is a clear error; the table is printed."""

import ast
import pathlib

import jax
import numpy as np
import pytest

import scanrnn as sr
from scanrnn import interop
from scanrnn.interop import maps

X, H = 3, 5


def shaped(**shapes):
    return {name: np.ones(shape, np.float32) for name, shape in shapes.items()}


def torch_lstm(layer="_l0", inputs=X, **more):
    names = {
        "weight_ih": (4 * H, inputs), "weight_hh": (4 * H, H),
        "bias_ih": (4 * H,), "bias_hh": (4 * H,),
    }  # fmt: skip
    return shaped(**{k + layer: shape for k, shape in (names | more).items()})


def params_of(cell):
    return jax.eval_shape(lambda: cell.init(jax.random.key(0), X))


def ones(cell):
    return jax.tree.map(lambda leaf: np.ones(leaf.shape), params_of(cell))


FLAX = {"dense_i": {"kernel": np.ones((X, 2 * H)), "bias": np.ones(2 * H)},
        "dense_h": {"kernel": np.ones((H, 2 * H))}}  # fmt: skip
MGU = {"if": {"kernel": np.ones((X, H)), "bias": np.ones(H)},
       "in": {"kernel": np.ones((X, H)), "bias": np.ones(H)},
       "hf": {"kernel": np.ones((H, H))},
       "hn": {"kernel": np.ones((H, H)), "bias": np.ones(H)}}  # fmt: skip
TORCH = interop.from_torch
TWO = sr.stack(sr.gru(H), sr.gru(H))
KERAS = [np.ones((X, 3 * H)), np.ones((H, 3 * H))]

READING = {
    "projection": (lambda: TORCH(torch_lstm(weight_hr=(2, H))), r"proj_size"),
    "one bias": (
        lambda: TORCH({k: v for k, v in torch_lstm().items() if "bias_hh" not in k}),
        r"in layer 0 .*bias_hh missing",
    ),
    "another activation": (
        lambda: TORCH(torch_lstm(), activation="relu"),
        r"no activation",
    ),
    "unknown activation": (
        lambda: TORCH(shaped(weight_ih=(H, X), weight_hh=(H, H)), activation="gelu"),
        r'"tanh" or "relu"',
    ),
    "two gates": (
        lambda: TORCH(shaped(weight_ih_l0=(10, X), weight_hh_l0=(10, H))),
        r"\(3H, H\)",
    ),
    "transposed": (
        lambda: TORCH(shaped(weight_ih_l0=(X, 20), weight_hh_l0=(H, 20))),
        r"got weight_hh \(5, 20\)",
    ),
    "a whole model": (
        lambda: TORCH({"net." + k: v for k, v in torch_lstm().items()}),
        r"begin with prefix='net\.'",
    ),
    "no layer 0": (lambda: TORCH(torch_lstm("_l1")), r"layers 0, 1"),
    "half a direction": (
        lambda: TORCH(
            torch_lstm() | torch_lstm("_l0_reverse") | torch_lstm("_l1", 2 * H)
        ),
        r"same directions",
    ),
    "layers that do not fit": (
        lambda: TORCH(torch_lstm() | torch_lstm("_l1", H + 1)),
        r"size 5 in layer 1",
    ),
    "a layer and a cell": (
        lambda: TORCH(torch_lstm() | torch_lstm("")),
        r"layers 0, 1",
    ),
    "a module": (lambda: TORCH(object()), r"\.state_dict\(\)"),
    "integers": (
        lambda: TORCH({k: v.astype(int) for k, v in torch_lstm().items()}),
        r"floats of one dtype",
    ),
    "two dtypes": (
        lambda: TORCH(torch_lstm() | {"bias_hh_l0": np.ones(20)}),
        r"one dtype, got .*bias_hh_l0 float64",
    ),
    "keras, stacked cells": (lambda: interop.from_keras(KERAS * 2), r"merge_mode"),
    "keras, the other reset": (
        lambda: interop.from_keras([*KERAS, np.ones(3 * H)], reset_after=True),
        r"bias \(2, 3H\)",
    ),
    "keras, merge": (
        lambda: interop.from_keras(KERAS * 2, merge_mode="both"),
        r"merge_mode",
    ),
    "keras, a convolution": (
        lambda: interop.from_keras([np.ones((3, 3, X, 20)), np.ones((3, 3, H, 20))]),
        r"kernel \(X, 4H\)",
    ),
    "flax, two gates": (lambda: interop.from_flax(FLAX), r"nnx.GRUCell"),
    "flax, MGU": (lambda: interop.from_flax(MGU), r"MGUCell"),
    "flax, all variables": (
        lambda: interop.from_flax({"params": {"cell": MGU}}),
        r"flax.linen.GRUCell: ir/kernel",
    ),
    "haiku, another name": (
        lambda: interop.from_haiku({"a/gru": {"b": np.ones(3)}}, "gru"),
        r"there are a/gru",
    ),
    "equinox, no b_hn": (
        lambda: interop.from_equinox(
            shaped(weight_ih=(15, X), weight_hh=(15, H), bias=(15,))
        ),
        r"weight_hh \(4H, H\)",
    ),
}

WRITING = {
    "torch, reset before": (
        sr.gru(H, reset_after=False),
        interop.to_torch,
        r"torch\.nn\.GRU",
    ),
    "haiku, tanh": (
        sr.rnn(H),
        lambda *a: interop.to_haiku(*a, "rnn"),
        r'activation="relu"',
    ),
    "haiku, reset after": (
        sr.gru(H),
        lambda *a: interop.to_haiku(*a, "gru"),
        r"reset_after=False",
    ),
    "equinox, rnn": (sr.rnn(H), interop.to_equinox, r"equinox.nn.GRUCell"),
    "flax, another cell": (
        sr.gru(H),
        lambda *a: interop.to_flax(*a, "linen.LSTMCell"),
        r"sr\.lstm",
    ),
    "flax, no such cell": (
        sr.gru(H),
        lambda *a: interop.to_flax(*a, "linen.MGUCell"),
        r"linen\.GRUCell",
    ),
    "nnx, b_hn": (
        sr.gru(H),
        lambda *a: interop.to_flax(*a, "nnx.GRUCell"),
        r"cannot write b_hn",
    ),
    "two sizes": (sr.stack(sr.gru(H), sr.gru(H + 1)), interop.to_torch, r"same cell"),
    "residual": (
        sr.stack(sr.gru(X), sr.residual(sr.gru(X))),
        interop.to_torch,
        r"sr\.residual",
    ),
    "summed": (
        sr.bidirectional(sr.gru(H), sr.gru(H), merge="sum"),
        interop.to_torch,
        r"merge concat",
    ),
    "a stack in keras": (TWO, interop.to_keras, r"by itself"),
    "a stack in flax": (
        TWO,
        lambda *a: interop.to_flax(*a, "nnx.GRUCell"),
        r"one cell",
    ),
    "a stack as a cell": (
        TWO,
        lambda *a: interop.to_torch(*a, as_cell=True),
        r"as_cell",
    ),
    "dropout": (
        sr.recurrent_dropout(sr.gru(H), 0.5),
        interop.to_torch,
        r"got sr.recurrent_dropout",
    ),
}


@pytest.mark.parametrize("name", READING)
def test_what_cannot_be_read(name):
    call, message = READING[name]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("name", WRITING)
def test_what_cannot_be_written(name):
    net, write, message = WRITING[name]
    with pytest.raises(ValueError, match=message):
        write(net, ones(net))


def test_params_of_another_cell():
    with pytest.raises(ValueError, match=r"LSTMParams"):
        interop.to_torch(sr.lstm(H), ones(sr.gru(H)))
    with pytest.raises(ValueError, match=r"w_x \(3, 24\), got \(3, 20\)"):
        interop.to_torch(sr.lstm(H + 1), ones(sr.lstm(H)))
    with pytest.raises(ValueError, match=r"b_hn \(5,\), got None"):
        interop.to_torch(sr.gru(H), ones(sr.gru(H))._replace(b_hn=None))
    with pytest.raises(ValueError, match=r"bias=False\): b None, got \(20,\)"):
        interop.to_torch(sr.lstm(H, bias=False), ones(sr.lstm(H)))
    with pytest.raises(ValueError, match=r"expected prefix, a text"):
        interop.to_torch(sr.lstm(H), ones(sr.lstm(H)), prefix=None)


def test_under_jit_nothing_is_converted():
    with pytest.raises(ValueError, match="under jit"):
        jax.jit(lambda params: interop.to_torch(sr.lstm(H), params))(ones(sr.lstm(H)))


def test_a_state_of_other_rows():
    with pytest.raises(ValueError, match=r"h_0 and c_0, each of shape \(1, B, 5\)"):
        interop.state_from_torch(sr.lstm(H), np.ones((1, 2, H)))
    with pytest.raises(ValueError, match=r"expected a state of"):
        interop.state_to_torch(TWO, (1, 2))
    with pytest.raises(ValueError, match=r"expected a state of"):
        interop.state_to_torch(sr.lstm(H), sr.GRUState(np.ones((2, H))))
    with pytest.raises(ValueError, match=r"expected net, a cell"):
        interop.state_from_torch(sr.lstm, np.ones((1, 2, H)))


def test_attributes_of_equinox_that_are_no_arrays():
    arrays = shaped(weight_ih=(20, X), weight_hh=(20, H))
    more = {"bias": None, "input_size": X, "hidden_size": H, "use_bias": False}
    assert interop.from_equinox(arrays | more)[0] == sr.lstm(H, bias=False)


def test_a_prefix_picks_a_layer_of_a_model():
    state_dict = {"a.b." + k: v for k, v in torch_lstm().items()} | {"head.bias": 1}
    cell, params = interop.from_torch(state_dict, prefix="a.b.")
    assert cell == sr.lstm(H)
    assert interop.to_torch(cell, params, prefix="a.b.").keys() == state_dict.keys() - {
        "head.bias"
    }


def test_the_table_is_printed():
    told = interop.describe()
    for row in maps.MAPS:
        assert f"{row.name} is sr." in told
        assert interop.describe(row.name) in told
    assert "linear/b  (4H,)        b[i g] b[f]-1 b[o]" in interop.describe("haiku.LSTM")
    assert "written into the first row of bias" in interop.describe("keras")
    with pytest.raises(ValueError, match=r"torch\.nn\.LSTM"):
        interop.describe("torch.nn.Transformer")


def test_no_framework_is_imported():
    for path in pathlib.Path(interop.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            found = {name.split(".")[0] for name in names}
            assert not found & {"torch", "keras", "flax", "haiku", "equinox"}, path
