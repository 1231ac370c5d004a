"""How far back does a gradient reach, and what predicts it?

An rnn that starts orthogonal keeps 1% for 63 steps, one at half of that for 7, a gru
for 13, an lstm for 75; the irnn and an rnn at twice that, which explodes by 1.16 per
step, for all 99. Training on text takes most of it away: 11 to 13 steps remain for
the gated cells and the tame rnns, 28 for the irnn and 62 for the wild one (30 on
another machine), and those two had most of their updates clipped (56% and 85%; the
others 0 to 3%). The Lyapunov
exponent predicts 11 of 12 rates to within 1.5% per step. The spectral radius of W_h
does not: trained, it is 1.48 where the gradient shrinks to 0.69 per step. The exception
is instructive. The trained lstm shrinks by 0.787, with an exponent of 0.967: its
slowest memories stand at |c| near 27, where tanh(c) is flat. They last, but no output
feels them, so no gradient enters. (Seed 0, 300 updates.)

    python experiments/gradient_flow.py [--units 64] [--steps 300]   # 30 s

The loss at the last step T alone sends a gradient back: the norm of dL_T / dL_{T-k},
the cotangent of the whole state (h, and c for the LSTM; median over the sequences),
against the lag k. It vanishes or explodes exponentially (Hochreiter 1991; Pascanu,
Mikolov and Bengio 2013, arXiv 1211.5063), and the rate is known beforehand:

- the largest singular value s of W_h bounds it: for tanh and relu no step multiplies
  by more, so s < 1 must vanish; the spectral radius of W_h is the rate without φ';
- the spectral radius of the mean step Jacobian does not see how Jacobians turn;
- the Lyapunov exponent, the mean growth of a tangent pushed forward by the product of
  the Jacobians along the trajectory, is the rate itself. It is estimated on other text.

Horizon: the smallest lag at which the norm is below 1% of that at lag 0. Clipped:
updates of the training whose gradient had a global norm above 1. irnn is the relu RNN
that starts from W_h = 1 (Le, Jaitly and Hinton 2015, arXiv 1504.00941).
"""

import math
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import typer
from jax import Array, lax
from matplotlib.figure import Figure
from rich.table import Table
from shared.char import Batch, Params, draw, init, loss_of_outputs, text, train_each
from shared.page import End, caption, listed, name_ends, page
from shared.study import Picture, Seed, Steps, console, save

import scanrnn as sr

TRAINED = 64  # characters in a row
CLIP = 1.0
FADED = 0.01  # of the norm at lag 0: the horizon
NEAR = 0.02  # per step, between a slope and its prediction
SETTLED = 10  # lags that are left out of a slope


class Kind(NamedTuple):
    """A cell, and what becomes of its orthogonal W_h at initialisation."""

    cell: Callable[[int], sr.Cell]
    recurrence: Callable[[Array], Array]
    colour: str


KINDS = {
    "rnn orthogonal": Kind(sr.rnn, lambda w: w, "C3"),
    "rnn 0.5 x that": Kind(sr.rnn, lambda w: 0.5 * w, "C1"),
    "rnn 2 x that": Kind(sr.rnn, lambda w: 2.0 * w, "C5"),
    "irnn identity": Kind(
        lambda units: sr.rnn(units, activation="relu"),
        lambda w: jnp.eye(len(w), dtype=w.dtype),
        "C4",
    ),
    "gru": Kind(sr.gru, lambda w: w, "C0"),
    "lstm": Kind(sr.lstm, lambda w: w, "C2"),
}


class Flow(NamedTuple):
    """What was measured of one model, and what was predicted; slopes are per step."""

    norms: np.ndarray  # (T,), by lag from 0
    slope: float  # of log norm, over the lags above SETTLED
    lyapunov: float
    mean_jacobian: float  # log of its spectral radius
    singular: float | None  # the largest singular value of W_h; not for gates
    radius: float | None  # the spectral radius of W_h

    @property
    def horizon(self) -> int | None:
        """The first lag below 1%; None if there is none."""
        below = np.flatnonzero(self.norms < FADED * self.norms[0])
        return int(below[0]) if below.size else None


def begin(kind: Kind, units: int, key: Array) -> tuple[sr.Cell, Params]:
    """A fresh model with its recurrence set."""
    cell = kind.cell(units)
    params = init(cell, key)
    w_h = kind.recurrence(params.cell.w_h)
    return cell, params._replace(cell=params.cell._replace(w_h=w_h))


def norms_by_lag(cell: sr.Cell, params: Params, xs: Array, labels: Array) -> Array:
    """Median over the batch of the norm of dL_T / dL_{T-k}, for k = 0 .. T - 1."""
    outputs = sr.unroll(cell, params.cell, xs).outputs
    batch = xs.shape[1]

    def last_loss(outputs: Array) -> Array:
        return batch * loss_of_outputs(params.dense, outputs[-1], labels[-1])

    d_outputs = jax.grad(last_loss)(outputs)
    total = sr.adjoints(cell, params.cell, xs, d_outputs).total
    squares = sum(jnp.sum(leaf**2, -1) for leaf in jax.tree.leaves(total))
    return jnp.median(jnp.sqrt(squares), axis=1)[::-1]


def vector_of(state: Any) -> Array:
    """The fields of a state side by side."""
    return jnp.concatenate(jax.tree.leaves(state), axis=-1)


def stepper(cell: sr.Cell, params: Any) -> Callable[[Array, Any], Array]:
    """One step of one sequence, from state to state as vectors."""
    leaves, structure = jax.tree.flatten(cell.start(1))
    widths = np.cumsum([leaf.shape[-1] for leaf in leaves])[:-1]

    def step(vector: Array, drive: Any) -> Array:
        state = jax.tree.unflatten(structure, jnp.split(vector[None], widths, -1))
        drive = jax.tree.map(lambda leaf: leaf[None], drive)
        return vector_of(cell.step(params, state, drive)[0])[0]

    return step


def along(cell: sr.Cell, params: Any, xs: Array) -> tuple[Array, Array]:
    """The Lyapunov exponent, and the step Jacobian averaged over steps and batch."""
    step = stepper(cell, params)
    first = vector_of(cell.start(xs.shape[1]))
    push: Any = jax.vmap(lambda v, d, u: jax.jvp(lambda v: step(v, d), (v,), (u,)))
    jacobian: Any = jax.vmap(jax.jacrev(step))

    def body(carry: Any, drive: Any) -> Any:
        vectors, tangents, total = carry
        total = total + jacobian(vectors, drive).mean(0)
        vectors, tangents = push(vectors, drive, tangents)
        lengths = jnp.linalg.norm(tangents, axis=-1, keepdims=True)
        # A tangent that relu kills stays zero: its growth is not counted.
        grown = jnp.where(lengths > 0, jnp.log(jnp.maximum(lengths, 1e-30)), jnp.nan)
        return (vectors, tangents / jnp.maximum(lengths, 1e-30), total), grown

    tangents = jax.random.normal(jax.random.key(1), first.shape)
    tangents = tangents / jnp.linalg.norm(tangents, axis=-1, keepdims=True)
    zero = jnp.zeros((first.shape[1],) * 2)
    carry, grown = lax.scan(body, (first, tangents, zero), cell.project(params, xs))
    return jnp.nanmean(grown[len(grown) // 4 :]), carry[2] / len(xs)


def measure(cell: sr.Cell, params: Params, key: Array, length: int, batch: int) -> Flow:
    """Norms on one piece of text, predictions on another."""
    one, other = (draw(text().tokens, k, length, batch) for k in jax.random.split(key))
    norms = jax.jit(norms_by_lag, static_argnums=0)(cell, params, *one)
    few = other[0][:, :8]
    lyapunov, jacobian = jax.jit(along, static_argnums=0)(cell, params.cell, few)
    w_h = np.asarray(params.cell.w_h)
    square = w_h.shape[0] == w_h.shape[1]
    return Flow(
        np.asarray(norms),
        slope_of(np.asarray(norms)),
        float(lyapunov),
        log_of(spectral_radius(np.asarray(jacobian))),
        float(np.linalg.norm(w_h, 2)) if square else None,
        spectral_radius(w_h) if square else None,
    )


def spectral_radius(matrix: np.ndarray) -> float:
    """The largest eigenvalue by magnitude."""
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def log_of(rate: float) -> float:
    """Minus infinity where relu lets nothing through."""
    return math.log(rate) if rate else -math.inf


def slope_of(norms: np.ndarray) -> float:
    """Of log norm against lag, by least squares, where float32 still has digits."""
    lags = np.arange(len(norms))
    use = (lags >= min(SETTLED, len(norms) // 3)) & (norms > 1e-30)
    if use.sum() < 2:
        return float("nan")
    return float(np.polyfit(lags[use], np.log(norms[use]), 1)[0])


def table_of(flows: dict[str, tuple[Flow, Flow]], ends: dict[str, str]) -> Table:
    """One line per model, fresh and trained."""
    table = Table(title="growth of the gradient per step back: exp of the slope")
    heads = ("", "measured", "Lyapunov", "mean J", "s(W_h)", "r(W_h)", "horizon")
    for head in ("model", *heads, "training"):
        table.add_column(head, justify="right")
    for name, pair in flows.items():
        for state, flow in zip(("fresh", "trained"), pair, strict=True):
            rates = np.exp([flow.slope, flow.lyapunov, flow.mean_jacobian])
            known = [f"{v:.2f}" if v else "" for v in (flow.singular, flow.radius)]
            horizon = str(flow.horizon or f"> {len(flow.norms) - 1}")
            end = ends[name] if state == "trained" else ""
            shown = [f"{rate:.3f}" for rate in rates]
            table.add_row(name, state, *shown, *known, horizon, end)
    return table


def draw_picture(flows: dict[str, tuple[Flow, Flow]]) -> Figure:
    """Norms against the lag, solid; the slope that Lyapunov predicts, dotted."""
    drawing, panels = page(1, 2, height=4.4)
    for side, panel in enumerate(panels):
        for name, pair in flows.items():
            draw_flow(panel, pair[side], KINDS[name].colour)
        panel.axhline(FADED, color="0.6", linewidth=0.8)
        panel.set(yscale="log", xlabel="lag k, steps back from the loss")
        panel.set_title("after training" if side else "at initialisation")
    low, high = zip(*(panel.get_ylim() for panel in panels), strict=True)
    for side, panel in enumerate(panels):
        panel.set(ylim=(min(low), max(high)), xlim=(0, None))
        ends = [end_of(name, pair[side]) for name, pair in flows.items()]
        name_ends(panel, ends, height=3.0)
    panels[0].set_ylabel(
        "gradient of the last loss by the state k steps\n"
        "before it: norm / norm at k = 0"
    )
    panels[1].set_yticklabels([])
    drawing.suptitle(headline(flows))
    caption(
        drawing,
        "Beside each name: what a step back multiplies the gradient by, and the steps "
        f"after which it is below {FADED:.0%}\n(grey line, dots). Dotted: the slope "
        "that the Lyapunov exponent predicts. A curve ends where float32 does.\n"
        "W_h starts orthogonal, at 0.5 or at 2 times that; irnn: relu, W_h starts as "
        "the identity.",
    )
    return drawing


def headline(flows: dict[str, tuple[Flow, Flow]]) -> str:
    """What was found, in the measured numbers."""
    pairs = {n: [abs(f.slope - f.lyapunov) < NEAR for f in p] for n, p in flows.items()}
    right = [near for pair in pairs.values() for near in pair]
    said = (
        "The Lyapunov exponent predicts how fast a gradient vanishes or explodes:\n"
        f"within {NEAR:.0%} per step in {sum(right)} of {len(right)} models"
    )
    missed = [
        f"the {state} {name}"
        for name, pair in pairs.items()
        for state, near in zip(("fresh", "trained"), pair, strict=True)
        if not near
    ]
    return said + (f"; not of {listed(missed)}" if 0 < len(missed) < 4 else "")


def draw_flow(axes: Any, flow: Flow, colour: str) -> None:
    """One model: what was measured, what was predicted, and where 1% is left."""
    lags, shares = np.arange(len(flow.norms)), flow.norms / flow.norms[0]
    shares = np.where(shares > 0, shares, np.nan)  # squares below 1e-38 are 0
    axes.plot(lags, shares, color=colour, lw=1.4)
    anchor = min(SETTLED, len(lags) // 3)
    line = shares[anchor] * np.exp(flow.lyapunov * (lags - anchor))
    told = (lags >= anchor) & ~np.isnan(shares)
    axes.plot(lags[told], line[told], ":", color="black", lw=1)
    if flow.horizon:
        axes.plot(flow.horizon, shares[flow.horizon], ".", color=colour, ms=7)


def end_of(name: str, flow: Flow) -> End:
    """The name of a curve, with its rate and horizon, at its last point above 0."""
    last = int(np.flatnonzero(flow.norms > 0)[-1])
    left = f"1% at {flow.horizon}" if flow.horizon else "never 1%"
    text = f"{name}: {np.exp(flow.slope):.2f}, {left}"
    return End(text, last, flow.norms[last] / flow.norms[0], KINDS[name].colour)


def main(
    units: Annotated[int, typer.Option(min=2, help="H of every cell.")] = 64,
    length: Annotated[int, typer.Option(min=12, help="T, steps back.")] = 100,
    batch: Batch = 32,
    steps: Steps = 300,
    seed: Seed = 0,
    picture: Picture = None,
) -> None:
    """Measures fresh models, trains them, measures again, prints and draws."""
    keys = jax.random.split(jax.random.key(seed), 3)
    models = {name: begin(kind, units, keys[0]) for name, kind in KINDS.items()}
    sizes = {"steps": steps, "length": TRAINED, "batch": batch}
    flows, ends = {}, {}
    for name, (cell, fresh, run) in train_each(models, keys[1], clip=CLIP, **sizes):
        before, after = (
            measure(cell, params, keys[2], length, batch)
            for params in (fresh, run.params)
        )
        flows[name] = before, after
        clipped = np.mean(~(run.norms <= CLIP))
        ends[name] = f"loss {run.told[-20:].mean():.2f}, {clipped:.0%} clipped"
    console.print(table_of(flows, ends))
    save(draw_picture(flows), picture, "gradient_flow")


if __name__ == "__main__":
    typer.run(main)
