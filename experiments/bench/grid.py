"""One case of the grid: find who takes part, compile them, let them take turns."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import jax

from . import peers
from . import torch as by_torch
from .cases import Answer, Case, Problem, draw, error_of, truth
from .contestants import Contestant, Layout, Ready
from .nets import contestant
from .ours import ours
from .report import Measured, Row
from .scans import scan
from .timing import Spread, product_rate, take_turns

LONG = 1000  # steps: from here on the batch is spread by jit, too


def _silent(text: str) -> None:
    pass


class Plan(NamedTuple):
    """How to measure.

    Attributes:
        seconds: for each case, once everything is compiled.
        rounds: the least number of turns of each.
        unrolls: the unroll factors that a plain scan may choose from.
        devices: over which the batch is sharded, besides one.
        only: parts of names; who has none of them is left out. Empty for all.
        report: is told what is being done.
    """

    seconds: float = 8.0
    rounds: int = 3
    unrolls: tuple[int, ...] = (1, 2, 4, 8)
    devices: int = 2
    only: tuple[str, ...] = ()
    report: Callable[[str], None] = _silent

    def wants(self, name: str) -> bool:
        """Whether a contestant takes part."""
        return not self.only or any(part in name for part in self.only)


class Built(NamedTuple):
    """Who is ready, their errors, and who could not be."""

    ready: dict[str, Ready]
    errors: dict[str, float]
    failed: dict[str, str]


def run_case(case: Case, plan: Plan) -> tuple[Row, dict[str, str]]:
    """Everybody on one case.

    Returns:
        The row, and the libraries that are missing, with the reason.
    """
    problem = draw(case)
    truths: dict[object, Answer] = {}
    candidates, missing = find(case, plan)
    built = build(candidates, problem, truths, plan)
    racing = build(scans_of(case, plan), problem, truths, plan)
    scans = best_scans(racing, case, plan)
    tuned = build(
        [one for one in scans if one.name not in racing.ready], problem, truths, plan
    )
    kept = {n: r for n, r in racing.ready.items() if n in {one.name for one in scans}}
    ready = built.ready | kept | tuned.ready
    rate = product_rate()
    spreads = take_turns(
        ready, seconds=plan.seconds, rounds=plan.rounds, report=plan.report
    )
    rate = max(rate, product_rate())
    errors = built.errors | racing.errors | tuned.errors
    everybody = {c.name: c for c in (*candidates, *scans)}
    results = {
        name: measured(
            (one := everybody[name]).group,
            one.layout,
            ready[name],
            spread,
            errors[name],
            one.differs,
            one.as_it_comes,
        )
        for name, spread in spreads.items()
    }
    jax.clear_caches()
    failed = built.failed | racing.failed | tuned.failed
    return Row(case, rate, results, failed), missing


def layouts(case: Case, plan: Plan, *, is_ours: bool = False) -> list[Layout]:
    """On one device, and on all by `jax.shard_map`; ours and long sequences by jit too.

    Spread by jit, a plain scan waits for the other devices in every step. How much
    that costs is asked of long sequences; in short ones nobody would choose it. Ours
    by jit are what `sr.on_all_cores` makes.
    """
    if plan.devices == 1 or case.B % plan.devices:
        return [Layout()]
    found = [Layout(), Layout(plan.devices, mapped=True)]
    return [*found, Layout(plan.devices)] if is_ours or case.T >= LONG else found


def find(case: Case, plan: Plan) -> tuple[list[Contestant], dict[str, str]]:
    """All but the plain scans, whose unroll factor is to be chosen."""
    nets, missing = peers.find(case)
    found: list[Contestant] = []
    for layout in layouts(case, plan, is_ours=True):
        found += ours(case, layout)
        if layout.devices == 1 or layout.mapped:
            found += [contestant(case, net, layout) for net in nets]
    try:
        found += by_torch.contestants(case)
    except ImportError as error:
        missing["torch"] = str(error)
    return [c for c in found if plan.wants(c.name)], missing


def scans_of(case: Case, plan: Plan) -> list[Contestant]:
    """The plain scans on one device, with every unroll factor."""
    found = [
        scan(case, hoisted=hoisted, unroll=unroll)
        for hoisted in (False, True)
        for unroll in plan.unrolls
        if unroll <= case.T
    ]
    return [c for c in found if plan.wants(c.name)]


def best_scans(racing: Built, case: Case, plan: Plan) -> list[Contestant]:
    """Of each plain scan the best unroll factor by a short race, in every layout.

    And as it comes, not unrolled, on one device.
    """
    spreads = take_turns(
        racing.ready, seconds=plan.seconds / 8, rounds=2, report=plan.report
    )
    found = []
    for hoisted in (False, True):
        times = {
            unroll: spreads[name].ms
            for unroll in plan.unrolls
            if (name := scan(case, hoisted=hoisted, unroll=unroll).name) in spreads
        }
        if times:
            best = min(times, key=lambda unroll: times[unroll])
            for layout in layouts(case, plan):
                found.append(scan(case, hoisted=hoisted, unroll=best, layout=layout))
            if best > 1 and 1 in plan.unrolls:
                found.append(scan(case, hoisted=hoisted))
    return [c for c in found if plan.wants(c.name)]


def build(
    candidates: Iterable[Contestant],
    problem: Problem,
    truths: dict[object, Answer],
    plan: Plan,
) -> Built:
    """Compiles everybody and compares their gradients with the truth.

    Who fails is named and left out; a benchmark of others goes on.
    """
    built = Built({}, {}, {})
    for one in candidates:
        plan.report(f"compiles {one.name}")
        if one.cell not in truths:
            truths[one.cell] = truth(problem, one.cell)
        try:
            ready = one.build(problem)
            error = error_of(ready.answer(), truths[one.cell], one.lacks)
        except Exception as failure:  # whatever a peer raises
            built.failed[one.name] = f"{type(failure).__name__}: {failure}"
            continue
        built.ready[one.name] = ready
        built.errors[one.name] = error
    return built


def measured(
    group: str,
    layout: Layout,
    ready: Ready,
    spread: Spread,
    error: float,
    differs: str = "",
    as_it_comes: bool = False,
) -> Measured:
    """What is written down of a contestant."""
    return Measured(
        group,
        layout.devices,
        *spread,
        error,
        ready.compile_s,
        ready.megabytes,
        differs,
        layout.mapped,
        as_it_comes,
    )
