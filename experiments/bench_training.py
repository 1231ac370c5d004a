"""The whole training step of a character model: ours, autodiff's, the peers'.

Tokens -> LSTM -> dense -> softmax cross entropy -> clip by the global norm -> AdamW.
Everybody starts from the same params and sees the same window; the losses of the first
steps are compared with those of `jax.grad` in float64. torch's second bias is frozen:
it would otherwise be a parameter more.
"""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import bench_nets
import bench_peers
import jax
import jax.numpy as jnp
import numpy as np
import optax
from bench_cases import BETAS, CLIP, EPSILON, FIRST, RATE, VOCABULARY, Case, Start, draw
from bench_contestants import WAYS, Ready, compile_of, place, sharded, temporary
from bench_grid import Plan
from bench_report import Measured, Row
from bench_timing import product_rate, take_turns
from bench_torch import trainer
from jax import Array

import scanrnn as sr

CASE = Case("lstm", 64, 32, VOCABULARY, 384, tokens=True)

Loss = Callable[[Any, Array, Array], Array]


class Trainer(NamedTuple):
    """Somebody who trains."""

    name: str
    group: str
    devices: int
    build: Callable[[Start], Ready]


def start_of(case: Case) -> Start:
    """The params of the case, a readout, and random tokens."""
    rng = np.random.default_rng(1)
    problem = draw(case)
    w = (rng.normal(size=(case.H, case.X)) / np.sqrt(case.H)).astype(np.float32)
    labels = rng.integers(0, case.X, (case.T, case.B)).astype(np.int32)
    return Start(problem.params, w, np.zeros(case.X, np.float32), problem.xs, labels)


def params_of(start: Start) -> tuple[Any, sr.DenseParams]:
    """What is trained, in our layout: the cell, and the readout."""
    return start.cell, sr.DenseParams(jnp.asarray(start.w), jnp.asarray(start.b))


def run_training(case: Case, plan: Plan) -> tuple[Row, dict[str, str]]:
    """Everybody's training step, in turns; and the libraries that are missing."""
    start = start_of(case)
    truth = first_losses_in_float64(case, start)
    trainers, missing = find(case, plan)
    ready, errors, failed = {}, {}, {}
    for one in trainers:
        plan.report(f"compiles {one.name}")
        try:
            ready[one.name] = one.build(start)
            losses = ready[one.name].answer()
        except Exception as failure:  # whatever a peer raises
            ready.pop(one.name, None)
            failed[one.name] = f"{type(failure).__name__}: {failure}"
            continue
        errors[one.name] = float(np.max(np.abs(losses / truth - 1)))
    rate = product_rate()
    spreads = take_turns(
        ready, seconds=plan.seconds, rounds=plan.rounds, report=plan.report
    )
    chosen = {one.name: one for one in trainers}
    results = {
        name: Measured(
            chosen[name].group,
            chosen[name].devices,
            *spread,
            errors[name],
            ready[name].compile_s,
            ready[name].megabytes,
        )
        for name, spread in spreads.items()
    }
    return Row(case, max(rate, product_rate()), results, failed), missing


def find(case: Case, plan: Plan) -> tuple[list[Trainer], dict[str, str]]:
    """Ours and autodiff on one device and on all; the peers; torch."""
    counts = (1, plan.devices) if case.B % plan.devices == 0 else (1,)
    found = [
        Trainer(
            sharded(name, devices),
            "scan" if name == "Autodiff" else "ours",
            devices,
            by_optax(way_model(case, way), devices=devices),
        )
        for devices in sorted(set(counts))
        for name, way in WAYS.items()
    ]
    nets, missing = bench_peers.find(case)
    for net in nets:
        if net.cell is None:
            build = by_optax(net_model(net), net.translate, batch_major=net.batch_major)
            found.append(Trainer(net.name, "peer", 1, build))
    try:
        import torch
    except ImportError as error:
        missing["torch"] = str(error)
    else:
        torch.set_num_threads(os.cpu_count() or 1)
        found.append(
            Trainer("torch LSTM", "torch", 1, lambda start: trainer(case, start))
        )
    return [one for one in found if plan.wants(one.name)], missing


def way_model(case: Case, way: sr.Backward) -> Loss:
    """The loss of our model; with Autodiff, JAX differentiates all of it."""
    cell = sr.lstm(case.H)
    by_hand = not isinstance(way, sr.Autodiff)
    dense = sr.dense if by_hand else sr.plain_dense
    cross_entropy = (
        sr.softmax_cross_entropy if by_hand else sr.plain_softmax_cross_entropy
    )

    def loss(params: Any, tokens: Array, labels: Array) -> Array:
        hs = sr.unroll(cell, params[0], tokens, backward=way).outputs
        return cross_entropy(dense(params[1], hs), labels)

    return loss


def net_model(net: bench_nets.Net) -> Loss:
    """The loss of a peer's model, with optax's cross entropy."""

    def loss(params: Any, tokens: Array, labels: Array) -> Array:
        hs = net.outputs(params[0], tokens)
        logits = hs @ params[1].w + params[1].b
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return losses.mean()

    return loss


def optimiser() -> optax.GradientTransformation:
    """What all of JAX trains with."""
    adamw = optax.adamw(RATE, *BETAS, EPSILON, weight_decay=0.0)
    return optax.chain(optax.clip_by_global_norm(CLIP), adamw)


def stepper(loss: Loss) -> Callable[..., Any]:
    """params, state, tokens, labels -> params, state, the loss before."""
    chain = optimiser()

    def step(params: Any, state: Any, tokens: Array, labels: Array) -> Any:
        value, d_params = jax.value_and_grad(loss)(params, tokens, labels)
        updates, state = chain.update(d_params, state, params)
        return optax.apply_updates(params, updates), state, value

    return step


def by_optax(
    loss: Loss,
    translate: Callable[[Any], Any] = lambda params: params,
    *,
    devices: int = 1,
    batch_major: bool = False,
) -> Callable[[Start], Ready]:
    """The `build` of a model that JAX differentiates and optax trains."""

    def build(start: Start) -> Ready:
        window = [start.tokens, start.labels]
        if batch_major:
            window = [array.swapaxes(0, 1).copy() for array in window]
        cell, readout = jax.tree.map(jnp.array, params_of(start))  # to be donated
        placed = place((translate(cell), readout), window, devices, not batch_major)
        params, *arrays = placed
        at = [params, optimiser().init(params)]
        step = jax.jit(stepper(loss), donate_argnums=(0, 1))
        at[1] = place(at[1], [], devices, 0)[0]
        program, seconds = compile_of(step, *at, *arrays)

        def call() -> Any:
            at[0], at[1], value = program(*at, *arrays)
            return jax.block_until_ready(value)

        def answer() -> np.ndarray:
            return np.array([call() for _ in range(FIRST)])

        return Ready(call, answer, seconds, temporary(program) * devices)

    return build


def first_losses_in_float64(case: Case, start: Start) -> np.ndarray:
    """What `jax.grad` gives in float64."""
    with jax.enable_x64(True):
        params = jax.tree.map(
            lambda leaf: jnp.asarray(leaf, jnp.float64), params_of(start)
        )
        state = optimiser().init(params)
        step = jax.jit(stepper(way_model(case, sr.Autodiff())))
        losses = []
        for _ in range(FIRST):
            params, state, value = step(params, state, start.tokens, start.labels)
            losses.append(float(value))
    return np.array(losses)
