"""One case of the grid: find who takes part, compile them, let them take turns."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import bench_nets
import bench_peers
import bench_torch
import jax
from bench_cases import Answer, Case, Problem, draw, error_of, truth
from bench_contestants import Contestant, Ready, ours, scan
from bench_report import Measured, Row
from bench_timing import Spread, product_rate, take_turns


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
    fixed = build(candidates, problem, truths, plan)
    tuned = build(best_scans(case, problem, plan), problem, truths, plan)
    ready = fixed.ready | tuned.ready
    rate = product_rate()
    spreads = take_turns(
        ready, seconds=plan.seconds, rounds=plan.rounds, report=plan.report
    )
    rate = max(rate, product_rate())
    errors = fixed.errors | tuned.errors
    everybody = {c.name: c for c in (*candidates, *scans_of(case, plan))}
    results = {
        name: measured(everybody[name], ready[name], spread, errors[name])
        for name, spread in spreads.items()
    }
    jax.clear_caches()
    return Row(case, rate, results, fixed.failed | tuned.failed), missing


def find(case: Case, plan: Plan) -> tuple[list[Contestant], dict[str, str]]:
    """All but the plain scans on one device, whose unroll factor is to be chosen."""
    found = ours(case, 1)
    if plan.devices > 1 and case.B % plan.devices == 0:
        n = plan.devices
        for mapped in (False, True):
            found += ours(case, n, mapped)
            for hoisted in (False, True):
                found.append(scan(case, hoisted=hoisted, devices=n, mapped=mapped))
    nets, missing = bench_peers.find(case)
    found += [bench_nets.contestant(case, net) for net in nets]
    try:
        found += bench_torch.contestants(case)
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


def best_scans(case: Case, problem: Problem, plan: Plan) -> list[Contestant]:
    """Of each plain scan the one with the best unroll factor, by a short race."""
    candidates = scans_of(case, plan)
    if len(plan.unrolls) == 1:
        return candidates
    racing = {}
    for one in candidates:
        plan.report(f"compiles {one.name}")
        racing[one.name] = one.build(problem)
    spreads = take_turns(racing, seconds=plan.seconds / 8, rounds=2, report=plan.report)
    return [
        min(group, key=lambda one: spreads[one.name].ms)
        for part in ("naive", "hoisted")
        if (group := [one for one in candidates if part in one.name])
    ]


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


def measured(one: Contestant, ready: Ready, spread: Spread, error: float) -> Measured:
    """What is written down of a contestant."""
    return Measured(
        one.group,
        one.devices,
        *spread,
        error,
        ready.compile_s,
        ready.megabytes,
        one.differs,
        one.mapped,
    )
