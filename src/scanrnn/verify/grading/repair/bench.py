"""A case on which a program is tried, and what of its leaves is right there."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..cases import DRAWS, GENERIC, Case, Sizes, evened, generic, official, split
from ..conventions import GATES, Convention, Found
from ..judge import Trial, expected_leaves

SMALL = Sizes(n_x=3, n_a=4, n_y=6, m=5, steps=2)
SEED = 2
ARGUMENTS = ("arguments", 0)  # they are what they were

Right = frozenset[tuple[str, int]]  # leaves that are right, step by step


class Bench(NamedTuple):
    """A case on which a program is tried, and what is right there."""

    convention: Convention
    case: Case
    right: Mapping[str, Any]

    @property
    def call(self) -> dict[str, Any]:
        """As `variants` wants it."""
        convention, case = self.convention, self.case
        call = {"name": convention.function.__name__, "args": convention.args(case)}
        if convention.before is not None and convention.args_before is not None:
            call["before"] = convention.before.__name__
            call["args_before"] = convention.args_before(case)
        return call

    @property
    def every(self) -> Right:
        """All that has to be right."""
        return self.judged(self.right) | {ARGUMENTS}

    def of(self, answer: Mapping[str, Any]) -> Right:
        """What is right of an answer."""
        if "value" not in answer:
            return frozenset()
        found = self.convention.told(
            Found({}), answer["value"], answer["made"], self.case
        )
        kept = () if answer["changed"] else (ARGUMENTS,)
        return self.judged(found.leaves).union(kept)

    def judged(self, leaves: Mapping[str, Any]) -> Right:
        """The steps of the leaves that are right; leaves without steps are one."""
        right = []
        for leaf, expected in self.right.items():
            value, allowed = expected.value, expected.allowed
            found = leaves.get(leaf)
            found = getattr(found, "value", found)
            given = getattr(found, "shape", None)
            if given != value.shape:
                continue
            if getattr(found, "dtype", np.float64) != np.float64:
                continue
            good = np.abs(np.asarray(found) - value) <= allowed
            right += [
                (leaf, i) for i, part in enumerate(self.parts(good)) if part.all()
            ]
        return frozenset(right)

    def parts(self, leaf: Any) -> list[Any]:
        """The steps of a leaf; of gradients of all gates' weights, the gates."""
        if leaf.ndim == 3:
            return list(np.moveaxis(leaf, self.convention.time_axis, 0))
        count = len(GATES.get(split(self.case.like)[0], ""))
        rows = self.convention.time_axis == 1  # the gates stand in the columns
        if rows and leaf.shape[-1] % count == 0 and leaf.shape[-1] > SMALL.n_a:
            return np.split(leaf, count, axis=-1)
        return [leaf]


def bench(convention: Convention, case: Case) -> Bench:
    """A case with what is right there."""
    trial = Trial(case, convention, np.float64)
    return Bench(convention, case, expected_leaves(trial, Found({})))


def benches(convention: Convention, like: str) -> list[Bench]:
    """The cases that are tried, the quickest first."""
    cases = [generic(like, sizes, SEED) for sizes in (SMALL._replace(steps=1), SMALL)]
    cases += [
        generic(like, sizes, SEED, loud=100.0 if i == 1 else 1.0)
        for i, sizes in enumerate(GENERIC)
    ]
    if like in DRAWS:
        public = official(like)
        cases.append(evened(public) or public)
    return [bench(convention, case) for case in cases]
