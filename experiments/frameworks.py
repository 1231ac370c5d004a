"""What does one changed line gain in a model of Flax, Haiku or Equinox?

    pip install "scanrnn[bench]"
    python experiments/frameworks.py [--size 1000x16x64x64] [--seconds 6]   # 2 minutes

A tagger of each library: its LSTM over the sequence, a dense layer for each step, the
cross-entropy. Beside it the same model, of the same params, whose loop over time is
`sr.scan`: one line of it differs, as docs/any-step.md shows. Told are the medians of
value and gradient by all params, contestants taking turns in one process, on one device
and with the batch spread over two by `jax.jit`; and the temporary bytes on one. Every
gradient is compared before it is timed.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Annotated, Any, NamedTuple, TypeAlias

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import typer
from bench.contestants import Layout, Ready, compile_of, place, temporary
from bench.timing import take_turns
from flax import nnx
from jax import Array, lax
from rich.table import Table
from shared.study import console

import scanrnn as sr

LABELS = 8

Scan: TypeAlias = Callable[..., Any]  # of the signature of lax.scan
Loss: TypeAlias = Callable[[Any, Array, Array], Array]  # params, xs, labels


class Size(NamedTuple):
    """Steps, sequences, inputs and units."""

    T: int
    B: int
    X: int
    H: int


class Model(NamedTuple):
    """A tagger of one library."""

    params: Any
    loss: Callable[[Scan | None], Loss]  # by a scan, or by the library's own layer


def linen(size: Size) -> Model:
    """flax.linen.RNN over its LSTMCell."""

    def scanned(cell: Any, xs: Array, scan: Scan) -> Array:
        module, variables = cell.unbind()
        start = module.initialize_carry(key(), xs[:, 0].shape)
        step = functools.partial(module.apply, variables)
        outputs: Array = scan(step, start, xs.swapaxes(0, 1))[1]
        return outputs.swapaxes(0, 1)

    class Tagger(nn.Module):  # type: ignore[misc]
        scan: Any = None

        @nn.compact  # type: ignore[untyped-decorator]
        def __call__(self, xs: Array) -> Array:
            cell = nn.LSTMCell(size.H)
            own = self.scan is None or self.is_initializing()
            hs = nn.RNN(cell)(xs) if own else scanned(cell, xs, self.scan)
            return nn.Dense(LABELS)(hs)

    def loss(scan: Scan | None) -> Loss:
        return lambda params, xs, labels: cross_entropy(
            Tagger(scan).apply(params, xs), labels
        )

    return Model(Tagger().init(key(), jnp.zeros((1, 1, size.X))), loss)


def of_nnx(size: Size) -> Model:
    """flax.nnx.RNN over its LSTMCell."""

    def scanned(cell: Any, xs: Array, scan: Scan) -> Array:
        graph, state = nnx.split(cell)
        start = cell.initialize_carry(xs[:, 0].shape, nnx.Rngs(0))

        def step(carry: Any, x: Array) -> Any:
            return nnx.merge(graph, state)(carry, x)

        outputs: Array = scan(step, start, xs.swapaxes(0, 1))[1]
        return outputs.swapaxes(0, 1)

    rngs = nnx.Rngs(0)
    layer = nnx.RNN(nnx.LSTMCell(size.X, size.H, rngs=rngs))
    dense = nnx.Linear(size.H, LABELS, rngs=rngs)
    graph, params, rest = nnx.split((layer, dense), nnx.Param, ...)

    def loss(scan: Scan | None) -> Loss:
        def of_params(params: Any, xs: Array, labels: Array) -> Array:
            layer, dense = nnx.merge(graph, params, rest)
            if scan is None:
                hs = layer(xs, rngs=nnx.Rngs(0))
            else:
                hs = scanned(layer.cell, xs, scan)
            return cross_entropy(dense(hs), labels)

        return of_params

    return Model(params, loss)


def haiku(size: Size) -> Model:
    """haiku.dynamic_unroll over its LSTM."""

    def scanned(core: Any, xs: Array, start: Any, scan: Scan) -> Any:
        def step(state: Any, x: Array) -> Any:
            output, state = core(x, state)
            return state, output

        final, outputs = scan(step, start, xs)
        return outputs, final

    def model(scan: Scan | None) -> Any:
        def forward(xs: Array) -> Array:
            core, xs = hk.LSTM(size.H), xs.swapaxes(0, 1)
            start = core.initial_state(xs.shape[1])
            if scan is None or hk.running_init():
                hs, _ = hk.dynamic_unroll(core, xs, start)
            else:
                hs, _ = scanned(core, xs, start, scan)
            return hk.Linear(LABELS)(hs).swapaxes(0, 1)

        return hk.without_apply_rng(hk.transform(forward))

    def loss(scan: Scan | None) -> Loss:
        return lambda params, xs, labels: cross_entropy(
            model(scan).apply(params, xs), labels
        )

    return Model(model(None).init(key(), jnp.zeros((1, 1, size.X))), loss)


def equinox(size: Size) -> Model:
    """A scan over equinox.nn.LSTMCell, written out as in its documentation."""
    keys = jax.random.split(key())
    cell = eqx.nn.LSTMCell(size.X, size.H, key=keys[0])
    dense = eqx.nn.Linear(size.H, LABELS, key=keys[1])
    params, rest = eqx.partition((cell, dense), eqx.is_array)

    def loss(scan: Scan | None) -> Loss:
        def of_params(params: Any, xs: Array, labels: Array) -> Array:
            cell, dense = eqx.combine(params, rest)

            def step(state: Any, x: Array) -> Any:
                state = jax.vmap(cell)(x, state)
                return state, state[0]

            start = jnp.zeros((len(xs), size.H)), jnp.zeros((len(xs), size.H))
            _, hs = (scan or lax.scan)(step, start, xs.swapaxes(0, 1))
            logits = jax.vmap(jax.vmap(dense))(hs)
            return cross_entropy(logits.swapaxes(0, 1), labels)

        return of_params

    return Model(params, loss)


def key() -> Array:
    """Whatever is drawn here may be the same each time."""
    return jax.random.key(0)


def cross_entropy(logits: Array, labels: Array) -> Array:
    """Of every step, in the mean."""
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], -1)
    return -jnp.mean(chosen)


MODELS: dict[str, Callable[[Size], Model]] = {
    "Flax linen": linen,
    "Flax nnx": of_nnx,
    "Haiku": haiku,
    "Equinox": equinox,
}
WAYS: dict[str, Scan | None] = {
    "its own": None,
    "Stored": sr.scan,
    "Recomputed": functools.partial(sr.scan, backward=sr.Recomputed()),
}


def contestants(model: Model, size: Size, devices: int) -> dict[str, Ready]:
    """All ways through a model, compiled; their gradients are those of its own."""
    rng = np.random.default_rng(0)
    xs = jnp.asarray(rng.normal(size=(size.B, size.T, size.X)), jnp.float32)
    labels = jnp.asarray(rng.integers(LABELS, size=(size.B, size.T)))
    arguments = place(model.params, [xs, labels], Layout(devices), 0)

    def ready(scan: Scan | None) -> Ready:
        gradient = jax.jit(jax.value_and_grad(model.loss(scan)))
        compiled, seconds = compile_of(gradient, *arguments)

        def call() -> Any:
            return jax.block_until_ready(compiled(*arguments))

        return Ready(call, call, seconds, temporary(compiled))

    made = {way: ready(scan) for way, scan in WAYS.items()}
    right = made["its own"].answer()
    for way, one in made.items():
        if error(one.answer(), right) > 1e-4:
            raise ValueError(
                f"expected the gradients of its own layer, got others: {way}"
            )
    return made


def error(got: Any, want: Any) -> float:
    """The worst of all leaves, relative to the largest entry of each."""

    def of_leaf(a: Array, b: Array) -> float:
        return float(jnp.max(jnp.abs(a - b)) / (jnp.max(jnp.abs(b)) + 1e-12))

    return max(jax.tree.leaves(jax.tree.map(of_leaf, got, want)))


def rows(size: Size, *, seconds: float, rounds: int) -> Iterator[list[str]]:
    """The table: two rows for each library."""
    ours = list(WAYS)[1:]
    for name, make in MODELS.items():
        model = make(size)
        for devices in (1, 2):
            ready = contestants(model, size, devices)
            spreads = take_turns(ready, seconds=seconds, rounds=rounds)
            own = spreads["its own"].ms
            times = [f"{spreads[w].ms:.1f} ({own / spreads[w].ms:.2f})" for w in ours]
            megabytes = [f"{ready[way].megabytes:.1f}" for way in WAYS]
            yield [name, str(devices), f"{own:.1f}", *times, ", ".join(megabytes)]


def main(
    size: Annotated[str, typer.Option(help="TxBxXxH.")] = "1000x16x64x64",
    seconds: Annotated[float, typer.Option(min=0, help="For each library.")] = 6.0,
    rounds: Annotated[int, typer.Option(min=1, help="At least.")] = 5,
) -> None:
    """Prints the table."""
    parts = size.split("x")
    if len(parts) != 4 or not all(part.isdecimal() and int(part) for part in parts):
        raise typer.BadParameter(f"expected --size such as 1000x16x64x64, got {size!r}")
    table = Table(title=f"value and gradient, ms (times as fast); {size}")
    for column in ("library", "devices", *WAYS, "MB of the three, per device"):
        table.add_column(column)
    for cells in rows(Size(*map(int, parts)), seconds=seconds, rounds=rounds):
        table.add_row(*cells)
    console.print(table)


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", 2)
    typer.run(main)
