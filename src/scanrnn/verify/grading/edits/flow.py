"""The order of things: what is added up and handed on, where loops begin and end."""

import ast
from collections.abc import Iterator
from typing import Any

from .context import Function
from .edit import Change
from .nodes import called, is_value, name, number, parse, plus, text, times


def load(target: Any) -> ast.expr:
    """What is written, to be read."""
    return parse(text(target))


def accumulate(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """= for +=, += for =, -= for +=."""
    if node is not line:
        return
    length = "T_x" if "T_x" in known.variables else "T"
    if isinstance(line, ast.AugAssign):
        what = "= in place of +=: each step overwrites the one before"
        new = ast.Assign([line.target], line.value)
        yield Change(new, "accumulate", what, 1.0, "overwritten", True)
        what = "-= in place of +="
        new_ = ast.AugAssign(line.target, ast.Sub(), line.value)
        yield Change(new_, "accumulate", what, 1.3, "subtracted", True)
        what = "*= in place of +="
        new_ = ast.AugAssign(line.target, ast.Mult(), line.value)
        yield Change(new_, "accumulate", what, 2.0, "multiplied up", True)
        what = "the mean with what was there and not the sum"
        mean = times(number(0.5), plus(load(line.target), line.value))
        half = ast.Assign([line.target], mean)
        yield Change(half, "accumulate", what, 1.6, what, True)
        kept = ast.If(parse("t == 0"), [line], [])
        what = "only step 0 is added"
        yield Change(kept, "accumulate", what, 1.5, "only step 0", True)
        for words, says in (
            ("t > 0", "step 0 is not added"),
            (f"t < {length} - 1", "the last step is not added"),
            (f"t == {length} - 1", "only the last step is added"),
        ):
            part = ast.If(parse(words), [line], [])
            yield Change(part, "accumulate", says, 1.4, says, True)
        for words, says in (
            (f"t == {length} - 1", "the last step is added twice"),
            ("t == 0", "step 0 is added twice"),
        ):
            again = times(parse(f"1 + ({words})"), line.value)
            new_ = ast.AugAssign(line.target, line.op, again)
            yield Change(new_, "accumulate", says, 1.5, says, True)
    if not isinstance(line, ast.Assign) or isinstance(line.value, ast.Tuple):
        return
    target = line.targets[0]
    if isinstance(target, ast.Name | ast.Subscript) and _in_loop(known, line):
        what = "+= in place of ="
        new_ = ast.AugAssign(target, ast.Add(), line.value)
        yield Change(new_, "accumulate", what, 1.1, "piles up", True)
        what = "-= in place of ="
        new_ = ast.AugAssign(target, ast.Sub(), line.value)
        yield Change(new_, "accumulate", what, 1.9, "piles down", True)


def _in_loop(known: Function, line: ast.stmt) -> bool:
    loops = [n for n in known.tree.body if isinstance(n, ast.For)]
    return any(line in loop.body for loop in loops)


def missing(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A line is left out."""
    if node is not line or isinstance(line, ast.For | ast.Return):
        return
    target = (
        line.targets[0]
        if isinstance(line, ast.Assign)
        else getattr(line, "target", None)
    )
    if target is None:
        return
    what = f"{text(target).strip('()')} is never set"
    if isinstance(line, ast.AugAssign):
        what = f"{text(target)} is never added up"
    elif _in_loop(known, line):
        what = f"{text(target).strip('()')} is not set in the loop"
    yield Change(ast.Pass(), "missing", what, 1.0, "missing line", True)


def loops(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """Another range, or the other direction."""
    if not isinstance(line, ast.For) or node is not line.iter:
        return
    length = "T_x" if "T_x" in known.variables else "T"
    back = called(node) == "reversed"
    spans = (
        (f"range({length})", "time runs forwards", 1.0),
        (f"reversed(range({length}))", "time runs backwards", 1.0),
        (f"range({length} - 1)", "the last step is left out", 1.0),
        (f"range(1, {length})", "step 0 is left out", 1.0),
        (f"range({length} - 2, -1, -1)", "the loop begins at T - 2", 1.0),
        (f"range({length} - 1, 0, -1)", "the loop ends at step 1", 1.0),
        (f"range({length} - 2, 0, -1)", "the loop leaves out both ends", 1.5),
        (f"range({length} - 1, 1, -1)", "the loop ends at step 2", 1.5),
        (
            f"range({length} - 1, {length} - 2, -1)",
            "only the last step is visited",
            1.2,
        ),
        ("range(1)", "only step 0 is visited", 1.2),
        (f"range({length} - 1, -1, -2)", "every second step is visited", 1.8),
        (f"range({length} // 2, -1, -1)", "the second half is left out", 1.9),
        (f"range(-1, -{length}, -1)", "the loop ends at step 1", 1.4),
        (f"range(0, -{length}, -1)", "the loop begins at step 0, then goes back", 1.5),
        (f"range(1, {length} + 1)", "the steps are counted from 1", 1.4),
        (f"range({length}, 0, -1)", "the steps are counted from T to 1", 1.4),
    )
    for words, what, cost in spans:
        if words == text(node):
            continue
        if (back and what == "time runs backwards") or (
            not back and what == "time runs forwards"
        ):
            continue
        yield Change(parse(words), "loop", what, cost)


def early_return(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """The loop is left after the first visit; a line stands behind it, or before."""
    if node is not line or not isinstance(line, ast.For):
        return
    new = ast.For(line.target, line.iter, [*line.body, ast.Break()], [])
    what = "the loop ends after its first visit: return stands inside"
    yield Change(new, "indentation", what, 1.2, "", True)
    for i, part in enumerate(line.body):
        rest = [x for j, x in enumerate(line.body) if j != i]
        if not rest:
            continue
        words = _short(part)
        loop = ast.For(line.target, line.iter, rest, [])
        after = ast.If(number(True), [loop, part], [])
        what = f"{words} stands behind the loop and runs once"
        yield Change(after, "indentation", what, 1.3, "behind the loop", True)
    added = [x for x in line.body if isinstance(x, ast.AugAssign)]
    if len(added) > 1:
        rest = [x for x in line.body if x not in added]
        loop = ast.For(line.target, line.iter, rest, [])
        after = ast.If(number(True), [loop, *added], [])
        what = "the sums of the weights stand behind the loop and run once"
        yield Change(after, "indentation", what, 1.2, "", True)
    for i, part in enumerate(line.body):
        for j in range(len(line.body)):
            if j == i or abs(i - j) > 2:
                continue
            rest = [x for k, x in enumerate(line.body) if k != i]
            order = [*rest[:j], part, *rest[j:]]
            loop = ast.For(line.target, line.iter, order, [])
            what = f"{_short(part)} comes too {'early' if j < i else 'late'}"
            yield Change(loop, "order", what, 1.5, "", True)


def _short(part: ast.AST) -> str:
    words = text(part)
    return f"`{words}`" if len(words) < 60 else f"`{words[:56]}...`"


def initial(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """Another start value than zeros."""
    if not isinstance(line, ast.Assign) or not is_value(node, line):
        return
    target = line.targets[0]
    if not isinstance(target, ast.Name):
        return
    if called(node) == "np.zeros":
        ones = ast.Call(ast.Attribute(name("np"), "ones", ast.Load()), node.args, [])
        yield Change(ones, "initial", "it begins with ones and not zeros", 1.3, "ones")
        ints = ast.Call(node.func, [*node.args, name("int")], [])
        what = "an array of integers: what is written is cut"
        yield Change(ints, "dtype", what, 1.3, "integers")
        half = ast.Call(node.func, [*node.args, parse("np.float16")], [])
        what = "an array of half precision"
        yield Change(half, "dtype", what, 2.0, "half precision")
        for words, cost in _starts(known, target.id):
            what = f"it begins with {words} and not with zeros"
            yield Change(parse(words), "initial", what, cost)
    elif text(node) in ("a0", "h0") and not _in_loop(known, line):
        zeros = times(number(0.0), node)
        what = f"it begins with zeros and not with {text(node)}"
        yield Change(zeros, "initial", what, 1.0)
        what = f"it begins with ones and not with {text(node)}"
        yield Change(plus(zeros, number(1.0)), "initial", what, 1.4)


def _starts(known: Function, target: str) -> Iterator[tuple[str, float]]:
    names = known.variables
    if target in ("da_prevt", "da_prev", "dprev_h"):
        given = "dh[:, -1, :]" if "dh" in names else "da[:, :, -1].copy()"
        yield given, 1.1
        first = "dh[:, 0, :]" if "dh" in names else "da[:, :, 0].copy()"
        yield first, 1.5
    if target in ("dc_prevt", "dprev_c"):
        given = "dh[:, -1, :]" if "dh" in names else "da[:, :, -1].copy()"
        yield given, 1.4
    for other in known.like(target):
        if other in ("a0", "h0", "c0", "a1", "c1"):
            yield f"{other}.copy()", 1.2


def result(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """What is returned as the gradient of the start state, and the like."""
    if not isinstance(line, ast.Assign) or node is not line.value:
        return
    if text(line.targets[0]) not in ("da0", "dh0"):
        return
    rows = text(line.targets[0]) == "dh0"
    for words, what, cost in (
        (
            "dh[:, 0, :]" if rows else "da[:, :, 0]",
            "the output's gradient at step 0",
            1.1,
        ),
        (
            "dh[:, -1, :]" if rows else "da[:, :, -1]",
            "the output's gradient at the end",
            1.4,
        ),
        (
            "np.sum(dh, axis=1)" if rows else "np.sum(da, axis=2)",
            "the sum of da over time",
            1.8,
        ),
    ):
        new = parse(words)
        yield Change(new, "result", f"it is {what}", cost)
        more = plus(node, new)
        yield Change(more, "result", f"{what} is added to it", cost + 0.2)
    for words in ("parameters['Waa'].T", "Wh.T"):
        weights = words.split("[")[0].split(".")[0]
        if weights in known.variables and known.program.cell == "rnn":
            product = f"{text(node)} @ {words}" if rows else f"{words} @ {text(node)}"
            what = "it goes through the weights once more"
            yield Change(parse(product), "result", what, 1.4)


def turned_caches(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """Each step's cache goes in front of those before it."""
    if called(node).endswith(".append") and len(node.args) == 1:
        put = ast.Attribute(node.func.value, "insert", ast.Load())
        new = ast.Call(put, [number(0), *node.args], [])
        yield Change(new, "order", "the caches lie in the other order", 1.2)


def copies(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """A view where a copy was meant: it changes when the array is written again."""
    if not called(node).endswith("copy") or node.args:
        return
    view = node.func.value
    if isinstance(view, ast.IfExp):
        yield from _slots(node, view)
    what = f"{text(view)} is stored as a view, and changes when it is written again"
    yield Change(view, "view", what, 1.0, "view")


def kept_order(known: Function, node: Any, line: Any) -> Iterator[Change]:
    """What was kept on the way back is not turned: the last step lies first."""
    if isinstance(node, ast.Subscript) and text(node.slice) == "::-1":
        what = f"{text(node.value)} is not turned: the last step lies first"
        yield Change(node.value, "step", what, 1.0, "not turned")


def _slots(node: Any, either: ast.IfExp) -> Iterator[Change]:
    """The slot before at step 0 as well, where it is the last; or never."""
    slot, start = text(either.body), text(either.orelse)
    what = f"{slot} at step 0 as well, where it is the last slot"
    copied = ast.Attribute(either.body, "copy", ast.Load())
    yield Change(ast.Call(copied, [], []), "step", what, 1.0, "slot at 0")
    words = f"{what}; stored as a view"
    yield Change(either.body, "view", words, 1.0, "view of the slot at 0")
    yield Change(either.orelse, "step", f"{start} at every step", 1.2, "start alone")
    zeros = times(number(0.0), either.orelse)
    begun = ast.IfExp(either.test, either.body, zeros)
    what = f"zeros and not {start} at step 0"
    yield Change(begun, "initial", what, 1.1, "zeros at 0")


RULES = (
    accumulate,
    missing,
    loops,
    early_return,
    initial,
    result,
    turned_caches,
    copies,
    kept_order,
)
