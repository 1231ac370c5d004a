"""The parts of a step as programs: there, back by one step, and over all of time.

With w the values of params, d those of inputs, and the frontiers' results with a tap
that is zero added to each::

    once       params -> w                                          `weights`
    there      w, carry, d -> carry', outputs, lefts, residuals     `forward`
    back       residuals, d_carry', d_outputs
                          -> d_carry, d_d, d_taps                   `backward`
    all time   w, xs, lefts, d_d, d_taps -> d_w, d_xs               `over_time.py`

`backward` is the transpose of `forward` by carry, d and the taps, found by JAX. It is
linear in the cotangents. No weight is differentiated by there: what it needs is the
cotangent of the tap.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .emitted import emitted
from .factors import factored
from .flat import (
    Body,
    Env,
    bind,
    flat_of,
    flatten,
    is_literal,
    needed_for,
    read,
    run,
)
from .frontiers import exchanged, is_float, needed_lefts
from .keys import kinds_of_types, raw, raw_types, typed
from .parts import CONSTANT, PARAMS, STATE, WHOLE_PROGRAMS, partition
from .products import rearranged, struct
from .sums import sorted_out
from .told import needed_between, sources_of


class Underivable(ValueError):
    """JAX finds no way back by one step."""


class Program:
    """A step at one set of shapes, cut and transposed. Equal only to itself."""

    def __init__(self, step: Callable[..., Any], params: Any, carry: Any, x: Any):
        """Traces ``step(params, carry, x) -> carry, outputs``, of leaves."""
        flat = flatten(step, params, carry, x)
        self.parts = partition(sorted_out(rearranged(flat)))
        self.carry_structs = [struct(v.aval) for v in self.parts.flat.carry]
        self.needed_lefts = [needed_lefts(self.parts, e) for e in self.parts.frontiers]
        try:
            self._trace()
        except (TypeError, ValueError, NotImplementedError) as error:
            raise Underivable(
                "expected a step that can be differentiated in reverse mode; JAX says: "
                f"{error}"
            ) from error

    # There.

    def weights(self, params: Sequence[Array]) -> list[Array]:
        """The values of params that are read later; keys among them raw."""
        env = self.env(zip(self.parts.flat.params, params, strict=True))
        run(self.parts.once, env)
        return raw([env[v] for v in self.parts.weights])

    def of_weights(self, weights: Sequence[Array]) -> Env:
        """The variables that they are the values of."""
        return dict(zip(self.parts.weights, typed(weights, self._kinds), strict=True))

    def drives(self, weights: Sequence[Array], xs: Sequence[Array]) -> list[Array]:
        """What the loop reads of the inputs, for all of time: (T, ...)."""

        def one(x: Sequence[Array]) -> list[Array]:
            return self.of_inputs(weights, x, self.parts.drives)

        return jax.vmap(one)(list(xs))

    def forward(
        self, weights: Sequence[Array], carry: Sequence[Array], drive: Sequence[Array]
    ) -> tuple[list[Array], list[Array], list[Array]]:
        """Carry and outputs after the step, what stays for `collect`, the tape."""
        env = self._env_of(self._there, [*weights, *carry, *drive])
        variables = self._there.jaxpr.outvars
        made, lefts, residuals = self._results(variables)
        wanted = [*made, *lefts, *residuals]
        for equation in needed_for(self._there.jaxpr.eqns, wanted):  # and effects
            source = self._tapped.get(id(equation))
            if source is not None:  # a tap is zero
                env[equation.outvars[0]] = read(env, source)
            else:
                run([equation], env)
        # One array for each: what is on the tape as well as in the state is kept once.
        arrays = {v: jnp.asarray(env[v]) for v in wanted if not is_literal(v)}
        values = [jnp.asarray(v.val) if is_literal(v) else arrays[v] for v in wanted]
        n, m = len(made), len(made) + len(lefts)
        of_residual = dict(zip(self._factored.residuals, values[m:], strict=True))
        return values[:n], values[n:m], self._factored.tape(of_residual.__getitem__)

    # Back.

    def backward(
        self,
        weights: Sequence[Array],
        tape: Sequence[Array],
        told: Sequence[Array],
        d_made: Sequence[Array],
    ) -> tuple[list[Array], list[Array], list[Array]]:
        """Cotangents of the carry before, of drives and taps, and of staying weights.

        told are the values that `told_before` and `told_after` name. d_made are
        the cotangents of the floats among carry' and outputs. No cotangent is given
        twice: `emitted` knows what to make of them.
        """
        again = self._again_of(weights, told)
        tape = [x.astype(s.dtype) for x, s in zip(tape, self.tape_structs, strict=True)]
        d_made = [
            d.astype(s.dtype) for d, s in zip(d_made, self._d_structs, strict=True)
        ]
        found = self._factored.back(tape, again.__getitem__, d_made)
        n = len(self._carry_floats)
        d_carry = [jnp.zeros(s.shape, s.dtype) for s in self.carry_structs]
        for i, value in zip(self._carry_floats, found[:n], strict=True):
            d_carry[i] = value
        m = len(found) - len(self.staying)
        return d_carry, found[n:m], found[m:]

    def zeros_of_staying(self, weights: Sequence[Array]) -> list[Array]:
        """Where the gradients of those weights are summed that stay in the loop."""
        of = dict(zip(self.parts.weights, weights, strict=True))
        return [jnp.zeros_like(of[v]) for v in self.staying]

    def floats_of_made(self, leaves: Sequence[Any]) -> list[Any]:
        """Of one leaf for each of carry and outputs, those of floats."""
        return [leaves[i] for i in self._made_floats]

    # Tracing, once.

    def _trace(self) -> None:
        parts, flat = self.parts, self.parts.flat
        made = flat.jaxpr.outvars
        self._carry_floats = [i for i, v in enumerate(flat.carry) if is_float(v.aval)]
        self._made_floats = [i for i, v in enumerate(made) if is_float(v.aval)]
        self.drive_floats = [i for i, v in enumerate(parts.drives) if is_float(v.aval)]
        self.staying = [v for v in parts.staying if is_float(v.aval)]
        outs = [v for e in parts.frontiers for v in e.outvars if is_float(v.aval)]
        self.tap_structs = [struct(v.aval) for v in (*outs, *self.passed_on())]
        types = [struct(v.aval) for v in parts.weights]
        weights, self._kinds = raw_types(types), kinds_of_types(types)
        of_inputs = [struct(v.aval) for v in parts.drives]
        kept: dict[str, Any] = {}

        def there(leaves: Sequence[Array], taps: Sequence[Array]) -> Any:
            w = typed(leaves[: len(weights)], self._kinds)
            carry = leaves[len(weights) : len(weights) + len(flat.carry)]
            drive = leaves[len(weights) + len(flat.carry) :]

            def loop(
                c: Sequence[Array],
                d: Sequence[Array],
                taps: Sequence[Array],
                staying: Sequence[Array],
            ) -> tuple[list[Array], Any]:
                c = exchanged(carry, self._carry_floats, c)
                d = exchanged(drive, self.drive_floats, d)
                made, lefts = self._loop(w, c, d, taps, staying)
                return [made[i] for i in self._made_floats], (made, lefts)

            here = dict(zip(parts.weights, w, strict=True))
            _, pull, (made, lefts) = jax.vjp(
                loop,
                [carry[i] for i in self._carry_floats],
                [drive[i] for i in self.drive_floats],
                list(taps),
                [here[v] for v in self.staying],
                has_aux=True,
            )
            residuals, kept["tree"] = jax.tree.flatten(pull)
            kept["counts"] = len(made), len(lefts), len(residuals)
            return [*made, *lefts, *residuals]

        leaves = [*weights, *self.carry_structs, *of_inputs]
        self._there = jax.make_jaxpr(there)(leaves, self.tap_structs)
        self._counts = kept["counts"]
        self._find_taps(len(leaves))
        _, _, residuals = self._results(self._there.jaxpr.outvars)
        self._d_structs = [struct(made[i].aval) for i in self._made_floats]

        def back(residuals: Sequence[Array], d_made: Sequence[Array]) -> list[Array]:
            pull = jax.tree.unflatten(kept["tree"], residuals)
            return jax.tree.leaves(pull(list(d_made)))

        structs = [_struct_of(v) for v in residuals], self._d_structs
        closed = flat_of(back, *structs)
        self._emit(closed.jaxpr)
        self._factor(closed.consts, residuals, len(weights))

    def _find_taps(self, count: int) -> None:
        """The additions of taps, and what they are added to."""
        taps = set(self._there.jaxpr.invars[count:])
        self._tapped = {}
        for equation in self._there.jaxpr.eqns:
            read_taps = [v for v in equation.invars if not is_literal(v) and v in taps]
            if read_taps:
                (source,) = (v for v in equation.invars if v is not read_taps[0])
                self._tapped[id(equation)] = source

    def _emit(self, back: Any) -> None:
        """The way back, with each cotangent that leaves the loop asked for once."""
        n, m = len(self._carry_floats), len(back.outvars) - len(self.staying)
        equations = needed_for(back.eqns, back.outvars)
        asked = emitted(equations, back.outvars[n:m])
        splits = [e for e in self.parts.drive if e.primitive.name == "split"]
        drives = [self.parts.drives[i] for i in self.drive_floats]
        self.collected, self.emitted = asked.joined(drives, splits)
        outvars = [*back.outvars[:n], *asked.variables, *back.outvars[m:]]
        self._back = Body(back.constvars, back.invars, back.eqns, outvars)

    def _factor(
        self, consts: Sequence[Any], variables: Sequence[Any], weights: int
    ) -> None:
        """What the tape holds: factors; nothing twice, nothing unused, and nothing
        that weights or states tell.
        """
        jaxpr = self._there.jaxpr
        known = set(jaxpr.invars[:weights]) | set(jaxpr.constvars)
        for equation in jaxpr.eqns:
            if all(is_literal(v) or v in known for v in equation.invars):
                known.update(equation.outvars)
        first: dict[Any, int] = {}
        for i, variable in enumerate(variables):
            if not is_literal(variable):
                first.setdefault(variable, i)
        carry = jaxpr.invars[weights : weights + len(self.carry_structs)]
        made, _, _ = self._results(jaxpr.outvars)
        states = {v for v in (*carry, *made) if not is_literal(v)}
        found = [sources_of(jaxpr.eqns, known, states, v) for v in variables]
        given = {i for i, sources in enumerate(found) if sources is not None}
        self._factored = factored(
            self._back,
            consts,
            len(variables),
            lambda i: i if is_literal(variables[i]) else first[variables[i]],
            given,
            {i for i in given if not found[i]},
        )
        of = dict(zip(self._factored.residuals, range(len(variables)), strict=True))
        given_ones = self._factored.given_ones()
        self._again = [(r, variables[of[r]]) for r in given_ones]
        sources = set().union(*(found[of[r]] or () for r in given_ones))
        # A value that stands in both is read of the state after the step.
        self.told_after = [i for i, v in enumerate(made) if _takes(sources, v)]
        self.told_before = [k for k, v in enumerate(carry) if _takes(sources, v)]
        self._told = [
            *(carry[k] for k in self.told_before),
            *(made[i] for i in self.told_after),
        ]
        structs = dict(
            zip(self._factored.residuals, map(_struct_of, variables), strict=True)
        )
        self.tape_structs = jax.eval_shape(
            lambda: self._factored.tape(
                lambda r: jnp.zeros(structs[r].shape, structs[r].dtype)
            )
        )

    def _again_of(
        self, weights: Sequence[Array], told: Sequence[Array]
    ) -> dict[Any, Array]:
        """The residuals that params and states make."""
        if not self._again:
            return {}
        jaxpr = self._there.jaxpr
        env: Env = dict(zip(jaxpr.constvars, self._there.consts, strict=True))
        env.update(zip(jaxpr.invars, weights, strict=False))
        for variable, value in zip(self._told, told, strict=True):
            env[variable] = value.astype(variable.aval.dtype)
        wanted = [v for _, v in self._again]
        run(needed_between(jaxpr.eqns, set(env), wanted), env)
        return {r: jnp.asarray(read(env, v)) for r, v in self._again}

    def _loop(
        self,
        weights: Sequence[Array],
        carry: Sequence[Array],
        drive: Sequence[Array],
        taps: Sequence[Array],
        staying: Sequence[Array],
    ) -> tuple[list[Array], list[Array]]:
        """One step, with its taps: what it makes, and what its frontiers read."""
        parts, flat = self.parts, self.parts.flat
        env = self.env(zip(parts.weights, weights, strict=True))
        env.update(zip(flat.carry, carry, strict=True))
        env.update(zip(parts.drives, drive, strict=True))
        own = dict(zip(self.staying, staying, strict=True))
        frontiers, tap = {id(e) for e in parts.frontiers}, iter(taps)
        for equation in parts.loop:
            if equation.primitive.name in WHOLE_PROGRAMS:
                run_in = {**env, **own}
            else:
                run_in = env
            made = bind(equation, [read(run_in, v) for v in equation.invars])
            if id(equation) in frontiers:
                made = [y + next(tap) if is_float(y) else y for y in made]
            env.update(zip(equation.outvars, made, strict=True))
        lefts = [env[v] for v in self.stored_lefts()]
        for variable in self.passed_on():
            env[variable] = env[variable] + next(tap)
        return [jnp.asarray(read(env, v)) for v in flat.jaxpr.outvars], lefts

    def passed_on(self) -> list[Any]:
        """Values of params that a step hands on as they are."""
        found = dict.fromkeys(
            v
            for v in self.parts.flat.jaxpr.outvars
            if self.parts.kind(v) == PARAMS and is_float(v.aval)
        )
        return list(found)

    def stored_lefts(self) -> list[Any]:
        """What frontiers read that neither the inputs nor the state before tell."""
        parts = self.parts
        found: dict[Any, None] = {}
        for needed, equation in zip(self.needed_lefts, parts.frontiers, strict=True):
            for variable, is_needed in zip(parts.lefts(equation), needed, strict=True):
                elsewhere = (
                    not parts.kind(variable) & STATE or variable in parts.flat.carry
                )
                if is_needed and not elsewhere:
                    found[variable] = None
        return list(found)

    def of_inputs(
        self, weights: Sequence[Array], x: Sequence[Array], wanted: Sequence[Any]
    ) -> list[Array]:
        """Values that the weights and the inputs of one step make."""
        env = self.env(self.of_weights(weights))
        env.update(zip(self.parts.flat.x, x, strict=True))
        run(self.parts.drive, env)
        return [env[v] for v in wanted]

    def env(self, pairs: Any) -> Env:
        flat = self.parts.flat
        env: Env = dict(zip(flat.jaxpr.constvars, flat.consts, strict=True))
        constants = [
            e for e in self.parts.once if self.parts.kinds[e.outvars[0]] == CONSTANT
        ]
        run(constants, env)
        env.update(pairs)
        return env

    def _env_of(self, closed: Any, leaves: Sequence[Array]) -> Env:
        env: Env = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
        env.update(zip(closed.jaxpr.invars, leaves, strict=False))
        return env

    def _results(self, variables: Sequence[Any]) -> tuple[Any, Any, Any]:
        made, lefts, _ = self._counts
        return (
            variables[:made],
            variables[made : made + lefts],
            variables[made + lefts :],
        )


def _takes(sources: set[Any], variable: Any) -> bool:
    """Whether it is one of the sources; it is no longer, then."""
    is_source = not is_literal(variable) and variable in sources
    sources.discard(variable) if is_source else None
    return is_source


def _struct_of(variable: Any) -> jax.ShapeDtypeStruct:
    return struct(variable.aval)
