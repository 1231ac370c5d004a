"""Arithmetic modulo a prime, with functions of which nothing is known.

A program of sums, products and quotients computes rational functions of its inputs.
Two such functions that are not the same take the same value at a random point of a
field of p elements with a probability of at most their degree / p (Schwartz 1980;
Zippel 1979). So one evaluation at a random point decides whether two programs are the
same, and says how far it can be trusted; no rounding, no tolerance.

Functions beyond arithmetic are uninterpreted: the value of tanh at an argument is
drawn at random when that argument first comes, and kept. Programs found equal then
are equal whatever tanh may be; of what it really is, only its derivative matters, and
that stands in both programs as arithmetic on its value.

The same holds for the sign of a number, which a field does not have: ``x > 0`` is an
unknown s(x) with s(0) = 0, and a choice between a and b is b + s (a - b). Programs
found equal for every s are equal for s in {0, 1}. That relu(x) = s(x) x is positive
where x is, is noted, since a derivative may be read off the output. That
s(-x) = 1 - s(x) is not: it fails for x = relu(z), which is zero on half of all z.
"""

import random
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

P = 2**61 - 1  # a Mersenne prime

Numbers: TypeAlias = NDArray[Any]


class Refusal(ValueError):
    """A program that this arithmetic cannot evaluate; never to be read as a pass."""


class Degree(NamedTuple):
    """Bounds on the degrees of a numerator and a denominator."""

    over: int
    under: int = 0

    def plus(self, other: "Degree") -> "Degree":
        """Of a sum."""
        over = max(self.over + other.under, other.over + self.under)
        return Degree(over, self.under + other.under)

    def times(self, other: "Degree") -> "Degree":
        """Of a product."""
        return Degree(self.over + other.over, self.under + other.under)

    def or_else(self, other: "Degree") -> "Degree":
        """Of either."""
        return Degree(max(self.over, other.over), max(self.under, other.under))

    def summed(self, terms: int) -> "Degree":
        """Of a sum of so many."""
        rest = max(terms - 1, 0) * self.under
        return Degree(self.over + rest, self.under + rest)

    def of_difference(self, other: "Degree") -> int:
        """The degree of the numerator of a difference."""
        return self.plus(other).over


class Field(NamedTuple):
    """An array of numbers modulo P, and a bound on the degree of any of them."""

    data: Numbers  # of Python integers in [0, P)
    degree: Degree

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.data.shape


def constant(values: Any) -> Field:
    """Numbers as they are: every float is an integer over a power of 2."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" and array.dtype != object:
        array = array.astype(np.float64)  # the small floats of ml_dtypes
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise Refusal("a constant that is not finite has no value modulo a prime")
    return Field(_each(_exact, array.astype(object)), Degree(0))


def _exact(number: Any) -> int:
    over, under = number.as_integer_ratio() if number else (0, 1)
    return int(over) * pow(int(under), -1, P) % P


def _each(function: Callable[[Any], int], array: Numbers) -> Numbers:
    made = np.empty(array.shape, object)
    for index in np.ndindex(array.shape):
        made[index] = function(array[index])
    return made


def reduced(data: Any, degree: Degree) -> Field:
    """Python integers, modulo P."""
    array = np.asarray(data, object) % P
    return Field(np.asarray(array, object), degree)  # a scalar would come back bare


def add(x: Field, y: Field) -> Field:
    """The sum x + y, entry by entry."""
    return reduced(x.data + y.data, x.degree.plus(y.degree))


def negative(x: Field) -> Field:
    """-x."""
    return reduced(-x.data, x.degree)


def subtract(x: Field, y: Field) -> Field:
    """The difference x - y."""
    return add(x, negative(y))


def multiply(x: Field, y: Field) -> Field:
    """The product x y, entry by entry."""
    return reduced(x.data * y.data, x.degree.times(y.degree))


def divide(x: Field, y: Field) -> Field:
    """The quotient x / y, by the inverse of y modulo P."""
    if not np.all(y.data != 0):
        raise Refusal("a division by zero")
    inverse = _each(lambda number: pow(number, -1, P), y.data)
    reciprocal = Field(inverse, Degree(y.degree.under, y.degree.over))
    return multiply(x, reciprocal)


def power(x: Field, exponent: int) -> Field:
    """The power of x by an integer."""
    if exponent < 0:
        return divide(constant(np.ones(x.shape)), power(x, -exponent))
    data = _each(lambda number: pow(number, exponent, P), x.data)
    return Field(data, Degree(x.degree.over * exponent, x.degree.under * exponent))


def sum_over(x: Field, axes: tuple[int, ...]) -> Field:
    """The sum over some axes."""
    terms = int(np.prod([x.shape[axis] for axis in axes], dtype=int))
    return reduced(np.sum(x.data, axis=axes), x.degree.summed(terms))


def contract(x: Field, y: Field, axes: Any, batch: Any) -> Field:
    """The general product of `jax.lax.dot_general`; batch axes come first."""
    x_rest, y_rest = (
        [axis for axis in range(z.data.ndim) if axis not in (*own, *shared)]
        for z, own, shared in zip((x, y), axes, batch, strict=True)
    )
    xs = np.transpose(x.data, (*batch[0], *x_rest, *axes[0]))
    ys = np.transpose(y.data, (*batch[1], *axes[1], *y_rest))
    shared = xs.shape[: len(batch[0])]
    terms = int(np.prod([x.shape[axis] for axis in axes[0]], dtype=int))
    left = [x.shape[axis] for axis in x_rest]
    right = [y.shape[axis] for axis in y_rest]
    made = np.zeros((*shared, *left, *right), object)
    for index in np.ndindex(shared):
        rows = xs[index].reshape(int(np.prod(left, dtype=int)), terms)
        columns = ys[index].reshape(terms, int(np.prod(right, dtype=int)))
        # Without terms, a product of objects would be None.
        product = rows @ columns if terms else np.zeros((len(rows), columns.shape[1]))
        made[index] = product.astype(object).reshape(*left, *right)
    return reduced(made, x.degree.times(y.degree).summed(terms))


def blend(which: Field, no: Field, yes: Field) -> Field:
    """A choice, no + which (yes - no): ``yes`` where which is 1, ``no`` where 0."""
    return add(no, multiply(which, subtract(yes, no)))


class Unknowns:
    """Random values of unknown functions, drawn once for every argument.

    Args:
        seed: of the random numbers; two programs are compared under one `Unknowns`.
        bits: draws signs from {0, 1}: one case of many, but one in which s² = s.
    """

    def __init__(self, seed: int, bits: bool = False) -> None:
        self._random = random.Random(seed)
        self._bits = bits
        self._values: dict[tuple[str, int], int] = {}
        self._degree = Degree(0)  # of the arguments, and of what was compared
        self._compared = 0

    def draw(self, shape: tuple[int, ...]) -> Field:
        """Random numbers: the inputs of a program."""
        return Field(_each(lambda _: self._draw(), np.empty(shape, object)), Degree(1))

    def apply(self, name: str, x: Field) -> Field:
        """The unknown function of that name, entry by entry."""
        self._note(x)
        return Field(_each(lambda number: self._value(name, number), x.data), Degree(1))

    def positive(self, x: Field) -> Field:
        """[x > 0], an unknown s(x) with s(0) = 0."""
        self._note(x)
        return Field(_each(self._sign, x.data), Degree(1))

    @property
    def has_signs(self) -> bool:
        """Whether a sign was asked for."""
        return any(name == "positive" for name, _ in self._values)

    def equal(self, x: Field, y: Field) -> bool:
        """Whether all entries are the same number."""
        self._note(x, y)
        self._compared += x.data.size
        return x.shape == y.shape and bool(np.all(x.data == y.data))

    def larger(self, x: Field, y: Field) -> Field:
        """max(x, y) = y + [x > y] (x - y); and max(x, 0) > 0 where x > 0."""
        return self.choose(self.positive(subtract(x, y)), y, x)

    def choose(self, which: Field, no: Field, yes: Field) -> Field:
        """`blend`; what is x where x > 0, and 0 elsewhere, has the sign of x."""
        made = blend(which, no, yes)
        self._note(which, no, yes)
        self._compared += made.data.size
        for sign, off, on, number in np.broadcast(
            which.data, no.data, yes.data, made.data
        ):
            if off == 0:
                self._inherit(number, on, sign)
            elif on == 0:
                self._inherit(number, off, (1 - sign) % P)
        return made

    def false_pass(self, degree: int) -> float:
        """A bound on the probability that different results of this degree agree.

        They agree at a root of their difference, or where two arguments of unknown
        functions, or two numbers that were asked for equality, agree and should not.
        """
        arguments = len(self._values)
        pairs = arguments * (arguments - 1) // 2 + self._compared
        return min(1.0, (degree + pairs * max(1, sum(self._degree))) / P)

    def _draw(self) -> int:
        return self._random.randrange(P)

    def _note(self, *compared: Field) -> None:
        for x in compared:
            self._degree = self._degree.or_else(x.degree)

    def _value(self, name: str, number: int) -> int:
        key = (name, number)
        if key not in self._values:
            bit = self._bits and name == "positive"
            self._values[key] = self._random.randrange(2) if bit else self._draw()
        return self._values[key]

    def _sign(self, number: int) -> int:
        return self._value("positive", number) if number else 0

    def _inherit(self, number: int, source: int, sign: int) -> None:
        """``number`` is ``sign`` times ``source``: a relu, if that is its sign."""
        if number and self._values.get(("positive", source)) == sign:
            self._values.setdefault(("positive", number), sign)
