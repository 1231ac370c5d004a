"""A run from its first step to its last, as a stream of events.

`fit` is a generator: it trains, and tells what happened; whoever reads it draws the
progress bar or asserts. What must be on disk is there before the event is told.
"""

import collections
import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import PartitionSpec

from .checkpoint import keeper, read_state
from .config import Config
from .directory import RunDirectory
from .disk import refusal_is_told
from .events import Began, Compared, Event, Noted
from .gradients import compare_gradients
from .journal import Call, Diverged, Journal
from .lock import locked
from .model import model_of
from .origin import Origin, begun, check_corpus, check_free, origin_of
from .placement import STREAMS, Placement
from .processes import is_first, local, loss_is_told
from .sample import Sampler
from .schedule import Clock, call_length, due, steps_per_call
from .settings import write_settings
from .streams import Window, cut_window, held_out_windows, lay_out
from .text import Corpus, Vocabulary, load_corpus
from .train import (
    Task,
    TrainState,
    evaluator,
    init_state,
    place_state,
    task_of,
    updater,
)
from .write import Writer

# Calls that may be under way when a loss is looked at: enough for the device never to
# wait for the host, few enough to stop at once.
IN_FLIGHT = 2
SAMPLE_LENGTH = 200
WORST_ERROR = 1e-3  # float32 rounding stays far below; a wrong derivative does not


class Setup(NamedTuple):
    """What a run is made of, besides its state."""

    config: Config
    corpus: Corpus
    vocabulary: Vocabulary
    task: Task
    tokens: Array  # (N, B) streams, int32
    held_out: Window


def fit(
    run: RunDirectory,
    config: Config | None = None,
    resume: bool = False,
    devices: int | None = None,
) -> Iterator[Event]:
    """Trains a character model.

    Where several processes were joined, each calls this with the same arguments.

    Args:
        run: where checkpoints and metrics go.
        config: the settings; when resuming, those of the checkpoint are taken.
        resume: go on from the last checkpoint in ``run``; start over if it broke off
            before the first.
        devices: of each process, if not those of the settings; they change the
            numbers of a run by rounding alone.

    Yields:
        What happens, in order.

    Raises:
        CheckpointError: if ``run`` is taken, in use, cannot be resumed, or cannot be
            written.
        TextError: if the corpus cannot be used.
        Diverged: if a loss is not finite; nothing not finite is ever saved.
        Lost: if another process is gone.
    """
    with loss_is_told(), refusal_is_told(run), contextlib.ExitStack() as held:
        yield from _fit(run, config, resume, devices, held)


def _fit(
    run: RunDirectory,
    config: Config | None,
    resume: bool,
    devices: int | None,
    held: contextlib.ExitStack,
) -> Iterator[Event]:
    began = time.monotonic()
    if resume:
        notes = held.enter_context(locked(run)) if run.is_begun() else ()
        origin = origin_of(run)
    else:
        check_free(run)
        origin = Origin(config or Config())
    about, config = origin.about, origin.config
    if devices is not None:
        config = dataclasses.replace(config, devices=devices)
    setup = prepare(config)
    check_corpus(run, origin, setup.corpus.digest)
    placement = Placement.over(config.devices, config.batch)
    if not resume:  # no directory before its settings are known to be good
        notes = held.enter_context(begun(run, config))
    state = init_state(setup.task, config.batch, config.seed)
    state = place_state(state, placement)
    if about is not None:
        state = read_state(run, about.step, like=state)
    if resume and is_first():  # all has been looked at: now it may be changed
        write_settings(run, config)
        run.cut_metrics(origin.step)
    clock = Clock(config.steps, config.minutes, began - (about.seconds if about else 0))
    setup = setup._replace(
        tokens=placement.place(setup.tokens, STREAMS),
        held_out=placement.place(setup.held_out, PartitionSpec(None, *STREAMS)),
    )
    lines = run.metrics if is_first() else Path(os.devnull)
    with keeper(run) as saves, lines.open("a", encoding="utf-8") as metrics:
        yield Began(config, setup.corpus, _count(state), int(state.step))
        yield from map(Noted, (*notes, *origin.notes))
        digest = setup.corpus.digest
        journal = Journal(saves, metrics, config, setup.vocabulary, digest, clock)
        if about is None:
            journal.save(state)
            yield _compare(setup, state)
        yield from _train(setup, state, journal, placement)


def prepare(config: Config) -> Setup:
    """The corpus, laid out, and the model for it."""
    corpus = load_corpus(config.text, config.names, config.seed)
    vocabulary = corpus.vocabulary
    tokens = vocabulary.encode(corpus.train)
    return Setup(
        config,
        corpus,
        vocabulary,
        task_of(config, vocabulary),
        jnp.asarray(lay_out(tokens, config.batch, config.window)),
        held_out_windows(corpus, vocabulary),
    )


def write_sample(setup: Setup, state: TrainState) -> str:
    """What the model writes now; drawn from (key, step), so it can be repeated."""
    task, (params, key, step) = setup.task, local((state.params, state.key, state.step))
    writer = Writer(task.model, params, setup.vocabulary, task.separator)
    key = jax.random.fold_in(key, step)
    sampler = Sampler(temperature=0.8)
    return writer.write("", key, length=SAMPLE_LENGTH, count=1, sampler=sampler)[0]


def _train(
    setup: Setup, state: TrainState, journal: Journal, placement: Placement
) -> Iterator[Event]:
    config, clock = setup.config, journal.clock
    update = updater(setup.task, placement)
    evaluate = evaluator(setup.task.model, setup.corpus.names)
    most = steps_per_call(config, _count(state))
    calls = Calls(journal)
    step = int(state.step)
    progress, compiled = clock.progress(step), False
    while progress < 1 or step == 0:  # one step, however short the time
        # The first call compiles: a step of its own keeps that time out of the others.
        count = call_length(config, clock, step, most) if compiled else 1
        compiled = True
        rates_at = clock.ahead(step, progress, most)
        state, metrics = update(state, setup.tokens, rates_at, np.int32(count))
        before, progress = progress, clock.progress(step + count)
        calls.begin(Call(step, count, before, progress, metrics))
        step += count
        now_due = due(config, before, progress)
        yield from calls.end(but=0 if any(now_due) else IN_FLIGHT)
        if now_due.evaluation:
            held_out = float(evaluate(state.params, setup.held_out))
            yield journal.evaluated(step, held_out)
        if now_due.sample and is_first():
            yield journal.wrote(step, write_sample(setup, state))
        if now_due.checkpoint:
            yield journal.save(state)


class Calls:
    """The calls under way, the oldest first."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.pending: collections.deque[Call] = collections.deque()
        self.told = journal.clock.seconds()

    def begin(self, call: Call) -> None:
        """One more is under way."""
        self.pending.append(call)

    def end(self, but: int) -> Iterator[Event]:
        """Waits for all but the last ``but``, and tells their steps."""
        while len(self.pending) > but:
            for event in self.journal.called(self.pending.popleft(), self.told):
                self.told = event.seconds
                yield event


def _compare(setup: Setup, state: TrainState) -> Compared:
    """Both gradients of the first batch; an error if they differ by more than rounding.

    A run with ``autodiff`` compares the fastest way by hand with it.
    """
    config, size = setup.config, setup.vocabulary.size
    by_hand = "fastest" if config.backward == "autodiff" else config.backward
    window = cut_window(setup.tokens, state.cursor, config.window, setup.task.separator)
    rows = compare_gradients(
        model_of(config, size, by_hand),
        model_of(config, size, "autodiff"),
        state.params,
        window,
        state.state,
    )
    worst = max(rows, key=lambda row: row.relative)
    if not worst.relative < WORST_ERROR:
        raise Diverged(
            f"the hand-derived gradient of {worst.name} differs from jax.grad's by "
            f"{worst.relative:.1e} of its largest entry; expected below {WORST_ERROR}"
        )
    return Compared(rows)


def _count(state: TrainState) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(state.params))
