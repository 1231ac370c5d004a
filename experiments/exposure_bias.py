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
steps ahead: 0.150 by teacher forcing, 0.110 cut, 0.059 through). A free run lowers it
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
from shared.study import Picture, Seed, Seeds, Steps, console, figure, fit, save

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


WAYS = {
    "teacher forcing": Way((1.0,), False, "C3"),
    "scheduled sampling, cut": Way(RATES, False, "C1"),
    "scheduled sampling, through": Way(RATES, True, "C4"),
    "free run, gradient cut": Way((0.0,), False, "C0"),
    "free run, gradient through": Way((0.0,), True, "C2"),
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
    """The error by horizon, seeds as a band; and one series, gone on with."""
    drawing, (left, right) = figure(1, 2, width=11)
    drawing.suptitle(
        "Exposure bias: a network that was only ever given its inputs drifts when it "
        "reads its own predictions;\ntrained on its own predictions, with the gradient "
        "through them, it drifts less; with the gradient cut, it fails"
    )
    ahead = np.arange(1, TESTED + 2)
    for name, error in found.items():
        colour = WAYS[name].colour
        left.fill_between(ahead, error.min(0), error.max(0), color=colour, alpha=0.15)
        left.plot(ahead, error.mean(0), color=colour, label=name)
    spread = float(np.sqrt(0.5 * np.sum(np.square(AMPLITUDES))))
    left.axhline(spread, color="0.5", linestyle=":", label="always saying 0")
    left.axvline(TRAINED, color="0.8", linewidth=0.8)
    left.annotate("trained this far", (TRAINED + 2, 1e-3), color="0.4")
    left.set(
        title="error of the free run (mean, and range of the seeds)",
        xlabel="steps since the last given value",
        ylabel="RMS error (amplitude of the larger sine: 1)",
        yscale="log",
        ylim=(7e-4, 2.0),
    )
    left.legend(loc="lower right", fontsize="small")
    right.plot(ahead, series[GIVEN:, 0, 0], color="k", label="the series")
    for name in ("teacher forcing", *list(WAYS)[-2:]):
        line = np.asarray(said[name])[0, :, 0]
        right.plot(ahead, line, color=WAYS[name].colour, label=name)
    right.set(
        title="one series, one seed",
        xlabel="steps since the last given value",
        ylabel="value",
        xlim=(100, TESTED),
        ylim=(-3.2, 2.2),
    )
    right.legend(loc="lower left", fontsize="small", ncols=2)
    return drawing


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
