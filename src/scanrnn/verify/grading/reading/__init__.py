"""Reads what people paste: text of any kind in, a `Reading` out.

`clean` takes the markup away, `tokens` splits lines, `groups` puts numbers together,
`entries` finds whose they are, `leaves` which entry a name means, `editions` which
public test fits. `taken` makes entries of numbers, and `posts` a reading of all of it.
"""

from collections.abc import Mapping
from typing import Any

from ..cases import Case
from ..posted import Reading
from .posts import functions as functions
from .posts import of_mapping, of_text


def understand(
    numbers: str | Mapping[str, Any], like: str, case: Case | None = None
) -> Reading:
    """What a post says, beside the case that it comes from.

    Args:
        numbers: the printed entries as text, or a mapping such as
            ``{"dx[1][2]": [...], "dba[4]": -1.40083774}``; any subset.
        like: the function that gave them.
        case: the case that they come from; if not given, the edition of the exercise's
            public test that fits best.

    Raises:
        ValueError: if nothing can be read, or ``like`` is unknown.

    >>> entry, = understand("dba[4] = -0.747", "rnn_backward").posted
    >>> entry.leaf, entry.place, entry.decimals
    ('dba', (4,), 3)
    """
    if isinstance(numbers, str):
        return of_text(numbers, like, case)
    return of_mapping(numbers, like, case)
