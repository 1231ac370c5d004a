"""Exposure bias: what does a network do with its own mistakes, and who teaches it that?

A GRU predicts the next value of a sum of two sines (no noise, random phases). In the
test it is given 20 values and goes on alone for 200 steps, by `sr.feedback`. It is
trained over 20 + 40 steps in five ways: with all inputs given (teacher forcing); with
ever fewer of them (scheduled sampling, Bengio et al. 2015, arXiv 1506.03099); and as in
the test (free run); the last two with the gradient cut at what is fed back, and with
the gradient through it. In the paper it is cut.

Answer (3 seeds, 1500 updates; RMS error, always saying 0 would have 0.82):
teacher forcing is the best one step ahead (0.004; trained on free runs: 0.007) and ten
times worse ten steps ahead (0.139 against 0.014). That is exposure bias. Scheduled
sampling lowers it, more with the gradient through what is fed back than with it cut (40
steps ahead: 0.150 by teacher forcing, 0.110 cut, 0.067 through). A free run lowers it
most with the gradient through (0.023), and fails without (0.432): a network whose
gradient is cut learns to live with mistakes that it is never told not to make.

    python experiments/exposure_bias.py
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import typer
from jax import Array, lax
from rich.table import Table
from shared.page import End, caption, name_ends, page
from shared.study import Picture, Seed, Seeds, Steps, console, fit, save

import scanrnn as sr

GIVEN, BATCH, UNITS = 20, 32, 32  # steps given, sequences, hidden units
TRAINED, TESTED = 40, 200  # steps to go on alone, in training and in the test
PERIODS, AMPLITUDES = (29.0, 11.3), (1.0, 0.6)
RATES = (0.75, 0.5, 0.25)  # of given inputs in scheduled sampling, in this order
SHOWN = (1, 10, 40, 100, 200)  # steps ahead in the table


class Way(NamedTuple):
    """How a network is trained: which inputs it is given, and where its error goes."""

    given: tuple[float, ...]  # share of given inputs after the first; one per stage
    through: bool  # whether gradients go through what is fed back
    colour: str
    style: str  # of a line


WAYS = {
    "teacher forcing": Way((1.0,), False, "C3", "-"),
    "scheduled sampling, cut": Way(RATES, False, "C1", "--"),
    "scheduled sampling, through": Way(RATES, True, "C4", "-."),
    "free run, gradient cut": Way((0.0,), False, "C0", ":"),
    "free run, gradient through": Way((0.0,), True, "C2", "-"),
}
CELL = sr.feedback(sr.gru(UNITS), 1)


def waves(key: Array, steps: int, batch: int) -> Array:
    """(steps, batch, 1): two sines of fixed periods and random phases; no noise."""
    phases = 2 * jnp.pi * jax.random.uniform(key, (2, batch))
    t = jnp.arange(steps)[:, None]
    parts = [
        amplitude * jnp.sin(2 * jnp.pi * t / period + phase)
        for amplitude, period, phase in zip(AMPLITUDES, PERIODS, phases, strict=True)
    ]
    return jnp.sum(jnp.stack(parts), axis=0)[..., None]


def predict(
    params: sr.FeedbackParams, series: Array, gate: Array, through: bool
) -> Array:
    """The prediction of every step's next value, (T, B, 1)."""
    run = sr.unroll(CELL, params, sr.forced(series, gate))
    predictions = sr.dense(params.readout, run.outputs)
    if through:
        return predictions
    # Once more, with what was fed back as if it were given: the gradient is cut.
    last = jnp.concatenate((series[:1], predictions[:-1]))
    fed = lax.stop_gradient(jnp.where(gate[..., None], series, last))
    run = sr.unroll(CELL, params, sr.forced(fed, True))
    return sr.dense(params.readout, run.outputs)


def loss_of(rate: float, through: bool, params: Any, key: Array) -> Array:
    """The sum over networks of the mean squared error of their predictions."""

    def of_one(params: sr.FeedbackParams, key: Array) -> Array:
        of_waves, of_gate = jax.random.split(key)
        series = waves(of_waves, GIVEN + TRAINED + 1, BATCH)
        gate = jax.random.bernoulli(of_gate, rate, (GIVEN + TRAINED, BATCH))
        gate = gate | (jnp.arange(GIVEN + TRAINED)[:, None] < GIVEN)
        predictions = predict(params, series[:-1], gate, through)
        return jnp.mean((predictions - series[1:]) ** 2)

    seeds = jax.tree.leaves(params)[0].shape[0]
    return jnp.sum(jax.vmap(of_one)(params, jax.random.split(key, seeds)))


def train(name: str, key: Array, seeds: int, steps: int) -> Any:
    """Networks from seeds of their own, side by side as one program."""
    way = WAYS[name]
    of_init, *of_stages = jax.random.split(key, 1 + len(way.given))
    draw = functools.partial(CELL.init, input_size=2)
    params = jax.vmap(draw)(jax.random.split(of_init, seeds))
    stages = np.array_split(np.arange(steps), len(way.given))
    for rate, stage, key in zip(way.given, stages, of_stages, strict=True):
        loss = functools.partial(loss_of, rate, way.through)
        if len(stage):
            params, _ = fit(
                loss,
                params,
                key,
                steps=len(stage),
                rate=3e-3,
                clip=seeds**0.5,  # of the gradients of all networks together
                label=name,
            )
    return params


@jax.jit
def go_on(params: Any, series: Array) -> Array:
    """(seeds, TESTED + 1, B): what every network says once it is given no more."""
    gate = jnp.arange(GIVEN + TESTED)[:, None] < GIVEN

    def of_one(params: sr.FeedbackParams) -> Array:
        return predict(params, series[:-1], gate, True)[GIVEN - 1 :, :, 0]

    return jax.vmap(of_one)(params)


def errors(said: Array, series: Array) -> np.ndarray:
    """(seeds, TESTED + 1): root mean square error by steps since the last given."""
    return np.sqrt(np.mean(np.asarray(said - series[GIVEN:, :, 0]) ** 2, axis=-1))


def table_of(found: dict[str, np.ndarray]) -> Table:
    """The error at some horizons."""
    table = Table(title="RMS error by steps ahead: mean over seeds / the worst seed")
    table.add_column("trained by")
    for ahead in SHOWN:
        table.add_column(str(ahead), justify="right")
    for name, error in found.items():
        at = error[:, [ahead - 1 for ahead in SHOWN]].T
        table.add_row(name, *(f"{e.mean():.3f} / {e.max():.3f}" for e in at))
    return table


def draw(found: dict[str, np.ndarray], said: dict[str, Array], series: Array) -> Any:
    """The error by horizon, mean and seeds; and one series, gone on with."""
    drawing, (left, right) = page(1, 2, height=4.4)
    at = {name: error[:, TRAINED - 1].mean() for name, error in found.items()}
    drawing.suptitle(
        f"On its own for {TRAINED} steps, a network that was only ever given the true "
        f"inputs\nhas an error of {at['teacher forcing']:.2f}; taught by free runs it "
        f"has {at['free run, gradient through']:.2f} with the gradient through\nwhat "
        f"it feeds back, and {at['free run, gradient cut']:.2f} with the gradient cut "
        "there"
    )
    draw_errors(left, found)
    draw_series(right, said, series)
    caption(
        drawing,
        f"Lines: the mean of {len(said['teacher forcing'])} seeds; thin: each seed. "
        "Teacher forcing: all inputs given in training. Scheduled sampling: ever "
        "fewer.\nFree run: none after the first. Through, cut: whether a gradient goes "
        "through a prediction that is fed back as an input.",
    )
    return drawing


def draw_errors(axes: Any, found: dict[str, np.ndarray]) -> None:
    """By steps ahead, a style for every way to train."""
    ahead = np.arange(1, TESTED + 2)
    ends = []
    for name, error in found.items():
        way = WAYS[name]
        axes.plot(ahead, error.T, color=way.colour, lw=0.5, alpha=0.4)
        axes.plot(ahead, error.mean(0), way.style, color=way.colour, lw=1.5)
        text = name.replace(", ", ",\n")
        ends.append(End(text, TESTED + 1, float(error[:, -1].mean()), way.colour))
    spread = float(np.sqrt(0.5 * np.sum(np.square(AMPLITUDES))))
    axes.axhline(spread, color="0.5", lw=0.7)
    axes.axvline(TRAINED, color="0.5", lw=0.7)
    axes.set(
        title="Error of the free run",
        xlabel="steps since the last given value",
        ylabel="RMS error; the larger sine has amplitude 1",
        yscale="log",
        ylim=(2e-3, 1.5),
        xlim=(0, TESTED + 1),
    )
    axes.text(TESTED, 1.05 * spread, "always saying 0", ha="right", va="bottom")
    axes.text(TRAINED + 2, 2.2e-3, "trained this far", color="0.3")
    name_ends(axes, ends, height=1.3)


def draw_series(axes: Any, said: dict[str, Array], series: Array) -> None:
    """What three networks say far ahead, one panel for all, each moved down."""
    ahead, step = np.arange(1, TESTED + 2), 4.0
    names = ("teacher forcing", *list(WAYS)[:2:-1])
    for k, name in enumerate(names):
        line = np.asarray(said[name])[0, :, 0]
        axes.plot(ahead, series[GIVEN:, 0, 0] - k * step, color="0.7", lw=3)
        axes.plot(ahead, line - k * step, color=WAYS[name].colour, lw=1.2)
        axes.text(TESTED // 2, 1.9 - k * step, name, color=WAYS[name].colour)
    axes.set(
        title="One series (grey) and what is said of it",
        xlabel="steps since the last given value",
        xlim=(TESTED // 2, TESTED),
        ylim=(-2 - step * (len(names) - 1), 2.8),
    )
    axes.set_yticks([])


def main(
    seed: Seed = 0, seeds: Seeds = 3, steps: Steps = 1500, picture: Picture = None
) -> None:
    """Trains networks in five ways and lets all of them run free."""
    of_training, of_test = jax.random.split(jax.random.key(seed))
    series = waves(of_test, GIVEN + TESTED + 1, 256)
    said = {
        name: go_on(train(name, of_training, seeds, steps), series) for name in WAYS
    }
    found = {name: errors(values, series) for name, values in said.items()}
    console.print(table_of(found))
    save(draw(found, said, series), picture, "exposure_bias")


if __name__ == "__main__":
    typer.run(main)
