"""The table: where the weights of other libraries stand in ours, as data.

Each row is a layer of theirs; each entry tells one of their arrays as blocks of our
leaves, in the notation of `blocks.py`. A place of ours that stands in two of their
arrays is the sum of both. Everything else follows from this file: recognising a layer
by the names and shapes of its arrays, reading, writing, and the gradients.

Read from the sources of torch 2.13, Keras 3.15, Flax 0.12.8, Haiku 0.0.17 and Equinox
0.13.8, and compared with what these compute (``tests/interop/golden/make.py``).
"""

from typing import NamedTuple

from .blocks import parse
from .kinds import KINDS, Kind


class Map(NamedTuple):
    """One layer of another library, in terms of a cell of ours."""

    name: str  # such as torch.nn.GRU
    cell: str  # a key of `KINDS`
    arrays: dict[str, str]  # their name: blocks of ours
    biases: str = "optional"  # or "always", where the library has no layer without
    activation: str | None = None  # of an RNN that has no other
    note: str = ""

    @property
    def kind(self) -> Kind:
        return KINDS[self.cell]

    @property
    def weights(self) -> list[str]:
        """Their arrays without the biases."""
        return [k for k, text in self.arrays.items() if not is_bias(text)]


def is_bias(text: str) -> bool:
    """Whether an array holds biases alone."""
    return parse(text).leaves <= {"b", "b_hn"}


def per_gate(gates: str, **names: str) -> dict[str, str]:
    """Flax's dense layers: ii, if, ... for the inputs, hi, hf, ... for the state."""
    return {
        f"{side}{names.get(side + gate, gate)}/kernel": f"{leaf}[{gate}]"
        for side, leaf in (("i", "w_x"), ("h", "w_h"))
        for gate in gates
    }


LSTM_BIASES = {f"h{gate}/bias": f"b[{gate}]" for gate in "ifgo"}
CARRY = "the carry is (c, h)"

MAPS = (
    Map(
        "torch.nn.RNN",
        "rnn",
        {"weight_ih": "w_xᵀ", "weight_hh": "w_hᵀ", "bias_ih": "b", "bias_hh": "b"},
    ),
    Map(
        "torch.nn.GRU",
        "gru",
        {
            "weight_ih": "w_x[r z n]ᵀ",
            "weight_hh": "w_h[r z n]ᵀ",
            "bias_ih": "b[r z n]",
            "bias_hh": "b[r z] b_hn",
        },
    ),
    Map(
        "torch.nn.LSTM",
        "lstm",
        {
            "weight_ih": "w_x[i f g o]ᵀ",
            "weight_hh": "w_h[i f g o]ᵀ",
            "bias_ih": "b[i f g o]",
            "bias_hh": "b[i f g o]",
        },
    ),
    Map(
        "keras.layers.SimpleRNN",
        "rnn",
        {"kernel": "w_x", "recurrent_kernel": "w_h", "bias": "b"},
    ),
    Map(
        "keras.layers.GRU(reset_after=True)",
        "gru",
        {
            "kernel": "w_x[z r n]",
            "recurrent_kernel": "w_h[z r n]",
            "bias": "b[z r n] / b[z r] b_hn",
        },
    ),
    Map(
        "keras.layers.GRU(reset_after=False)",
        "gru_before",
        {
            "kernel": "w_x[z r n]",
            "recurrent_kernel": "w_h[z r n]",
            "bias": "b[z r n]",
        },
    ),
    Map(
        "keras.layers.LSTM",
        "lstm",
        {
            "kernel": "w_x[i f g o]",
            "recurrent_kernel": "w_h[i f g o]",
            "bias": "b[i f g o]",
        },
    ),
    Map(
        "flax.linen.SimpleCell",
        "rnn",
        {"i/kernel": "w_x", "h/kernel": "w_h", "i/bias": "b"},
        biases="always",
    ),
    Map(
        "flax.linen.GRUCell",
        "gru",
        per_gate("rzn")
        | {"ir/bias": "b[r]", "iz/bias": "b[z]", "in/bias": "b[n]", "hn/bias": "b_hn"},
        biases="always",
    ),
    Map(
        "flax.linen.LSTMCell",
        "lstm",
        per_gate("ifgo") | LSTM_BIASES,
        biases="always",
        note=CARRY,
    ),
    Map(
        "flax.linen.OptimizedLSTMCell",
        "lstm",
        per_gate("ifgo") | LSTM_BIASES,
        biases="always",
        note=CARRY,
    ),
    Map(
        "flax.nnx.SimpleCell",
        "rnn",
        {"dense_i/kernel": "w_x", "dense_h/kernel": "w_h", "dense_i/bias": "b"},
        biases="always",
    ),
    Map(
        "flax.nnx.GRUCell",
        "gru",
        {
            "dense_i/kernel": "w_x[r z n]",
            "dense_h/kernel": "w_h[r z n]",
            "dense_i/bias": "b[r z n]",
        },
        biases="always",
        note="it has no b_hn: read as 0, and to be held there in training",
    ),
    Map(
        "flax.nnx.LSTMCell",
        "lstm",
        per_gate("ifgo", **{"if": "f_"}) | LSTM_BIASES,
        biases="always",
        note=CARRY,
    ),
    Map(
        "flax.nnx.OptimizedLSTMCell",
        "lstm",
        {
            "dense_i/kernel": "w_x[i f g o]",
            "dense_h/kernel": "w_h[i f g o]",
            "dense_h/bias": "b[i f g o]",
        },
        biases="always",
        note=CARRY,
    ),
    Map(
        "haiku.VanillaRNN(double_bias=True)",
        "rnn",
        {"linear/w": "w_x", "linear_1/w": "w_h", "linear/b": "b", "linear_1/b": "b"},
        biases="always",
        activation="relu",
    ),
    Map(
        "haiku.VanillaRNN(double_bias=False)",
        "rnn",
        {"linear/w": "w_x", "linear_1/w": "w_h", "linear/b": "b"},
        biases="always",
        activation="relu",
    ),
    Map(
        "haiku.GRU",
        "gru_before",
        {
            "w_i": "-w_x[z] w_x[r n]",
            "w_h": "-w_h[z] w_h[r n]",
            "b": "-b[z] b[r n]",
        },
        biases="always",
        note="its z is 1 - z of ours, so that its weights change sign",
    ),
    Map(
        "haiku.LSTM",
        "lstm",
        {
            "linear/w": "w_x[i g f o] / w_h[i g f o]",
            "linear/b": "b[i g] b[f]-1 b[o]",
        },
        biases="always",
        note="it adds 1 to the forget gate by itself",
    ),
    Map(
        "equinox.nn.GRUCell",
        "gru",
        {
            "weight_ih": "w_x[r z n]ᵀ",
            "weight_hh": "w_h[r z n]ᵀ",
            "bias": "b[r z n]",
            "bias_n": "b_hn",
        },
    ),
    Map(
        "equinox.nn.LSTMCell",
        "lstm",
        {
            "weight_ih": "w_x[i f g o]ᵀ",
            "weight_hh": "w_h[i f g o]ᵀ",
            "bias": "b[i f g o]",
        },
    ),
)

# What has an array of this name is none of the above, and no cell by hand.
REFUSED = {
    ("torch", "weight_hr"): "a projection (proj_size), which no cell here has",
    ("flax", "if/bias"): "an MGUCell (one gate for two), which is no cell here",
}


def maps_of(library: str) -> list[Map]:
    """The rows of a library: torch, keras, flax, haiku or equinox."""
    return [row for row in MAPS if row.name.split(".")[0] == library]
