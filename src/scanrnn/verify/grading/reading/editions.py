"""The published editions of the exercise's tests, and which of them a post fits.

All draw with ``np.random.seed(1)`` in the order of `cases.DRAWS`. They differ in two
places. The notebook of 2018 stored its bias of ``rnn_cell_backward`` under a name that
was not used, so that the bias of the test of ``rnn_forward`` above it was taken; since
2019 it is drawn. And the table for ``lstm_backward`` that the notebook of 2018 printed
as expected was made by a pass that carries nothing from step to step; since 2019 the
right numbers stand there.

Source: the test cells and the tables "Expected Output" of the notebook "Building a
Recurrent Neural Network - Step by Step" in its versions of 2018 (v3), 2019 (v3a, 3b)
and 2021.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..cases import Case, map_floats, official, shared, with_caches
from ..posted import Posted

# The table of 2018 for lstm_backward, wrong as it was printed.
WRONG_TABLE = {
    "dx[1][2]": (-0.00173313, 0.08287442, -0.30545663, -0.43281115),
    "da0[2][3]": (-0.095911501954,),
    "dWf[3][1]": (-0.0698198561274,),
    "dWi[1][2]": (0.102371820249,),
    "dWc[3][1]": (-0.0624983794927,),
    "dWo[1][2]": (0.0484389131444,),
    "dbf[4]": (-0.0565788,),
    "dbi[4]": (-0.06997391,),
    "dbc[4]": (-0.27441821,),
    "dbo[4]": (0.16532821,),
}
TOLD_WRONG = (
    "the table of lstm_backward in the edition of 2018 is itself wrong: its pass "
    "carries nothing from step to step; here you are compared with the right numbers"
)


class Edition(NamedTuple):
    """A public test as it was published."""

    year: str
    case: Case


@functools.cache
def editions(like: str) -> tuple[Edition, ...]:
    """The editions of a function's public test, the newest first.

    >>> [edition.year for edition in editions("rnn_cell_backward")]
    ['2019 and later', '2018']
    """
    newest = Edition("2019 and later", official(like))
    if like != "rnn_cell_backward":
        return (newest,)
    return newest, Edition("2018", _with_the_bias_above())


def _with_the_bias_above() -> Case:
    """The bias of rnn_forward's test, which was drawn after 220 other numbers."""
    case = official("rnn_cell_backward")
    forward = official("rnn_forward").inputs["parameters"]
    inputs = map_floats(
        np.copy, {k: v for k, v in case.inputs.items() if k != "caches"}
    )
    inputs["parameters"]["ba"] = np.copy(forward["ba"])
    made = with_caches("rnn_cell_backward", inputs)
    return shared(Case("public test of 2018", case.like, made))


def is_wrong_table(like: str, entries: Sequence[Posted]) -> bool:
    """Whether numbers are those of the table that was printed wrong."""
    if like != "lstm_backward" or not entries:
        return False
    printed = {name: np.array(values) for name, values in WRONG_TABLE.items()}
    return all(
        entry.name in printed
        and entry._replace(leaf="", place=())
        .matches({"": printed[entry.name]})
        .count(True)
        == entry.values.size
        for entry in entries
    )
