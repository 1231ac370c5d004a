"""The table in words."""

from collections import Counter

from ..engine.values import one_of
from .blocks import letters, parse
from .maps import MAPS, Map


def describe(name: str | None = None) -> str:
    """How the arrays of another library's layer are made of ours.

    Args:
        name: the layer, such as "torch.nn.GRU"; or a part of the name, such as
            "torch" or "GRU", for all that have it; all if not given.

    Returns:
        For each layer: the cell of ours, then their arrays with their shapes, as blocks
        of our leaves. ``w_x[r z]`` are the gates r and z of w_x side by side, ᵀ is
        transposed, ``/`` stands between rows.

    Raises:
        ValueError: if no name is like that.

    >>> from scanrnn import interop
    >>> print(interop.describe("torch.nn.GRU"))
    torch.nn.GRU is sr.gru(H)
        weight_ih  (3H, X)  w_x[r z n]ᵀ
        weight_hh  (3H, H)  w_h[r z n]ᵀ
        bias_ih    (3H,)    b[r z n]
        bias_hh    (3H,)    b[r z] b_hn
        b[r z] is the sum of two: written into bias_ih, with 0 in bias_hh
        without its biases: bias=False
    """
    names = [row.name for row in MAPS]
    if name is None:
        rows = list(MAPS)
    else:
        rows = [row for row in MAPS if isinstance(name, str) and name in row.name]
        rows = [row for row in rows if row.name == name] or rows
        if not rows:
            one_of("name", name, names)
    return "\n".join(map(_told, rows))


def _told(row: Map) -> str:
    shapes = {k: letters(parse(text)) for k, text in row.arrays.items()}
    name_width = max(map(len, row.arrays))
    shape_width = max(map(len, shapes.values()))
    lines = [
        f"{k:{name_width}}  {shapes[k]:{shape_width}}  {text}"
        for k, text in row.arrays.items()
    ]
    lines += _sums(row)
    if row.biases == "optional":
        lines.append("without its biases: bias=False")
    if row.note:
        lines.append(row.note)
    return "\n    ".join([f"{row.name} is {_cell(row)}", *lines])


def _cell(row: Map) -> str:
    if row.activation:
        return f'sr.rnn(H, activation="{row.activation}")'
    return row.kind.told()


def _sums(row: Map) -> list[str]:
    """Which of our places are the sum of two of theirs."""
    places = {k: parse(text).places for k, text in row.arrays.items()}
    counts = Counter(place for these in places.values() for place in these)
    summed = [place for place, count in counts.items() if count > 1]
    if not summed:
        return []
    leaf = summed[0][0]
    gates = " ".join(gate for gate in row.kind.gates if (leaf, gate) in summed)
    first, *second = [k for k, these in places.items() if summed[0] in these]
    where = (
        f"into {first}, with 0 in {second[0]}"
        if second
        else f"into the first row of {first}, with 0 in the second"
    )
    return [f"{leaf}{f'[{gates}]' if gates else ''} is the sum of two: written {where}"]
