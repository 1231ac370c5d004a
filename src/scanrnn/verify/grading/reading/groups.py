"""Numbers as they are printed together: one, a row, an array, cut or whole."""

from collections.abc import Sequence
from typing import NamedTuple

from . import tokens as t
from .tokens import Token

ZERO_OR_WHOLE = 1  # decimals up to which a zero is a zero, and 1. is exactly one
NUMPY = 8  # decimals that NumPy prints of an array


class Group(NamedTuple):
    """Numbers that stand together; ``broken`` says why they cannot be read."""

    texts: tuple[str, ...] = ()
    shape: tuple[int, ...] | None = ()  # as nested; None if uneven, () if one or bare
    cut: int | None = None  # how many stand before the dots
    spaced: bool = False  # as NumPy prints: nothing but blanks between them
    boxed: bool = False  # in brackets
    broken: str = ""
    lines: frozenset[int] = frozenset()
    cell: int = 0

    def values(self) -> list[float]:
        """The numbers themselves."""
        return [_value(text) for text in self.texts]

    def shown(self) -> list[int]:
        """How many decimals are known of each.

        NumPy leaves zeros at the end away: in a row of its, all are known to as many
        decimals as the longest. A plain 0.0 or 1. is exact.
        """
        own = [_decimals(text) for text in self.texts]
        most = max(own, default=0)
        if (
            self.spaced
            and most >= NUMPY
            and not any("e" in x.lower() for x in self.texts)
        ):
            return [most] * len(own)
        return [
            max(NUMPY, most) if _is_exact(text, d) else d
            for text, d in zip(self.texts, own, strict=True)
        ]


def _value(text: str) -> float:
    if not _special(text):
        return float(text.replace(",", "."))
    sign = text[0] if text[0] in "+-" else ""
    return float(sign + text.lstrip("+-").rpartition(".")[2])  # of np.nan: nan


def _special(text: str) -> bool:
    return text[-1:].isalpha()


def _decimals(text: str) -> int:
    if _special(text):
        return 0
    mantissa, _, exponent = text.replace(",", ".").lower().partition("e")
    return len(mantissa.partition(".")[2]) - int(exponent or 0)


def _is_exact(text: str, decimals: int) -> bool:
    if _special(text) or "e" in text.lower():
        return False
    zero = not text.strip("+-0.,") and decimals <= ZERO_OR_WHOLE
    return zero or text.endswith(".")


def group(found: Sequence[Token], at: int) -> tuple[Group, int] | None:
    """The numbers that begin at a token, and where they end; None if none do."""
    token = found[at]
    if token.kind == t.CALL:
        return _call(found, at)
    if token.kind == t.OPEN:
        return _boxed(found, at)
    if token.kind in (t.NUMBER, t.BAD, t.ELLIPSIS):
        return _bare(found, at)
    return None


def _bare(found: Sequence[Token], at: int) -> tuple[Group, int]:
    """A number, or a row without brackets: up to the end of the line or a word."""
    items: list[Token] = []
    commas, end = False, at
    for i in range(at, len(found)):
        token = found[i]
        if token.kind in (t.NUMBER, t.BAD, t.ELLIPSIS):
            items.append(token)
            commas, end = commas or token.glued, i + 1
        elif token.kind == t.OTHER and token.text in ",;":
            commas = True
        else:
            break
    return _made(items, (), not commas and len(items) > 1, False), end


def _call(found: Sequence[Token], at: int) -> tuple[Group, int] | None:
    """``array([...], dtype=...)``, ``np.float64(...)``: what stands in it first."""
    inside = group(found, at + 1) if at + 1 < len(found) else None
    if inside is None:
        return None
    numbers, i = inside
    depth = 1
    while i < len(found) and depth:
        kind = found[i].kind
        if kind in (t.HEAD, t.NUMBER, t.BAD) and not _is_option(found, i):
            return numbers._replace(broken="the bracket is not closed"), i
        depth += (kind in (t.OPEN, t.CALL)) - (kind == t.CLOSE)
        i += 1
    if depth:
        return numbers._replace(broken="the bracket is not closed"), i
    scalar = found[at].head is not None and found[at].head["name"] in t.SCALARS  # type: ignore[index]
    spaced = not scalar and len(numbers.texts) > 0
    return numbers._replace(spaced=spaced, boxed=not scalar), i


def _is_option(found: Sequence[Token], i: int) -> bool:
    """``dtype=float32`` looks like a name that is given a value."""
    return found[i].kind == t.HEAD and found[i].text in OPTIONS


OPTIONS = {"dtype", "device", "requires_grad", "weak_type", "grad_fn", "shape"}


def _boxed(found: Sequence[Token], at: int) -> tuple[Group, int] | None:
    """A bracket, and brackets in it, over as many lines as it takes."""
    closing = {"[": "]", "(": ")"}
    stack = [closing[found[at].text]]
    items: list[Token] = []
    counts: list[list[int]] = [[0]]  # what each open bracket holds so far
    shapes: list[tuple[int, ...] | None] = []
    commas, i = False, at + 1
    while stack and i < len(found):
        token = found[i]
        if token.kind in (t.NUMBER, t.BAD, t.ELLIPSIS):
            items.append(token)
            commas = commas or token.glued
            counts[-1][0] += token.kind != t.ELLIPSIS
        elif token.kind == t.OPEN:
            stack.append(closing[token.text])
            counts.append([0])
        elif token.kind == t.CLOSE:
            if stack.pop() != token.text:
                return _made(items, None, False, True, "the brackets do not match"), i
            _close(counts, shapes, len(stack))
        elif token.kind == t.CALL:
            inner = _call(found, i)
            if inner is None or len(inner[0].texts) != 1 or inner[0].broken:
                return _made(items, None, False, True, "a call that is not known"), i
            items += [x for x in found[i : inner[1]] if x.kind == t.NUMBER]
            counts[-1][0] += 1
            i = inner[1] - 1
        elif token.kind == t.END or (token.kind == t.OTHER and token.text in ",;"):
            commas = commas or token.kind == t.OTHER
            if token.text == "," == found[i - 1].text:
                why = "nothing stands between two commas"
                return _made(items, None, False, True, why), i
        else:
            if not items and token.kind in (t.WORD, t.HEAD):
                return None  # a remark in brackets
            return _made(items, None, False, True, "the bracket is not closed"), i
        i += 1
    if stack:
        return _made(items, None, False, True, "the bracket is not closed"), i
    return _made(items, shapes[-1], not commas, True), i


def _close(
    counts: list[list[int]], shapes: list[tuple[int, ...] | None], depth: int
) -> None:
    """The shape of a bracket that ends: of numbers, or of brackets of one shape."""
    (count, *inner) = counts.pop()
    parts = shapes[len(shapes) - len(inner) :]
    del shapes[len(shapes) - len(inner) :]
    if not inner:
        shapes.append((count,))
    elif count or any(part != parts[0] or part is None for part in parts):
        shapes.append(None)
    else:
        shapes.append((len(parts), *parts[0]))  # type: ignore[misc]
    if depth:
        counts[-1].append(1)


def _made(
    items: Sequence[Token],
    shape: tuple[int, ...] | None,
    spaced: bool,
    boxed: bool,
    broken: str = "",
) -> Group:
    numbers = [item for item in items if item.kind != t.ELLIPSIS]
    dots = [n for n, item in enumerate(items) if item.kind == t.ELLIPSIS]
    bad = [item.text for item in numbers if item.kind == t.BAD]
    texts = tuple(item.text for item in numbers)
    if bad:
        broken = broken or f"{bad[0]} is no plain number"
    elif len(dots) > 1:
        broken = broken or "it is cut in several places"
    elif any("," in x for x in texts) and any("." in x for x in texts):
        broken = broken or "points and commas are mixed"
    return Group(
        texts,
        shape,
        dots[0] if dots else None,
        spaced,
        boxed,
        broken,
        frozenset(item.line for item in items),
        items[0].cell if items else 0,
    )
