"""The whole training step of a character model: ours, autodiff's, the peers'.

Tokens -> LSTM -> dense -> softmax cross entropy -> clip by the global norm -> AdamW.
Everybody starts from the same params and sees the same window; the losses of the first
steps are compared with those of `jax.grad` in float64. torch's second bias is frozen:
it would otherwise be a parameter more.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

import scanrnn as sr

from . import peers
from .cases import BETAS, CLIP, EPSILON, FIRST, RATE, VOCABULARY, Case, Start, draw
from .contestants import (
    Layout,
    Loss,
    Ready,
    by_device,
    compile_of,
    place,
    same,
    temporary,
)
from .grid import Plan, layouts, measured
from .nets import Net
from .ours import WAYS, taken_for
from .report import Row
from .timing import product_rate, take_turns
from .torch import trainer, use_all_cores

CASE = Case("lstm", 64, 32, VOCABULARY, 384, tokens=True)


class Trainer(NamedTuple):
    """Somebody who trains."""

    name: str
    group: str
    layout: Layout
    build: Callable[[Start], Ready]
    as_it_comes: bool = False


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
        name: measured(
            (one := chosen[name]).group,
            one.layout,
            ready[name],
            spread,
            errors[name],
            as_it_comes=one.as_it_comes,
        )
        for name, spread in spreads.items()
    }
    return Row(case, max(rate, product_rate()), results, failed), missing


def find(case: Case, plan: Plan) -> tuple[list[Trainer], dict[str, str]]:
    """Ours and autodiff on one device and on all; the peers; torch."""
    nets, missing = peers.find(case)
    found = []
    for layout in layouts(case, plan, is_ours=True):
        is_one = layout.devices == 1
        comes_so = {"Autodiff"} if is_one else set()
        if not layout.mapped:
            comes_so.add(taken_for(case, layout))
        for name, way in WAYS.items():
            group = "scan" if name == "Autodiff" else "ours"
            build = by_optax(way_model(case, way), layout=layout)
            named, comes = layout.named(name), name in comes_so
            found.append(Trainer(named, group, layout, build, comes))
        for net in nets:
            if net.cell is None and (is_one or layout.mapped):
                build = by_optax(
                    net_model(net),
                    net.translate,
                    layout=layout,
                    batch_major=net.batch_major,
                )
                named = layout.named(net.name)
                found.append(Trainer(named, "peer", layout, build, is_one))
    try:
        use_all_cores()
    except ImportError as error:
        missing["torch"] = str(error)
    else:

        def by_torch(start: Start) -> Ready:
            return trainer(case, start)

        found.append(Trainer("torch LSTM", "torch", Layout(), by_torch, True))
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


def net_model(net: Net) -> Loss:
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


def stepper(
    loss: Loss, layout: Layout = Layout(), batch_axis: int = 1
) -> Callable[..., Any]:
    """params, state, tokens, labels -> params, state, the loss before."""
    chain = optimiser()
    gradient = by_device(
        jax.value_and_grad(loss, (0,)), layout, batch_axis, joined=lax.pmean
    )

    def step(params: Any, state: Any, tokens: Array, labels: Array) -> Any:
        value, (d_params,) = gradient(params, tokens, labels)
        updates, state = chain.update(d_params, state, params)
        return optax.apply_updates(params, updates), state, value

    return step


def by_optax(
    loss: Loss,
    translate: Callable[[Any], Any] = same,
    *,
    layout: Layout = Layout(),
    batch_major: bool = False,
) -> Callable[[Start], Ready]:
    """The `build` of a model that JAX differentiates and optax trains."""

    def build(start: Start) -> Ready:
        window = [start.tokens, start.labels]
        if batch_major:
            window = [array.swapaxes(0, 1).copy() for array in window]
        cell, readout = jax.tree.map(jnp.array, params_of(start))  # to be donated
        batch_axis = 0 if batch_major else 1
        placed = place((translate(cell), readout), window, layout, batch_axis)
        params, *arrays = placed
        at = [params, optimiser().init(params)]
        step = jax.jit(stepper(loss, layout, batch_axis), donate_argnums=(0, 1))
        at[1] = place(at[1], [], layout, 0)[0]
        program, seconds = compile_of(step, *at, *arrays)

        def call() -> Any:
            at[0], at[1], value = program(*at, *arrays)
            return jax.block_until_ready(value)

        def answer() -> np.ndarray:
            return np.array([call() for _ in range(FIRST)])

        return Ready(call, answer, seconds, temporary(program) * layout.devices)

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
