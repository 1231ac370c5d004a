"""A net of cells as levels of directions, and back."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from .. import made
from ..cell import Cell, Params
from ..compose.bidirectional import bidirectional
from ..compose.layer import Layer, layer, per_part
from ..compose.stack import stack
from ..engine.values import shown

# A cell, or a layer made of several; typed so that who knows which need not ask.
Net: TypeAlias = Any
Reader: TypeAlias = tuple[Cell, Params]
Level: TypeAlias = Sequence[Reader]  # one reader, or a forward and a backward one


def fold(levels: Sequence[Level], merge: Any = "concat") -> tuple[Net, Params]:
    """The net that computes the levels one above the other, and its params.

    One reader alone is its cell; two of one level are bidirectional; several levels
    are a stack.
    """
    nets, params = [], []
    for level in levels:
        cells, theirs = zip(*level, strict=True)
        pair = len(level) == 2
        nets.append(bidirectional(*cells, merge=merge) if pair else cells[0])
        params.append(theirs if pair else theirs[0])
    if len(levels) == 1:
        return nets[0], params[0]
    return stack(*nets), tuple(params)


def unfold(net: Net, params: Params, merges: Sequence[str]) -> list[Level]:
    """The levels of a net, told by the calls that made it.

    Args:
        net: a cell, a layer, a stack, or a bidirectional layer of two cells.
        params: of the net.
        merges: how its two directions may be merged.

    Raises:
        ValueError: if the net has another part.
    """
    if isinstance(net, Cell):
        return [[(net, params)]]
    call = net.made_by if isinstance(net, Layer) and made.is_as_made(net) else None
    if call is not None and call.factory is layer:
        return unfold(call.arguments[0], params, merges)
    if call is not None and call.factory is stack:
        parts = per_part("params", params, len(call.arguments))
        pairs = zip(call.arguments, parts, strict=True)
        return [level for part, p in pairs for level in unfold(part, p, merges)]
    if call is not None and call.factory is bidirectional:
        merge = dict(call.options).get("merge", "concat")
        pairs = zip(call.arguments, per_part("params", params, 2), strict=True)
        sides = [unfold(part, p, merges) for part, p in pairs]
        if merge in merges and all(len(s) == 1 and len(s[0]) == 1 for s in sides):
            return [[reader for side in sides for reader in side[0]]]
    raise ValueError(
        "expected a cell, or a stack of cells and of bidirectional pairs of cells "
        f"(merge {' or '.join(merges)}), got {shown(net)}"
    )


def single(net: Net, params: Params, library: str) -> Reader:
    """The one cell of a net.

    Raises:
        ValueError: if it has several.
    """
    levels = unfold(net, params, ("concat",))
    if len(levels) > 1 or len(levels[0]) > 1:
        raise ValueError(
            f"expected one cell for one of {library}, got {shown(net)}; convert each "
            "of its cells by itself"
        )
    return levels[0][0]
