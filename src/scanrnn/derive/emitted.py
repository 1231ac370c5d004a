"""Which cotangents leave the loop: none twice, whole or in pieces.

The cotangent of a joined product is the concatenation of those of its pieces, which may
be asked for themselves as well, or in another concatenation: those of a GRU's inputs
and of its recurrent product share two thirds. Every piece leaves the loop once; what
was asked for is put together outside, over all of time.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from jax import Array, lax

from .flat import is_literal


class Piece(NamedTuple):
    """A stretch of one of those that leave the loop, along an axis of a step."""

    which: int
    axis: int
    start: int
    stop: int


class Emitted(NamedTuple):
    """What leaves the loop, and how what was asked for is made of it."""

    variables: tuple[Any, ...]
    # A number for the whole of one, or pieces along an axis.
    recipes: tuple[int | tuple[Piece, ...], ...]

    def asked(self, values: Sequence[Array]) -> list[Array]:
        """What was asked for, of the values over all of time, (T, ...)."""
        return [self._made(recipe, values) for recipe in self.recipes]

    def joined(
        self, drives: Sequence[Any], splits: Sequence[Any]
    ) -> tuple[list[Any], "Emitted"]:
        """The same with what drives were split from in the place of the drives.

        Args:
            drives: the variables that are the first of those asked for.
            splits: equations that made some of them.

        Returns:
            The variables in the place of the drives, and how all asked for are made.
        """
        left = dict(zip(drives, self.recipes, strict=False))
        found: dict[Any, Any] = {}
        for equation in splits:
            if not all(v in left for v in equation.outvars):
                continue
            axis = equation.params["axis"]
            pieces: list[Piece] = []
            for variable in equation.outvars:
                for piece in _pieces(left.pop(variable), axis, variable.aval.shape):
                    _append(pieces, piece)
            found[equation.invars[0]] = self._whole(pieces)
        variables = [*found, *left]
        recipes = (*found.values(), *left.values(), *self.recipes[len(drives) :])
        return variables, Emitted(self.variables, recipes)

    def _whole(self, pieces: list[Piece]) -> Any:
        """A number where one piece is all of one."""
        (piece, *others) = pieces
        size = self.variables[piece.which].aval.shape[piece.axis]
        is_whole = not others and (piece.start, piece.stop) == (0, size)
        return piece.which if is_whole else tuple(pieces)

    def _made(self, recipe: Any, values: Sequence[Array]) -> Array:
        if isinstance(recipe, int):
            return values[recipe]
        pieces = [
            lax.slice_in_dim(values[p.which], p.start, p.stop, axis=p.axis + 1)
            for p in recipe
        ]
        axis = recipe[0].axis + 1
        return pieces[0] if len(pieces) == 1 else lax.concatenate(pieces, axis)


def emitted(equations: Sequence[Any], asked: Sequence[Any]) -> Emitted:
    """Plans it for the variables asked for, by the equations that make them."""
    joins = {
        e.outvars[0]: e
        for e in equations
        if e.primitive.name == "concatenate" and not any(map(is_literal, e.invars))
    }
    read = {v for e in equations for v in e.invars if not is_literal(v)}
    asked_for = {v for v in asked if not is_literal(v)}
    # Concatenations that the loop reads are made anyway: first, and whole.
    whole = [v for v in joins if v in asked_for and v in read]
    variables: list[Any] = []
    place: dict[Any, int | Piece] = {}
    of_pieces: dict[Any, int] = {}

    def leave(variable: Any) -> int:
        which = len(variables)
        variables.append(variable)
        place[variable] = which
        if variable in joins:
            of_pieces[_key(joins[variable])] = which
            put(joins[variable], which, 0)
        return which

    def put(equation: Any, which: int, at: int) -> None:
        """Where its pieces stand, and theirs along the same axis."""
        axis = equation.params["dimension"]
        for piece in equation.invars:
            stop = at + piece.aval.shape[axis]
            place.setdefault(piece, Piece(which, axis, at, stop))
            inner = joins.get(piece)
            if inner is not None and inner.params["dimension"] == axis:
                put(inner, which, at)
            at = stop

    for variable in whole:
        if _key(joins[variable]) not in of_pieces:
            leave(variable)
    recipes: dict[int, Any] = {}
    singles = [i for i, v in enumerate(asked) if v not in joins or is_literal(v)]
    joined = [i for i in range(len(asked)) if i not in singles]
    for i in (*joined, *singles):
        variable = asked[i]
        if is_literal(variable):  # a zero, as a rule; its shape is its own
            variables.append(variable)
            recipes[i] = len(variables) - 1
            continue
        found = _found(variable, joins, place, of_pieces)
        if found is None and variable in joins:
            found = _shared(joins[variable], place, leave)
        recipes[i] = leave(variable) if found is None else found
    return Emitted(tuple(variables), tuple(recipes[i] for i in range(len(asked))))


def _found(variable: Any, joins: Any, place: Any, of_pieces: Any) -> Any:
    """How it is made of what leaves already, if it is."""
    if variable in joins and _key(joins[variable]) in of_pieces:
        return of_pieces[_key(joins[variable])]
    at = place.get(variable)
    return (at,) if isinstance(at, Piece) else at


def _shared(equation: Any, place: Any, leave: Any) -> tuple[Piece, ...] | None:
    """A concatenation of which some pieces leave already: the others leave as well."""
    if not any(piece in place for piece in equation.invars):
        return None
    axis = equation.params["dimension"]
    pieces: list[Piece] = []
    for variable in equation.invars:
        at = place[variable] if variable in place else leave(variable)
        if isinstance(at, int):
            at = Piece(at, axis, 0, variable.aval.shape[axis])
        if at.axis != axis:
            at = Piece(leave(variable), axis, 0, variable.aval.shape[axis])
        _append(pieces, at)
    return tuple(pieces)


def _pieces(recipe: Any, axis: int, shape: Sequence[int]) -> tuple[Piece, ...]:
    return (Piece(recipe, axis, 0, shape[axis]),) if isinstance(recipe, int) else recipe


def _append(pieces: list[Piece], piece: Piece) -> None:
    """At the end, or to the last one where it goes on from there."""
    last = pieces[-1] if pieces else None
    if last is not None and (last.which, last.stop) == (piece.which, piece.start):
        piece, _ = last._replace(stop=piece.stop), pieces.pop()
    pieces.append(piece)


def _key(equation: Any) -> Any:
    return (*equation.invars, equation.params["dimension"])
