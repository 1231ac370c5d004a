"""The exercise's character model: it learns names one by one, and makes up others.

Initial weights come from seed 1, the order of the names from seed 0, and sampling sets
a seed of its own before every character: the same names give the same losses and the
same samples, digit by digit. Drawing here leaves NumPy's global state alone.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from .border import Floats, Parameters, in_float64
from .characters import (
    NOTHING,
    check_characters,
    check_inverse,
    read_count,
    read_model,
    short,
)
from .rnn import rnn_cell_forward
from .update import Example, Network, network_of, pad, parameters_of, update

LONGEST = 50  # characters of a sample
RATE = 0.01  # of learning
KEPT = 0.999  # of the smoothed loss, at every name


class Report(NamedTuple):
    """What `model` tells as it learns."""

    iteration: int  # names learnt before this one
    loss: float  # smoothed, in nats per name
    names: list[str]  # samples with a capital first, without their newline


@in_float64
def sample(
    parameters: Parameters, char_to_ix: Mapping[str, int], seed: int
) -> list[int]:
    r"""A name, drawn character by character from what the model expects next.

    The first character is drawn given the zero vector; each that follows, given the
    one before it. The draw of character t (from 0) is ``np.random.choice`` after
    ``np.random.seed(seed + 2 t)``, as in the exercise.

    Args:
        parameters: Wax (n_a, n_x), Waa (n_a, n_a), Wya (n_y, n_a), b (n_a, 1) and
            by (n_y, 1), with n_x = n_y characters.
        char_to_ix: the index in [0, n_y) of every character, "\n" among them.
        seed: an integer from 0.

    Returns:
        Indices, the last one that of "\n": after at most 50, where it is appended.

    Raises:
        ValueError: if a key is missing, a shape does not fit, char_to_ix is not as
            above, or the parameters are not finite.

    >>> import numpy as np
    >>> parameters = dict(Wax=np.zeros((2, 3)), Waa=np.zeros((2, 2)),
    ...                   Wya=np.zeros((3, 2)), b=np.zeros((2, 1)), by=np.zeros((3, 1)))
    >>> sample(parameters, {"\n": 0, "a": 1, "b": 2}, seed=0)
    [1, 1, 2, 2, 2, 2, 0]
    """
    values, seed = read_model(parameters), read_count("seed", seed, 0)
    check_characters(char_to_ix, len(values["by"]))
    if not all(np.isfinite(value).all() for value in values.values()):
        raise ValueError(
            "expected finite parameters, got NaN or infinity; a lower learning rate "
            "keeps them finite"
        )
    values["ba"] = values.pop("b")  # as the other functions of the exercise call it
    one_hot = np.eye(len(values["by"]), dtype=values["by"].dtype)
    xt, a, newline = 0 * one_hot[:, :1], 0 * values["ba"], char_to_ix["\n"]
    drawn: list[int] = []
    while newline not in drawn[-1:] and len(drawn) < LONGEST:
        a, y, _ = rnn_cell_forward(xt, a, values)
        random = np.random.RandomState(seed + 2 * len(drawn))
        drawn.append(int(random.choice(len(y), p=y.ravel())))
        xt = one_hot[:, drawn[-1:]]
    # Also where the last of them is a newline: so does the exercise.
    return drawn + [newline] * (len(drawn) == LONGEST)


@in_float64
def model(
    data: str | Sequence[str],
    ix_to_char: Mapping[int, str],
    char_to_ix: Mapping[str, int],
    num_iterations: int = 35000,
    n_a: int = 50,
    dino_names: int = 7,
    vocab_size: int | None = None,
    *,
    report: Callable[[Report], object] | None = None,
    every: int = 2000,
) -> tuple[dict[str, Floats], str]:
    r"""Learns names by `optimize`, one at an iteration; samples some as it goes.

    The loss that it reports is smoothed: 0.999 of what it was and 0.001 of that of the
    name, from −log(1 / vocab_size) dino_names on. The state after a name is the state
    before the next, and no gradient goes back from one to the other; a sample begins
    at zero, as only the first name did. Many iterations run as one compiled program.

    Args:
        data: a text with a name on each line, or the names. Space around them and
            blank lines are dropped.
        ix_to_char: the character of every index.
        char_to_ix: the index of every character, in [0, vocab_size); "\n" among them,
            which ends a name.
        num_iterations: names to learn; after the last of the list comes the first.
        n_a: hidden units.
        dino_names: names to sample for a report, from the seeds 0, 1, ...
        vocab_size: the number of characters; that of char_to_ix if not given.
        report: is called with a `Report` at the iterations 0, every, 2 every, ...
        every: iterations between reports.

    Returns:
        The parameters, Wax, Waa, Wya, b and by, in float64; and the last name that was
        sampled, with its newline.

    Raises:
        ValueError: if there is no name, a character is not in char_to_ix, the two
            dictionaries do not belong together, or a number is out of range.

    >>> char_to_ix = {"\n": 0, "a": 1, "n": 2}
    >>> ix_to_char = {0: "\n", 1: "a", 2: "n"}
    >>> parameters, last_name = model(
    ...     "anna\nnana\n", ix_to_char, char_to_ix, 201, n_a=5, every=100,
    ...     report=lambda told: print(told.iteration, round(told.loss, 3)))
    0 7.688
    100 7.464
    200 7.251
    >>> parameters["Wax"].shape
    (5, 3)
    """
    iterations = read_count("num_iterations", num_iterations, 1)
    n_a, shown = read_count("n_a", n_a, 1), read_count("dino_names", dino_names, 1)
    every = read_count("every", every, 1)
    check_characters(char_to_ix, vocab_size)
    check_inverse(ix_to_char, char_to_ix)
    examples = _examples(data, char_to_ix)
    state = Learning(
        network_of(_beginning(n_a, len(char_to_ix))),
        jnp.zeros((1, n_a)),
        jnp.asarray(np.log(len(char_to_ix)) * shown),
    )
    texts = [""]
    stops = sorted({*range(1, iterations + 1, every), iterations})
    for first, stop in itertools.pairwise([0, *stops]):
        state = _learn(state, examples, first, stop)
        if (stop - 1) % every == 0:
            parameters = parameters_of(state.network)
            texts = [_text(parameters, ix_to_char, char_to_ix, i) for i in range(shown)]
            if report is not None:
                names = [text.rstrip("\n") for text in texts]
                report(Report(stop - 1, float(state.loss), names))
    return parameters_of(state.network), texts[-1]


class Learning(NamedTuple):
    """What goes from one name to the next."""

    network: Network
    a_prev: Array  # (1, n_a)
    loss: Array  # smoothed


@jax.jit
def _learn(state: Learning, examples: Example, first: int, stop: int) -> Learning:
    """The iterations from ``first`` to before ``stop``; the program serves them all."""
    rate = jnp.asarray(RATE, state.loss.dtype)

    def learn_one(j: Array, state: Learning) -> Learning:
        example = jax.tree.map(lambda x: x[j % len(x)], examples)
        loss, _, network, a = update(state.network, example, state.a_prev, rate)
        return Learning(network, a, KEPT * state.loss + (1 - KEPT) * loss)

    return lax.fori_loop(first, stop, learn_one, state)


def _beginning(n_a: int, n_y: int) -> dict[str, Floats]:
    """Normal numbers times 0.01 from seed 1, in the exercise's order."""
    draw = np.random.RandomState(1).randn
    shapes = {"Wax": (n_a, n_y), "Waa": (n_a, n_a), "Wya": (n_y, n_a)}
    weights = {name: 0.01 * draw(*shape) for name, shape in shapes.items()}
    return weights | {"b": np.zeros((n_a, 1)), "by": np.zeros((n_y, 1))}


def _examples(data: str | Sequence[str], char_to_ix: Mapping[str, int]) -> Example:
    """The names in the order of seed 0, as X and Y, padded to the longest."""
    lines = data.split("\n") if isinstance(data, str) else data
    try:
        names = [name for name in map(str.strip, lines) if name]
    except TypeError:
        names = []
    if not names:
        raise ValueError(
            "expected data with at least one name: a text with a name on each line, or "
            f"a list of names; got {short(data)}"
        )
    for name in names:
        if not char_to_ix.keys() >= set(name):
            raise ValueError(
                f"expected names of the characters in char_to_ix, got {name!r} with "
                f"{', '.join(map(repr, sorted(set(name) - char_to_ix.keys())))}; make "
                "names lower-case, or char_to_ix of all their characters"
            )
    np.random.RandomState(0).shuffle(names)
    tokens = [[char_to_ix[character] for character in name] for name in names]
    xs = [[NOTHING, *name] for name in tokens]
    ys = [[*name, char_to_ix["\n"]] for name in tokens]
    return pad(xs, ys, max(map(len, xs)))


def _text(
    parameters: Parameters,
    ix_to_char: Mapping[int, str],
    char_to_ix: Mapping[str, int],
    seed: int,
) -> str:
    """A sample with a capital first, and its newline."""
    text = "".join(ix_to_char[i] for i in sample(parameters, char_to_ix, seed))
    return text[0].upper() + text[1:]
