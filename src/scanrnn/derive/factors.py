"""Derivative factors: what a cotangent is multiplied by is multiplied out before.

The way back by one step multiplies a cotangent by one residual after the other, and by
several in turn: δ_i = d_c · g · i · (1 − i). All factors are known when the step ends.
Here each cotangent is written as a sum Σ fₖ bₖ over few bases bₖ (a cotangent that
arrives, a sum that is used several times, the result of a product or a reduction), and
the tape keeps the factors fₖ in the place of the residuals. For the cells on the shelf
that is the tape that was found by hand.
"""

from collections.abc import Callable, Sequence, Set
from typing import Any, NamedTuple, TypeAlias

from jax import Array, lax

from .flat import Body, Env, bind, is_literal, needed_for, read, run
from .told import CHEAP

# ("one",), ("atom", variable), ("number", value), or ("mul", a, b), ("add", a, b),
# ("neg", a) of such.
Factor: TypeAlias = tuple[Any, ...]
Form: TypeAlias = dict[Any, Factor]

ONE: Factor = ("one",)
SUMS = {"add", "add_any"}


class Factored(NamedTuple):
    """The way back by a step, written in factors."""

    jaxpr: Body  # residuals, cotangents -> cotangents; without calls
    consts: tuple[Any, ...]
    residuals: tuple[Any, ...]
    forms: dict[Any, Form]  # of the cotangents that are sums over bases
    known: list[Any]  # equations of residuals alone
    linear: list[Any]  # equations that are no sums of factors times bases
    kept: tuple[Factor, ...]  # what the tape holds
    given: frozenset[Any]  # residuals that are not kept: params or states make them
    of_params: frozenset[Any]  # those that params alone make
    first: dict[Any, Any]  # of every residual the first that is the same value

    def tape(self, values: Callable[[Any], Array]) -> list[Array]:
        """What the tape holds of a step, given its residuals."""
        env = self._known(values)
        return [_value(factor, env) for factor in self.kept]

    def back(
        self, tape: Sequence[Array], given: Callable[[Any], Array], d_made: Any
    ) -> list[Array]:
        """The cotangents, by the tape and what is given of the params."""
        factors = dict(zip(self.kept, tape, strict=True))

        def value_of(residual: Any) -> Array:
            return (
                given(residual)
                if residual in self.given
                else factors[("atom", self.first[residual])]
            )

        direct, read_ones = self._read()
        env: Env = dict(zip(self.jaxpr.constvars, self.consts, strict=True))
        env.update({r: value_of(r) for r in self.residuals if r in read_ones})
        run(direct, env)
        cotangents = self.jaxpr.invars[len(self.residuals) :]
        env.update(zip(cotangents, d_made, strict=True))

        def get(variable: Any) -> Any:
            if is_literal(variable) or variable in env:
                return read(env, variable)
            total = None
            for base, factor in self.forms[variable].items():
                term = _times(get(base), factor, factors, env)
                total = term if total is None else total + term
            env[variable] = total
            return total

        for equation in self.linear:
            values = [get(v) for v in equation.invars]
            if _is_by_transpose(equation, self.of_params):
                made = [_by_transpose(equation, *values)]
            else:
                made = bind(equation, values)
            env.update(zip(equation.outvars, made, strict=True))
        return [get(v) for v in self.jaxpr.outvars]

    def given_ones(self) -> list[Any]:
        """The residuals that the way back reads without the tape."""
        _, read_ones = self._read()
        return [r for r in self.residuals if r in self.given and r in read_ones]

    def _read(self) -> tuple[list[Any], set[Any]]:
        """The equations of residuals that the way back needs, and all that it reads."""
        needed = {v for e in self.linear for v in e.invars if not is_literal(v)}
        needed |= {v for v in self.jaxpr.outvars if not is_literal(v)}
        for variable in _materialised(self.jaxpr, self.forms, self.linear):
            for factor in self.forms[variable].values():
                needed |= set() if factor in self.kept else _atoms(factor)
        direct = needed_for(self.known, needed)
        return direct, needed | {
            v for e in direct for v in e.invars if not is_literal(v)
        }

    def _known(self, values: Callable[[Any], Array]) -> Env:
        atoms = {a for factor in self.kept for a in _atoms(factor)}
        needed = needed_for(self.known, atoms)
        read_ones = atoms | {v for e in needed for v in e.invars if not is_literal(v)}
        env: Env = dict(zip(self.jaxpr.constvars, self.consts, strict=True))
        env.update({r: values(r) for r in self.residuals if r in read_ones})
        return run(needed, env)


def factored(
    jaxpr: Body,
    consts: Sequence[Any],
    count: int,
    same: Callable[[int], int],
    given: Set[int],
    of_params: Set[int],
) -> Factored:
    """Writes a way back in factors.

    Args:
        jaxpr: residuals, cotangents -> cotangents; without calls.
        consts: the values of its constants.
        count: how many residuals there are.
        same: the first residual that is the same value.
        given: the residuals that params and states make: they are not kept.
        of_params: those of them that params alone make.
    """
    residuals = tuple(jaxpr.invars[:count])
    first = {v: residuals[same(i)] for i, v in enumerate(residuals)}
    equations = needed_for(jaxpr.eqns, jaxpr.outvars)
    known_ones = {*residuals, *jaxpr.constvars}
    known = []
    for equation in equations:
        if all(is_literal(v) or v in known_ones for v in equation.invars):
            known.append(equation)
            known_ones.update(equation.outvars)
    rest = [e for e in equations if e.outvars[0] not in known_ones]
    forms, linear = _forms(jaxpr, rest, known, known_ones)

    def canonical(factor: Factor) -> Factor:
        if factor[0] == "atom":
            return ("atom", first.get(factor[1], factor[1]))
        return (
            factor[0],
            *(canonical(f) if isinstance(f, tuple) else f for f in factor[1:]),
        )

    forms = {
        v: {base: canonical(f) for base, f in form.items()} for v, form in forms.items()
    }
    not_kept = frozenset(residuals[i] for i in given)
    again = set(not_kept)  # what is made again: they, and cheap arithmetic of them
    for equation in known:
        operands = [v for v in equation.invars if not is_literal(v)]
        is_cheap = equation.primitive.name in CHEAP
        if is_cheap and all(first.get(v, v) in again for v in operands):
            again.update(equation.outvars)
    kept = dict.fromkeys(
        factor
        for v in _materialised(jaxpr, forms, linear)
        for factor in forms[v].values()
        if _atoms(factor) - again
    )
    # What an equation of the loop reads as it stands, or by way of known ones.
    wanted = {v for e in linear for v in e.invars if not is_literal(v)}
    for equation in needed_for(known, wanted):
        wanted.update(v for v in equation.invars if not is_literal(v))
    direct = [first[r] for r in residuals if r in wanted and r not in not_kept]
    kept.update(dict.fromkeys(("atom", r) for r in direct))
    return Factored(
        jaxpr,
        tuple(consts),
        residuals,
        forms,
        known,
        linear,
        tuple(kept),
        not_kept,
        frozenset(residuals[i] for i in of_params),
        first,
    )


def _forms(
    jaxpr: Any, equations: list[Any], known: list[Any], known_ones: set[Any]
) -> tuple[dict[Any, Form], list[Any]]:
    """Which cotangents are sums of factors times bases, and what is no such thing."""
    uses: dict[Any, int] = {}
    for equation in equations:
        for variable in equation.invars:
            if not is_literal(variable):
                uses[variable] = uses.get(variable, 0) + 1
    for variable in jaxpr.outvars:
        if not is_literal(variable):
            uses[variable] = uses.get(variable, 0) + 1
    spread = {e.outvars[0] for e in known if e.primitive.name == "broadcast_in_dim"}
    forms: dict[Any, Form] = {}
    linear = []

    def form(variable: Any, may_be_sum: bool) -> Form:
        """As a base if it is a sum that would be made several times, or multiplied."""
        found = forms.get(variable)
        is_sum = found is not None and len(found) > 1
        if found is None or (is_sum and (uses[variable] > 1 or not may_be_sum)):
            return {variable: ONE}
        return found

    for equation in equations:
        (out, *others), name = equation.outvars, equation.primitive.name
        one, two = (*equation.invars, None, None)[:2]
        if (
            name in ("add", "add_any", "sub")
            and not others
            and _is_sum(equation, known_ones)
        ):
            total = dict(form(one, True))
            for base, factor in form(two, True).items():
                total[base] = _add(total[base], factor) if base in total else factor
            forms[out] = total
        elif name == "neg" and not others:
            forms[out] = {b: _neg(f) for b, f in form(one, True).items()}
        elif name == "mul" and not others:
            lin, factor = (two, one) if _is_known(one, known_ones) else (one, two)
            if not _fits(factor, out) or (not is_literal(factor) and factor in spread):
                linear.append(equation)
                continue
            by = _of_known(factor)
            forms[out] = {b: _mul(f, by) for b, f in form(lin, False).items()}
        else:
            linear.append(equation)
    return forms, linear


def _materialised(jaxpr: Any, forms: dict[Any, Form], linear: list[Any]) -> list[Any]:
    """The cotangents of a form that are made: what is read, and the bases of that."""
    found: dict[Any, None] = {}
    todo = [v for e in linear for v in e.invars if not is_literal(v)]
    todo += [v for v in jaxpr.outvars if not is_literal(v)]
    while todo:
        variable = todo.pop()
        if variable in forms and variable not in found:
            found[variable] = None
            todo.extend(forms[variable])
    return list(found)


def _is_by_transpose(equation: Any, of_params: Set[Any]) -> bool:
    """Whether it is dy Wᵀ, W a matrix of params."""
    if equation.primitive.name != "dot_general":
        return False
    ((_, of_weight), batch), weight = (
        equation.params["dimension_numbers"],
        equation.invars[1],
    )
    is_matrix = weight in of_params and weight.aval.ndim == 2
    return is_matrix and of_weight == (1,) and not batch[0]


def _by_transpose(equation: Any, d_y: Array, weight: Array) -> Array:
    """dy Wᵀ, with Wᵀ written out before the loop: see `engine.products`."""
    (of_d_y, _), batch = equation.params["dimension_numbers"]
    params = {**equation.params, "dimension_numbers": ((of_d_y, (0,)), batch)}
    made: Array = equation.primitive.bind(
        d_y, lax.optimization_barrier(weight.T), **params
    )
    return made


def _is_sum(equation: Any, known_ones: set[Any]) -> bool:
    shapes = {v.aval.shape for v in (*equation.invars, *equation.outvars)}
    is_known = any(_is_known(v, known_ones) for v in equation.invars)
    return len(shapes) == 1 and not is_known


def _is_known(variable: Any, known_ones: set[Any]) -> bool:
    return is_literal(variable) or variable in known_ones


def _fits(factor: Any, out: Any) -> bool:
    same = factor.aval.dtype == out.aval.dtype
    return same and (is_literal(factor) or factor.aval.shape == out.aval.shape)


def _of_known(variable: Any) -> Factor:
    if is_literal(variable):
        return ("number", float(variable.val))
    return ("atom", variable)


def _mul(a: Factor, b: Factor) -> Factor:
    if a == ONE:
        return b
    return a if b == ONE else ("mul", a, b)


def _add(a: Factor, b: Factor) -> Factor:
    return ("add", a, b)


def _neg(a: Factor) -> Factor:
    return a[1] if a[0] == "neg" else ("neg", a)


def _atoms(factor: Factor) -> set[Any]:
    if factor[0] == "atom":
        return {factor[1]}
    return set().union(*(_atoms(f) for f in factor[1:] if isinstance(f, tuple)))


def _value(factor: Factor, env: Env) -> Any:
    kind, *parts = factor
    if kind == "atom":
        return read(env, parts[0])
    if kind == "number":
        return parts[0]
    if kind == "one":
        return 1.0
    values = [_value(part, env) for part in parts]
    if kind == "neg":
        return -values[0]
    return values[0] * values[1] if kind == "mul" else values[0] + values[1]


def _times(base: Any, factor: Factor, factors: dict[Factor, Array], env: Env) -> Any:
    """A cotangent times a factor of the tape, or one that is made of what is known."""
    if factor == ONE:
        return base
    value = factors[factor] if factor in factors else _value(factor, env)
    return base * (value.astype(base.dtype) if hasattr(value, "astype") else value)
