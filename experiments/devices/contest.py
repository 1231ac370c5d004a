"""Everybody on one case: who takes part, whether they are right, how long they take."""

import math
from typing import Any

import bench.grid
import bench.peers
import bench.torch
import jax
import jax.numpy as jnp
import numpy as np
from bench.cases import Answer, Case, Problem, draw, truth
from bench.contestants import Contestant, by_jax
from bench.flax import flax_linen
from bench.nets import Net, contestant
from bench.ours import WAYS, taken_for, way_loss
from bench.report import Row
from bench.scans import scan
from bench.timing import take_turns
from shared.study import CELLS

import scanrnn as sr

DEFAULT = "default"  # begins the name of what a user gets with nothing set
UNROLL = 8
DRAWN = 32  # steps: a longer sequence repeats them

# What a product of float32 numbers is rounded to where nobody asks for more: TF32 on
# CUDA, one pass of bfloat16 on a TPU.
ROUNDED = {"gpu": 2.0**-10, "tpu": 2.0**-7}


def measured(
    case: Case,
    *,
    rate: float,
    seconds: float,
    rounds: int = 3,
    only: tuple[str, ...] = (),
) -> Row:
    """Everybody on one case, or who has a part of its name in ``only``.

    All are checked, then timed in turns. Who cannot run stands in ``failed`` with the
    reason. Who is further from the truth than rounding explains is timed, and marked,
    and counts in no ratio. The rate is that of a large product.
    """
    plan = bench.grid.Plan(only=only)
    candidates, missing = contestants(case)
    candidates = [one for one in candidates if plan.wants(one.name)]
    failed = {name: why for name, why in missing.items() if plan.wants(name)}
    problem, cell = drawn(case), CELLS[case.cell](case.H)
    try:
        truths: dict[object, Answer] = {cell: truth(problem, cell, "float32")}
    except Exception as lacking:  # such as memory: nobody can be checked
        failed["everybody"] = f"no truth, {type(lacking).__name__}: {lacking}"
        return Row(case, rate, {}, failed)
    built = bench.grid.build(candidates, problem, truths, plan)
    spreads = take_turns(built.ready, seconds=seconds, rounds=rounds)
    allowed = tolerance(case, jax.default_backend())
    by_name = {one.name: one for one in candidates}
    results = {
        name: bench.grid.measured(
            by_name[name].group,
            by_name[name].layout,
            built.ready[name],
            spread,
            error := built.errors[name],
            "" if error <= allowed else f"error {error:.0e}, allowed {allowed:.0e}",
        )
        for name, spread in spreads.items()
    }
    jax.clear_caches()
    return Row(case, rate, results, failed | built.failed)


def drawn(case: Case) -> Problem:
    """The numbers of a case; what is long in time repeats itself, and is soon drawn."""
    few = draw(case._replace(T=min(case.T, DRAWN)))

    def repeated(array: np.ndarray) -> np.ndarray:
        times = math.ceil(case.T / array.shape[0])
        long: np.ndarray = np.tile(array, (times, 1, 1))[: case.T]
        return long

    return few._replace(case=case, xs=repeated(few.xs), weights=repeated(few.weights))


def tolerance(case: Case, platform: str) -> float:
    """The worst error that rounding explains, relative to a gradient's largest entry.

    A step rounds a few times; errors of different steps add like a random walk.
    """
    eps = float(jnp.finfo(case.dtype).eps)  # type: ignore[no-untyped-call]
    return 2 * max(eps, ROUNDED.get(platform, 0.0)) * (4 + math.sqrt(case.T))


def contestants(case: Case) -> tuple[list[Contestant], dict[str, str]]:
    """Who can take part; and why the others cannot."""
    found = [*ours(case), scan(case, hoisted=True)]
    if case.T >= UNROLL:
        found.append(scan(case, hoisted=True, unroll=UNROLL))
    missing: dict[str, str] = {}
    for name, library in (("linen", flax_linen), ("cuDNN", cudnn)):
        try:
            found += [contestant(case, net) for net in library(case)]
        except ImportError as error:
            missing[name] = str(error)
    try:
        found += torch(case)
    except ImportError as error:
        missing["torch"] = str(error)
    return found, missing


def ours(case: Case) -> list[Contestant]:
    """The ways back by hand, of which one is what a user gets with nothing set."""
    cell, default = CELLS[case.cell](case.H), taken_for(case)

    def one(name: str, way: Any, unroll: int = 1) -> Contestant:
        build = by_jax(way_loss(cell, way, unroll=unroll))
        return Contestant(name, "ours", build, cell)

    found = [
        one(name, way) if name != default else one(f"{DEFAULT}, {name}", sr.Fastest())
        for name, way in WAYS.items()
        if name != "Autodiff"  # it is the hoisted scan
    ]
    if case.T >= UNROLL:
        name = f"Recomputed, unroll {UNROLL}"
        found.append(one(name, WAYS["Recomputed"], UNROLL))
    return found


def cudnn(case: Case) -> list[Net]:
    """The LSTM of cuDNN; ImportError where it cannot run."""
    if case.cell != "lstm" or case.dtype != "float32":
        raise ImportError("jax.experimental.rnn has the LSTM in float32 alone")
    return bench.peers.cudnn(case)


def torch(case: Case) -> list[Contestant]:
    """torch with cuDNN; ImportError where it cannot run."""
    found = bench.torch.contestants(case)
    if bench.torch.device().type != "cuda":
        raise ImportError("needs CUDA, for JAX and for torch")
    return found
