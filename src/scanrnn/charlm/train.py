"""Many steps of training in one jitted call; and the held-out loss.

A run's whole state is one NamedTuple. Whoever has it, the corpus and the config, has
the rest of the run, number for number.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax
from jax.typing import ArrayLike

from .config import Config
from .model import CharModel, CharParams, model_of
from .optimiser import optimiser
from .placement import STATE, Placement
from .streams import Window, cut_window
from .text import END_OF_NAME, Vocabulary

WARMUP = 0.03  # the share of a run in which the learning rate rises from 0


class TrainState(NamedTuple):
    """Where a run stands."""

    params: CharParams
    opt_state: Any
    state: Any  # of the cells, carried from window to window
    key: Array  # never changes; what is drawn at a step is drawn from (key, step)
    step: Array  # () int32, updates made so far
    cursor: Array  # () int32, where the next window begins


class Metrics(NamedTuple):
    """What the steps of a call report; all finite as long as all is well."""

    loss: Array  # (K,), nats per character
    gradient_norm: Array  # (K,), before clipping


class Task(NamedTuple):
    """What a step needs to know at trace time."""

    model: CharModel
    optimiser: optax.GradientTransformationExtraArgs
    window: int  # T
    learning_rate: float  # at its highest
    separator: int | None  # the token that ends a name; None for a text


Step = Callable[[TrainState, Array, Array], tuple[TrainState, Metrics]]
Update = Callable[[TrainState, Array, ArrayLike, ArrayLike], tuple[TrainState, Metrics]]


def learning_rate(peak: float, progress: ArrayLike) -> Array:
    """Rises linearly, then falls to 0 along a cosine.

    Args:
        peak: the highest value.
        progress: the share of the run that is done, () in [0, 1].

    >>> [round(float(learning_rate(1.0, p)), 2) for p in (0, 0.015, 0.03, 0.515, 1)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    schedule = optax.warmup_cosine_decay_schedule(0.0, peak, WARMUP, 1.0)
    return jnp.asarray(schedule(jnp.asarray(progress, jnp.float32)))


def init_state(task: Task, batch: int, seed: int) -> TrainState:
    """The state before the first step; every leaf a buffer of its own, to donate."""
    key = jax.random.key(seed)
    params = task.model.init(key)
    opt_state = task.optimiser.init(params)
    zero = jnp.zeros((), jnp.int32)
    state = TrainState(params, opt_state, task.model.start(batch), key, zero, zero)
    copy: TrainState = jax.tree.map(jnp.copy, state)
    return copy


def place_state(state: TrainState, placement: Placement) -> TrainState:
    """The carried state cut along its batch, all else whole on every device."""
    whole = placement.place(state._replace(state=None))
    placed: TrainState = whole._replace(state=placement.place(state.state, STATE))
    return placed


def _shardings(placement: Placement) -> TrainState:
    """How `place_state` lays a state out: a sharding for every field."""
    whole: Any = placement.sharding()
    return TrainState(whole, whole, placement.sharding(STATE), whole, whole, whole)


def task_of(config: Config, vocabulary: Vocabulary) -> Task:
    """What a config says of a step."""
    names = config.names is not None
    return Task(
        model_of(config, vocabulary.size),
        optimiser(config.optimiser, config.clip, config.weight_decay),
        config.window,
        config.learning_rate,
        vocabulary.characters.index(END_OF_NAME) if names else None,
    )


@functools.cache
def updater(task: Task, placement: Placement | None = None) -> Update:
    """The jitted call: state, streams (N, B), progress (K,), count () -> after it.

    It makes ``count`` <= K steps without coming back to the host, each at its own
    progress, and returns the state and `Metrics` of which the first ``count`` count.
    The state is donated. The count is traced: calls of all lengths are one program,
    so that a step's numbers do not depend on the call it falls into.

    Args:
        task: what is known when the call is traced.
        placement: the devices on which the state lies, if it was placed.
    """
    step = step_of(task, placement)

    def update(
        before: TrainState, tokens: Array, progress: Array, count: Array
    ) -> tuple[TrainState, Metrics]:
        def body(k: Array, at: tuple[TrainState, Metrics]) -> Any:
            after, metrics = step(at[0], tokens, progress[k])
            noted = jax.tree.map(lambda all_, one: all_.at[k].set(one), at[1], metrics)
            return after, noted

        none = jnp.zeros_like(progress)
        after: tuple[TrainState, Metrics] = lax.fori_loop(
            0, count, body, (before, Metrics(none, none))
        )
        return after

    if placement is None:
        return jax.jit(update, donate_argnums=0)
    shardings = (_shardings(placement), placement.sharding())
    return jax.jit(update, donate_argnums=0, out_shardings=shardings)


def step_of(task: Task, placement: Placement | None = None) -> Step:
    """One update: state, streams (N, B), progress () -> state, metrics ().

    The streams end at different characters than they began with, so at their end the
    state starts anew, and the next pass begins a little later than the last: its
    windows are cut elsewhere.

    What is dropped is drawn for the whole batch, however many devices share it.
    """
    model = task.model
    spread = None if placement is None else placement.spread
    differentiate = (
        jax.value_and_grad(model.loss, has_aux=True)
        if placement is None
        else placement.differentiate(model.loss)
    )

    def step(
        before: TrainState, tokens: Array, progress: Array
    ) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(before.key, before.step)
        key_cursor, key_dropout = jax.random.split(key)
        at = _wrap(task, before, tokens.shape, key_cursor)
        window = cut_window(tokens, at.cursor, task.window, task.separator)
        kept = model.draw_kept(key_dropout, tokens.shape[1])
        (loss, state), d_params = differentiate(at.params, window, at.state, kept)
        updates, opt_state = task.optimiser.update(
            d_params, at.opt_state, at.params, spread=spread
        )
        rate = learning_rate(task.learning_rate, progress)
        updates = jax.tree.map(lambda leaf: rate * leaf, updates)
        after = TrainState(
            params=optax.apply_updates(at.params, updates),
            opt_state=opt_state,
            # A reset restarts from what is passed as start, so of names nothing is
            # carried; `cut_window` weighs what lost its beginning by 0.
            state=at.state if task.separator is not None else state,
            key=at.key,
            step=at.step + 1,
            cursor=at.cursor + task.window,
        )
        return after, Metrics(loss, optax.tree.norm(d_params))

    return step


def _wrap(task: Task, at: TrainState, shape: tuple[int, ...], key: Array) -> TrainState:
    """Back to the beginning of the streams if no whole window is left."""
    length, batch = shape
    last = length - task.window - 1
    ended = at.cursor > last
    offsets = min(task.window, last + 1)
    offset = jax.random.randint(key, (), 0, offsets, jnp.int32)
    start = task.model.start(batch)
    state = jax.tree.map(lambda new, old: jnp.where(ended, new, old), start, at.state)
    return at._replace(state=state, cursor=jnp.where(ended, offset, at.cursor))


@functools.cache
def evaluator(model: CharModel, names: bool) -> Callable[[CharParams, Window], Array]:
    """The jitted held-out loss: params, windows -> nats per character.

    Of a text the state is carried through all windows; of names each window holds
    whole ones, and begins anew.
    """

    def evaluate(params: CharParams, windows: Window) -> Array:
        weights = jnp.ones(()) if windows.weights is None else windows.weights
        counts = jnp.sum(jnp.broadcast_to(weights, windows.labels.shape), (1, 2))

        def body(state: Any, window: Window) -> tuple[Any, Array]:
            loss, after = model.loss(params, window, state)
            return state if names else after, loss

        start = model.start(windows.inputs.shape[2])
        _, losses = lax.scan(body, start, windows)
        return jnp.average(losses, weights=counts)

    return jax.jit(evaluate)


@jax.jit
def is_finite(state: TrainState) -> Array:
    """Whether no float of a state is nan or infinite."""
    floats = [
        x for x in jax.tree.leaves(state) if jnp.issubdtype(x.dtype, jnp.floating)
    ]
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in floats]).all()
