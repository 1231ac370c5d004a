"""The call that made a cell or a layer: equality, hash, pickle, print."""

import pickle
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

import scanrnn as sr

MADE = {
    "rnn": lambda: sr.rnn(4, activation="relu"),
    "gru": lambda: sr.gru(4),
    "gru reset before": lambda: sr.gru(4, reset_after=False, bias=False),
    "lstm": lambda: sr.lstm(4, forget_bias=2.0),
    "feedback": lambda: sr.feedback(sr.gru(3), 2, sr.Probabilities(0.7)),
    "layer": lambda: sr.layer(sr.lstm(4)),
    "stack": lambda: sr.stack(
        sr.rnn(3), jnp.tanh, sr.residual(sr.gru(3)), sr.linear(2), dropout=0.1
    ),
    "both": lambda: sr.bidirectional(sr.gru(2), sr.stack(sr.lstm(2)), merge="mul"),
    "recurrent dropout": lambda: sr.recurrent_dropout(sr.gru(2), 0.2),
}


@pytest.mark.parametrize("name", MADE)
def test_the_same_call_makes_the_same_and_prints_as_itself(name):
    made = MADE[name]()
    assert made == MADE[name]() and hash(made) == hash(MADE[name]())
    again = eval(repr(made), {"sr": sr, "tanh": jnp.tanh})
    assert again == made
    assert str(made).startswith(f"{made!r}: ") and str(made).endswith(".")


@pytest.mark.parametrize("name", MADE)
def test_pickled_it_is_the_same(name):
    made = MADE[name]()
    assert pickle.loads(pickle.dumps(made)) is made


def test_as_a_static_argument_an_equal_stack_is_not_traced_again():
    traced = []

    def function(net, x):
        traced.append(net)
        return x

    jitted = jax.jit(function, static_argnums=0)
    for name in (*MADE, *MADE):
        jitted(MADE[name](), 1.0)
    assert len(traced) == len(MADE)


def test_another_process_reads_what_is_pickled(tmp_path):
    made = [make() for make in MADE.values()]
    (tmp_path / "made").write_bytes(pickle.dumps(made))
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import pickle, sys\n"
            "for made in pickle.load(open(sys.argv[1], 'rb')): print(repr(made))",
            str(tmp_path / "made"),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert told == [repr(one) for one in made]


def test_what_was_replaced_is_not_what_the_call_makes():
    replaced = sr.gru(4)._replace(pull=len)
    assert repr(replaced).startswith("sr.Cell(init=_gru.<locals>.init")
    assert replaced != sr.gru(4)
    own = sr.Cell(len, len, len, len, len, len)
    assert pickle.loads(pickle.dumps(own)) == own


def test_other_arguments_make_others():
    pairs = [
        (sr.gru(4), sr.gru(4, bias=False)),
        (sr.lstm(4), sr.lstm(4, forget_bias=0.0)),
        (sr.stack(sr.gru(4)), sr.stack(sr.gru(4), dropout=0.1)),
        (sr.stack(sr.gru(4), dropout=0.1), sr.stack(sr.gru(4), dropout=0.2)),
        (sr.bidirectional(sr.rnn(2), sr.rnn(2)),
         sr.bidirectional(sr.rnn(2), sr.rnn(2), merge="sum")),
    ]  # fmt: skip
    for one, other in pairs:
        assert one != other and repr(one) != repr(other)
    assert sr.lstm(4) == sr.lstm(4, forget_bias=1.0)


def test_parameters_are_counted():
    params = jax.eval_shape(lambda: sr.gru(4, bias=False).init(jax.random.key(0), 3))
    assert sr.parameter_count(params) == 3 * 4 * (3 + 4)
    assert sr.parameter_count(()) == 0
