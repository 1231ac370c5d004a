"""What every class of slips gives at the places of a post, shipped or computed."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..cases import Case
from ..posted import Posted
from ..replay import Leaves
from .evidence import given
from .shipped import Table, known_as

SECONDS = 1.7  # for running slips on a case that nothing was shipped of


def at_places(
    known: Table, case: Case, posted: Sequence[Posted], right: Leaves
) -> tuple[Any, Any]:
    """(n, numbers) the numbers of every class; (numbers,) how rough they are."""
    leaves = {entry.leaf for entry in posted}
    shipped = known_as(case) == "public" and all(
        f"entries/{leaf}" in known.stored for leaf in leaves
    )
    if shipped:
        return _shipped(known, posted, right)
    return _run(known, case, posted), 0.0


def _shipped(known: Table, posted: Sequence[Posted], right: Leaves) -> tuple[Any, Any]:
    columns, roughs = [], []
    for entry in posted:
        count = np.arange(right[entry.leaf].size).reshape(right[entry.leaf].shape)
        places = entry.of({entry.leaf: count}).astype(int)
        entries, rough = known.entries(entry.leaf)
        columns.append(entries[:, places].astype(np.float64))
        roughs.append(rough[places])
    return np.concatenate(columns, axis=1), np.concatenate(roughs)


def _run(known: Table, case: Case, posted: Sequence[Posted]) -> Any:
    """The plainest of every class is run, the likely first, while there is time."""
    total = sum(entry.values.size for entry in posted)
    table = np.full((known.size, total), np.nan)
    until = time.process_time() + SECONDS
    for i in np.argsort(known.cost, kind="stable"):
        if time.process_time() > until:
            break
        leaves = known.slips(int(i))[0].run(case)
        if leaves is not None:
            table[i] = given(posted, leaves)
    return table
