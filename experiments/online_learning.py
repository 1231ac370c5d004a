"""Is it worth learning while the stream runs, instead of going back over a window?

Not where a window fits that is longer than the lag: 16 steps solve both streams. It is
where none does. A window of 4 learns nothing of the echo (0.69 nats, which is chance);
online every method learns some of it with no window at all: RTRL 0.27 to 0.33, SnAp-1
0.41 to 0.47, UORO 0.50 to 0.53, the last two in less memory than that window's tapes
(19 kB; window of 4: 28 kB, of 16: 101 kB; RTRL: 226 kB). A step of RTRL costs as much
as 25 of SnAp-1, so it sees 1,600 steps against 40,320: on the echo each of them is
worth more than 25 biased ones, on the copy it is not (0.28 to 0.35 against 0.12 to
0.23; UORO 0.38 to 0.45, window of 4 0.27 to 0.44).
(H = 12, 3·10⁹ operations, two seeds.)

Two streams of bits, each with a lag: *copy* shows five bits and a marker, then wants
them in order, and begins anew with a reset; *echo* never ends and wants the bit of six
steps ago, for ever. A GRU reads them, eight streams at once. Online, every step makes a
gradient through all of its past, and an update:

    memory, h = learner.step(params, memory, x, reset=reset)
    loss, (d_readout, d_h) = jax.value_and_grad(loss_of, (0, 1))(readout, h, target)
    d_params = learner.gradient(memory, d_h)

The windows go back over 4 or 16 steps by `sr.unroll`, make an update, and hand their
state on. All spend the same number of operations, which is counted in the programs
themselves: who pays less for a step sees more of the stream.

    python experiments/online_learning.py [--cost 3] [--seeds 2]    # 3 minutes

Sources: Williams and Zipser 1989 (RTRL); Menick et al. 2020, arXiv 2006.07232 (SnAp,
and copying as the test); Tallec and Ollivier 2017, arXiv 1702.05043 (UORO).
"""

import functools
import math
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import typer
from jax import Array, lax
from matplotlib.figure import Figure
from rich.progress import track
from rich.table import Table
from shared.page import End, caption, name_ends, page
from shared.study import Picture, Seeds, console, save

import scanrnn as sr
from scanrnn.online import RTRL, UORO, SnAp, online

BATCH = 8
SHOWN = 5  # bits of a copy; its lag is one more
LAG = SHOWN + 1
EPISODE = 2 * SHOWN + 1
CHANCE = math.log(2)
CHUNK = 16  # steps that are drawn at once; 1, 4 and 16 are its divisors
POINTS = 20  # of a curve


class At(NamedTuple):
    """What a stream holds at a stretch of steps, (T, B, ·)."""

    xs: Array  # (T, B, 3): the bit as ±1, whether it is shown, whether one is asked for
    targets: Array  # (T, B), the bit that is asked for
    weights: Array  # (T, B), 1 where one is
    resets: Array  # (T, B)


class Net(NamedTuple):
    """All that is learned."""

    cell: Any
    readout: sr.DenseParams


def copy(key: Array, first: Array, steps: int) -> At:
    """Episodes of eleven steps; every sequence is at a place of its own in them."""
    places = (first + jnp.arange(steps))[:, None] + jnp.arange(BATCH)
    place, episode = places % EPISODE, places // EPISODE
    index = jnp.where(place < SHOWN, place, place - LAG)

    def bit(episode: Array, stream: Array, index: Array) -> Array:
        keys = jax.random.fold_in(jax.random.fold_in(key, stream), episode)
        return jax.random.bernoulli(jax.random.fold_in(keys, index))

    streams = jnp.broadcast_to(jnp.arange(BATCH), places.shape)
    bits = jax.vmap(jax.vmap(bit))(episode, streams, index).astype(jnp.float32)
    shown, asked = place < SHOWN, place > SHOWN
    xs = jnp.stack(((2 * bits - 1) * shown, shown, asked), -1)
    return At(xs.astype(jnp.float32), bits, asked.astype(jnp.float32), place == 0)


def echo(key: Array, first: Array, steps: int) -> At:
    """A bit at every step, and the one of six steps ago is asked for."""

    def draw(time: Array) -> Array:
        return jax.random.bernoulli(jax.random.fold_in(key, time), 0.5, (BATCH,))

    bits = jax.vmap(draw)(first + jnp.arange(steps + LAG)).astype(jnp.float32)
    ones = jnp.ones((steps, BATCH))
    xs = jnp.stack((2 * bits[LAG:] - 1, ones, ones), -1)
    return At(xs, bits[:steps], ones, ones == 0)


STREAMS: dict[str, Callable[[Array, Array, int], At]] = {"copy": copy, "echo": echo}


class Way(NamedTuple):
    """How it is learned: a learner's method, or a window to go back over."""

    label: str
    colour: str
    method: RTRL | SnAp | UORO | None
    window: int
    rate: float  # of Adam, the best of those tried


WAYS = {
    "rtrl": Way("RTRL", "C3", RTRL(), 1, 1e-2),
    "snap": Way("SnAp-1", "C0", SnAp(1), 1, 1e-3),
    "uoro": Way("UORO", "C1", UORO(), 1, 3e-3),
    "window4": Way("window of 4", "0.6", None, 4, 3e-3),
    "window16": Way("window of 16", "C2", None, 16, 3e-3),
}


STYLES = dict(zip(WAYS, ("-", "--", "-.", ":", "-"), strict=True))
ASKED = {  # of a stream, in words
    "copy": f"{SHOWN} bits, {LAG} steps later",
    "echo": f"the bit of {LAG} steps ago, for ever",
}


class Run(NamedTuple):
    """Losses in nats a bit, at so many operations each."""

    steps: np.ndarray
    operations: np.ndarray
    losses: np.ndarray


def loss_of(readout: sr.DenseParams, hs: Array, at: At) -> tuple[Array, Array]:
    """The mean loss of a bit, and the sum that it is the mean of."""
    logits = sr.dense(readout, hs)[..., 0]
    each = optax.sigmoid_binary_cross_entropy(logits, at.targets) * at.weights
    return each.sum() / each.size, each.sum()


def optimiser_of(way: Way) -> optax.GradientTransformation:
    """Adam, with clipping."""
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(way.rate))


def begin(way: Way, hidden: int, seed: int) -> Any:
    """What a run carries: net, the optimiser's state, and the cell's or a memory."""
    cell, key = sr.gru(hidden), jax.random.key(seed)
    net = Net(cell.init(key, 3), sr.init_dense(jax.random.fold_in(key, 1), hidden, 1))
    memory: Any = cell.start(BATCH)
    if way.method is not None:
        noise = jax.random.fold_in(key, 2) if way.method == UORO() else None
        memory = online(cell, way.method).init(net.cell, memory, key=noise)
    return net, optimiser_of(way).init(net), memory


def advance(way: Way, hidden: int, carry: Any, at: At) -> Any:
    """One window of a stream, and the update behind it; the loss, and its bits."""
    cell = sr.gru(hidden)
    net, state, memory = carry
    if way.method is None:

        def loss(net: Net) -> Any:
            run = sr.unroll(cell, net.cell, at.xs, memory, resets=at.resets)
            mean, total = loss_of(net.readout, run.outputs, at)
            return mean, (total, run.final)

        (_, (total, memory)), d_net = jax.value_and_grad(loss, has_aux=True)(net)
    else:
        learner = online(cell, way.method)
        now = jax.tree.map(lambda leaf: leaf[0], at)
        memory, h = learner.step(net.cell, memory, now.xs, reset=now.resets)
        grad = jax.value_and_grad(loss_of, (0, 1), has_aux=True)
        (_, total), (d_readout, d_h) = grad(net.readout, h, now)
        d_net = Net(learner.gradient(memory, d_h), d_readout)
    updates, state = optimiser_of(way).update(d_net, state, net)
    net = optax.apply_updates(net, updates)
    return (net, state, memory), (total, at.weights.sum())


def operations(jaxpr: Any) -> int:
    """Of a program: two for every product that is summed, one for any other number."""
    count = 0
    for equation in jaxpr.eqns:
        values = list(equation.params.values())
        bodies = filter(_is_program, jax.tree.leaves(values, is_leaf=_is_program))
        inside = [operations(getattr(body, "jaxpr", body)) for body in bodies]
        size = sum(math.prod(v.aval.shape) for v in equation.outvars)
        if inside:
            count += sum(inside) * equation.params.get("length", 1)
        elif equation.primitive.name == "dot_general":
            (axes, _), _ = equation.params["dimension_numbers"]
            summed = math.prod(equation.invars[0].aval.shape[i] for i in axes)
            count += 2 * size * summed
        elif equation.primitive.name not in FREE:
            count += size
    return count


FREE = {"broadcast_in_dim", "reshape", "squeeze", "transpose", "convert_element_type"}


def _is_program(value: Any) -> bool:
    return hasattr(value, "eqns") or hasattr(value, "jaxpr")


def cost_of_a_step(way: Way, hidden: int) -> float:
    """Operations for every step of the stream, all of its streams and updates told."""
    carry = jax.eval_shape(lambda: begin(way, hidden, 0))
    at = jax.eval_shape(lambda: echo(jax.random.key(0), jnp.int32(0), way.window))
    one = functools.partial(advance, way, hidden)
    return operations(jax.make_jaxpr(one)(carry, at).jaxpr) / way.window


def held_bytes(way: Way, hidden: int, steps: int) -> int:
    """What is held from step to step: the memory, or the state and a window's tapes."""
    net, _, memory = jax.eval_shape(lambda: begin(way, hidden, 0))
    numbers = filter(_is_number, jax.tree.leaves(memory))
    held = sum(leaf.size * leaf.dtype.itemsize for leaf in numbers)
    if way.method is not None:
        return held
    cell = sr.gru(hidden)
    xs = jax.ShapeDtypeStruct((min(steps, way.window), BATCH, 3), "float32")
    return held + sr.temporary_bytes(cell, net.cell, xs)


def _is_number(leaf: Any) -> bool:
    return not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def train(way: Way, stream: str, hidden: int, seed: int, cost: float) -> Run:
    """Until so many operations are spent; a point of the curve for every share."""
    carry = jax.jit(begin, static_argnums=(0, 1, 2))(way, hidden, seed)
    per_step = cost_of_a_step(way, hidden)
    chunks = max(POINTS, int(cost / per_step / CHUNK) // POINTS * POINTS)
    draw, key = STREAMS[stream], jax.random.key(1000 + seed)

    def chunk(carry: Any, first: Array) -> Any:
        at = draw(key, first, CHUNK)
        windows = jax.tree.map(lambda x: x.reshape(-1, way.window, *x.shape[1:]), at)
        one = functools.partial(advance, way, hidden)
        carry, told = lax.scan(one, carry, windows)
        return carry, jax.tree.map(jnp.sum, told)

    several = jax.jit(functools.partial(lax.scan, chunk), donate_argnums=0)
    firsts = CHUNK * np.arange(chunks, dtype=np.int32)
    losses = []
    label = f"{stream}: {way.label}, seed {seed}"
    for part in track(np.split(firsts, POINTS), label, console=console, transient=True):
        carry, (totals, bits) = several(carry, part)
        losses.append(float(totals.sum() / bits.sum()))
    steps = CHUNK * chunks // POINTS * (1 + np.arange(POINTS))
    return Run(steps, steps * per_step, np.asarray(losses))


Runs = dict[tuple[str, str], list[Run]]  # by stream and way, one a seed


def table_of(runs: Runs, hidden: int) -> Table:
    """What a step costs and holds, and where each ended."""
    table = Table(
        title=f"GRU of {hidden}, {BATCH} streams; chance {CHANCE:.3f} nats a bit"
    )
    for head in ("", "operations a step", "bytes held", "steps seen", *STREAMS):
        table.add_column(head, justify="right")
    for name in dict.fromkeys(name for _, name in runs):
        way, mine = WAYS[name], {s: runs[s, name] for s, n in runs if n == name}
        last = {s: [run.losses[-4:].mean() for run in of] for s, of in mine.items()}
        seen = next(iter(mine.values()))[0].steps[-1]
        table.add_row(
            way.label,
            f"{cost_of_a_step(way, hidden):,.0f}",
            f"{held_bytes(way, hidden, 10**6):,}",
            f"{seen:,}",
            *(f"{min(v):.3f} to {max(v):.3f}" for v in last.values()),
        )
    return table


def draw_picture(runs: Runs, hidden: int) -> Figure:
    """Loss against operations, a panel a stream; and bytes against steps."""
    streams = list(dict.fromkeys(stream for stream, _ in runs))
    names = list(dict.fromkeys(name for _, name in runs))
    drawing, panels = page(2, 2, height=6.0)
    panels = panels.ravel()
    for panel, stream in zip(panels, streams, strict=False):
        draw_losses(panel, {name: runs[stream, name] for name in names})
        panel.set_title(f"{stream}: {ASKED[stream]}")
    panels[0].set_ylabel("loss, nats a bit (lower: better)")
    draw_bytes(panels[2], names, hidden)
    panels[3].set_axis_off()
    seen = [f"{WAYS[n].label}: {runs[streams[0], n][0].steps[-1]:,}" for n in names]
    panels[3].text(
        0,
        1,
        "Steps of the stream seen for the\nsame number of operations:\n\n"
        + "\n".join(seen),
        va="top",
    )
    drawing.suptitle(headline(runs, streams, names))
    caption(
        drawing,
        "RTRL, SnAp-1 and UORO learn at every step and go back over nothing; a window "
        "goes back over its 4 or 16 steps.\nOne line a seed. Chance: 0.693 nats.",
    )
    return drawing


def headline(runs: Runs, streams: list[str], names: list[str]) -> str:
    """Who comes lowest on each stream, with the same number of operations."""
    said = []
    for stream in streams:
        last = {
            n: np.mean([r.losses[-4:].mean() for r in runs[stream, n]]) for n in names
        }
        order = sorted(last, key=last.__getitem__)
        parts = [f"{WAYS[name].label} {last[name]:.2f}" for name in order]
        said.append(f"{stream}: {', '.join(parts)}")
    return "Loss after the same number of operations, nats a bit\n" + "\n".join(said)


def draw_losses(axes: Any, runs: dict[str, list[Run]]) -> None:
    """One line a seed; a style for every way to learn."""
    axes.axhline(CHANCE, color="0.5", lw=0.7)
    across = {"transform": axes.get_yaxis_transform()}
    axes.text(0.03, CHANCE + 0.01, "chance", color="0.3", **across)
    ends = []
    for name, of_seeds in runs.items():
        way, style = WAYS[name], STYLES[name]
        for run in of_seeds:
            axes.plot(run.operations / 1e9, run.losses, style, color=way.colour, lw=1.2)
        last = float(np.mean([run.losses[-1] for run in of_seeds]))
        at = of_seeds[0].operations[-1] / 1e9
        ends.append(End(way.label, at, last, way.colour))
    axes.set(xlabel="10⁹ operations spent", ylim=(-0.02, 0.8), xlim=(0, None))
    name_ends(axes, ends, height=1.9)


def draw_bytes(axes: Any, names: list[str], hidden: int) -> None:
    """What is held from step to step, as the stream goes on."""
    times = 2 ** np.arange(13)
    whole = Way("all the way back", "black", None, 10**9, 0.0)
    ends = []
    for way, style in [(WAYS[n], STYLES[n]) for n in names] + [(whole, "-")]:
        held = [held_bytes(way, hidden, int(t)) for t in times]
        axes.plot(times, held, style, color=way.colour)
        ends.append(End(way.label, times[-1], held[-1], way.colour))
    axes.set(xlabel="steps since the stream began", title="Memory that is held")
    axes.set(xscale="log", yscale="log", ylabel="bytes (lower: better)")
    name_ends(axes, ends, height=1.9)


def main(
    cost: Annotated[float, typer.Option(help="Of a run, in 10⁹ operations.")] = 3.0,
    hidden: Annotated[int, typer.Option(min=1, help="H of the GRU.")] = 12,
    seeds: Seeds = 2,
    ways: Annotated[str, typer.Option(help="Commas between.")] = ",".join(WAYS),
    picture: Picture = None,
) -> None:
    """Trains all ways on both streams, prints and draws."""
    names = [name.strip() for name in ways.split(",")]
    unknown = [name for name in names if name not in WAYS]
    if unknown:
        raise typer.BadParameter(f"expected ways among {', '.join(WAYS)}, got {ways!r}")
    runs: Runs = {
        (stream, name): [
            train(WAYS[name], stream, hidden, seed, cost * 1e9) for seed in range(seeds)
        ]
        for stream in STREAMS
        for name in names
    }
    console.print(table_of(runs, hidden))
    save(draw_picture(runs, hidden), picture, "online_learning")


if __name__ == "__main__":
    typer.run(main)
