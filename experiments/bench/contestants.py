"""What a contestant is, and those that need JAX alone: our ways back, plain scans."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from shared.study import CELLS

import scanrnn as sr

from .cases import Answer, Case, Problem

Loss = Callable[[Any, Array, Array], Array]
Gradient = Callable[[Any, Array, Array], Any]

BATCH = "batch"  # the axis of the mesh


class Ready(NamedTuple):
    """A contestant with everything compiled and in its place."""

    call: Callable[[], Any]  # one full step; returns when it is done
    answer: Callable[[], Any]  # what was computed, in our layout
    compile_s: float | None  # seconds to trace and compile
    megabytes: float | None  # temporary memory of a call
    quiet_s: float = 0.0  # to wait after a turn, until its threads sleep


class Layout(NamedTuple):
    """How the batch lies: over how many devices, and what spreads it."""

    devices: int = 1
    mapped: bool = False  # `jax.shard_map`; else `jax.jit`

    def named(self, name: str) -> str:
        """The name of a contestant with this layout."""
        if self.devices == 1:
            return name
        return f"{name}, {self.devices} devices" + " by shard_map" * self.mapped


class Contestant(NamedTuple):
    """One way to compute the gradients of a case.

    Attributes:
        name: as the tables print it.
        group: "ours", "scan" (plain autodiff), "peer" (a JAX library) or "torch".
        build: compiles it for a problem.
        cell: the cell of ours that has its equations.
        layout: how the batch lies.
        differs: what is not the same, if anything; it then counts in no ratio.
        lacks: params that it does not have.
    """

    name: str
    group: str
    build: Callable[[Problem], Ready]
    cell: sr.Cell
    layout: Layout = Layout()
    differs: str = ""
    lacks: tuple[str, ...] = ()


WAYS: dict[str, sr.Backward] = {
    "Stored": sr.Stored(),
    "Recomputed": sr.Recomputed(),
    "Checkpointed": sr.Checkpointed(),
    "Autodiff": sr.Autodiff(),
}


def same(params: Any) -> Any:
    """No translation: the params are in our layout."""
    return params


def by_jax(
    loss: Loss,
    translate: Callable[[Any], Any] = same,
    *,
    layout: Layout = Layout(),
    batch_major: bool = False,
) -> Callable[[Problem], Ready]:
    """The `build` of a contestant that JAX differentiates and compiles.

    Args:
        loss: their params, xs, weights -> the loss.
        translate: our params -> theirs, affine. It is applied before the time is
            taken, and its transpose brings their gradients back.
        layout: how the batch lies.
        batch_major: the loss takes (B, T, ...); xs and weights are laid out so.
    """

    def build(problem: Problem) -> Ready:
        arrays = [problem.xs, problem.weights]
        if batch_major:
            arrays = [array.swapaxes(0, 1).copy() for array in arrays]
        ours = jax.tree.map(jnp.asarray, problem.params)
        batch_axis = 0 if batch_major else 1
        arguments = place(translate(ours), arrays, layout, batch_axis)
        argnums = (0,) if problem.case.tokens else (0, 1)
        gradient = by_device(jax.value_and_grad(loss, argnums), layout, batch_axis)
        compiled, seconds = compile_of(jax.jit(gradient), *arguments)

        def call() -> Any:
            return jax.block_until_ready(compiled(*arguments))

        def answer() -> Answer:
            value, (d_theirs, *d_inputs) = call()
            d_theirs = jax.device_put(d_theirs, jax.devices()[0])
            _, pull = jax.vjp(translate, ours)
            (d_params,) = jax.tree.map(np.asarray, pull(d_theirs))
            d_xs = np.asarray(d_inputs[0]) if d_inputs else None
            if batch_major and d_xs is not None:
                d_xs = d_xs.swapaxes(0, 1)
            return Answer(float(value), d_params, d_xs)

        return Ready(call, answer, seconds, temporary(compiled) * layout.devices)

    return build


def place(
    params: Any, arrays: list[Any], layout: Layout, batch_axis: int
) -> tuple[Any, ...]:
    """Params on all devices, arrays sharded by their batch axis."""
    if layout.devices == 1:
        return jax.device_put((params, *arrays), jax.devices()[0])
    mesh = mesh_of(layout)
    by_batch = NamedSharding(mesh, batch_at(batch_axis))
    params = jax.device_put(params, NamedSharding(mesh, P()))
    return params, *jax.device_put(arrays, [by_batch] * len(arrays))


def mesh_of(layout: Layout) -> Mesh:
    """The devices, along which the batch lies."""
    auto = (jax.sharding.AxisType.Auto,)
    return jax.make_mesh((layout.devices,), (BATCH,), axis_types=auto)


def batch_at(axis: int) -> P:
    """Sharded along this axis."""
    return P(*(None,) * axis, BATCH)


def by_device(
    gradient: Gradient,
    layout: Layout,
    batch_axis: int,
    joined: Callable[[Any, str], Any] = lax.psum,
) -> Gradient:
    """The gradient of a whole batch; if mapped, each device finds that of its part.

    What the devices found is joined once, at the end: no loop waits for the others.

    Args:
        gradient: params, two arrays -> value, (d_params, d_inputs if any).
        joined: makes one of the values and d_params of all devices, a sum or a mean.
    """
    if not layout.mapped:
        return gradient

    def part(params: Any, xs: Array, weights: Array) -> Any:
        value, (d_params, *d_xs) = gradient(params, xs, weights)
        return joined((value, d_params), BATCH), d_xs

    def whole(params: Any, xs: Array, weights: Array) -> Any:
        by_batch = batch_at(batch_axis)
        mapped = jax.shard_map(
            part,
            mesh=mesh_of(layout),
            in_specs=(P(), by_batch, by_batch),
            out_specs=(P(), by_batch),
            check_vma=False,  # the peers' initial states do not say where they lie
        )
        (value, d_params), d_xs = mapped(params, xs, weights)
        return value, (d_params, *d_xs)

    return whole


def compile_of(function: Any, *arguments: Any) -> tuple[Any, float]:
    """A jitted function traced and compiled, and the seconds it took."""
    began = time.perf_counter()
    compiled = function.lower(*arguments).compile()
    return compiled, time.perf_counter() - began


def temporary(compiled: Any) -> float:
    """Megabytes that a program needs besides its inputs and outputs, per device."""
    return float(compiled.memory_analysis().temp_size_in_bytes / 1e6)


def way_loss(cell: sr.Cell, way: sr.Backward, *, of_final: bool = False) -> Loss:
    """The loss of a case, with a way back of scanrnn.

    It reads all outputs, or the final state alone.
    """

    def loss(params: Any, xs: Array, weights: Array) -> Array:
        run = sr.unroll(cell, params, xs, backward=way)
        if of_final:
            return jnp.sum(run.final.h * weights[-1])
        return jnp.sum(run.outputs * weights)

    return loss


def ours(case: Case, layout: Layout = Layout()) -> list[Contestant]:
    """Every way back of scanrnn."""
    cell = CELLS[case.cell](case.H)
    return [
        Contestant(
            name=layout.named(name),
            group="scan" if name == "Autodiff" else "ours",
            build=by_jax(way_loss(cell, way), layout=layout),
            cell=cell,
            layout=layout,
        )
        for name, way in WAYS.items()
        if layout.devices == 1 or name != "Autodiff"  # sharded, it is the hoisted scan
    ]


def plain_step(kind: str, params: Any, state: Any, drive: Array) -> Any:
    """A step as it is written without this library; state is (h,) or (h, c)."""
    h = state[0]
    recurrent = h @ params.w_h
    if kind == "rnn":
        return (jnp.tanh(drive + recurrent),)
    if kind == "gru":
        a_r, a_z, a_n = jnp.split(drive, 3, -1)
        u_r, u_z, u_n = jnp.split(recurrent, 3, -1)
        r, z = jax.nn.sigmoid(a_r + u_r), jax.nn.sigmoid(a_z + u_z)
        n = jnp.tanh(a_n + r * (u_n + params.b_hn))
        return ((1 - z) * n + z * h,)
    i, f, g, o = jnp.split(drive + recurrent, 4, -1)
    c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def scan_loss(
    case: Case, *, hoisted: bool, unroll: int = 1, of_final: bool = False
) -> Loss:
    """`lax.scan` and nothing else; the input product before the loop if hoisted.

    The loss reads all outputs, or the final state alone.
    """

    def project(params: Any, xs: Array) -> Array:
        product = params.w_x[xs] if case.tokens else xs @ params.w_x
        return product + params.b

    def loss(params: Any, xs: Array, weights: Array) -> Array:
        def body(state: Any, x: Array) -> Any:
            drive = x if hoisted else project(params, x)
            state = plain_step(case.cell, params, state, drive)
            return state, None if of_final else state[0]

        zeros = jnp.zeros_like(weights[0])
        start = (zeros,) * (2 if case.cell == "lstm" else 1)
        inputs = project(params, xs) if hoisted else xs
        final, outputs = lax.scan(body, start, inputs, unroll=unroll)
        if of_final:
            return jnp.sum(final[0] * weights[-1])
        return jnp.sum(outputs * weights)

    return loss


def scan(
    case: Case,
    *,
    hoisted: bool,
    unroll: int = 1,
    layout: Layout = Layout(),
) -> Contestant:
    """`jax.grad` of a plain scan."""
    name = "scan, hoisted" if hoisted else "scan, naive"
    loss = scan_loss(case, hoisted=hoisted, unroll=unroll)
    return Contestant(
        name=layout.named(f"{name}, unroll {unroll}"),
        group="scan",
        build=by_jax(loss, layout=layout),
        cell=CELLS[case.cell](case.H),
        layout=layout,
    )
