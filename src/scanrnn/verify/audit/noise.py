"""Disturbed runs of JAX functions: an interpreter of jaxprs for `rounding.py`.

Every floating operation of the program, inside `lax.scan` too, gets a relative error of
the size of one rounding. The errors are a hash of the bits of the value and of a seed:
cheap to compile, and nothing has to be threaded through loops.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ..rounding import LOUDER, SAMPLES, Expected, allowance, unit_roundoff

# What moves or selects values is exact; all other floating operations round.
MOVES = """
neg abs sign select_n transpose reshape broadcast_in_dim squeeze slice concatenate
dynamic_slice dynamic_update_slice gather rev pad convert_element_type copy copy_p
max min reduce_max reduce_min stop_gradient iota eq ne lt le gt ge and or not
expand_dims split real imag complex conj optimization_barrier pvary
"""
EXACT = frozenset(MOVES.split())
SUMS = frozenset({"dot_general", "reduce_sum", "cumsum", "scatter-add", "scatter_add"})
INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")
CONTROL = frozenset({"while", "cond"})  # run as they are


# The program runs once: a quick compilation is worth more than a quick program.
QUICK = {"xla_llvm_disable_expensive_passes": True, "xla_backend_optimization_level": 0}

Expectation = Callable[[Sequence[Any], Any], list[Expected]]


def expectation(function: Callable[..., Any]) -> Expectation:
    """``expect(args, dtype)``: the leaves of ``function(*args)`` in float64, and what
    each entry may be off by in a program of that dtype; one compilation for all dtypes.

    Call the result under `jax.enable_x64(True)`.

    Args:
        function: of pytrees of arrays, as a rule already a gradient; its floats are
            taken to float64.
    """

    @functools.partial(jax.jit, compiler_options=QUICK)
    def run(unit: Array, args: Any) -> Any:
        flat, tree = jax.tree.flatten(args)

        def on_flat(*flat: Array) -> list[Array]:
            return jax.tree.leaves(function(*jax.tree.unflatten(tree, flat)))

        program = jax.make_jaxpr(on_flat)(*flat)
        clean = on_flat(*flat)
        rough = jax.vmap(lambda seed: _Disturbed(unit, seed).run(program, flat))(
            jnp.arange(1, SAMPLES + 1, dtype=jnp.uint64)
        )
        far = [
            jnp.max(jnp.abs(r - c), axis=0) for r, c in zip(rough, clean, strict=True)
        ]
        return clean, far

    def expect(args: Sequence[Any], dtype: Any) -> list[Expected]:
        args = jax.tree.map(_to_float64, tuple(args))
        clean, moved = run(
            jnp.asarray(LOUDER * unit_roundoff(dtype), jnp.float64), args
        )
        return [_expected(*pair, dtype) for pair in zip(clean, moved, strict=True)]

    return expect


def _expected(value: Any, moved: Any, dtype: Any) -> Expected:
    value, moved = np.asarray(value), np.asarray(moved)
    return Expected(value, allowance(value, np.where(np.isnan(moved), 0, moved), dtype))


class _Disturbed:
    """Evaluates jaxprs, rounding errors included."""

    def __init__(self, unit: Array, seed: Array):
        self.unit, self.seed, self.count = unit, seed, 0

    def run(self, closed: Any, args: Sequence[Array]) -> list[Array]:
        jaxpr = getattr(closed, "jaxpr", closed)
        args = [self._disturb(x, jnp.abs(x)) if _is_float(x) else x for x in args]
        return self._evaluate(jaxpr, getattr(closed, "consts", ()), args)

    def _evaluate(
        self, jaxpr: Any, consts: Sequence[Any], args: Sequence[Any]
    ) -> list[Any]:
        known: dict[Any, Any] = {}

        def read(atom: Any) -> Any:
            return atom.val if hasattr(atom, "val") else known[atom]

        known.update(zip(jaxpr.constvars, consts, strict=True))
        known.update(zip(jaxpr.invars, args, strict=True))
        for eqn in jaxpr.eqns:
            results = self._apply(eqn, [read(atom) for atom in eqn.invars])
            known.update(zip(eqn.outvars, results, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def _apply(self, eqn: Any, args: list[Any]) -> list[Any]:
        name, params = eqn.primitive.name, eqn.params
        if name == "scan":
            return self._scan(params, args)
        inner = next((params[key] for key in INNER if key in params), None)
        if inner is not None and name not in CONTROL:
            jaxpr = getattr(inner, "jaxpr", inner)
            return self._evaluate(jaxpr, getattr(inner, "consts", ()), args)
        results = eqn.primitive.bind(*args, **params)
        results = results if eqn.primitive.multiple_results else [results]
        if name in EXACT or name in CONTROL or not all(map(_is_float, results)):
            return list(results)
        sizes = [jnp.abs(result) for result in results]
        if name in SUMS:
            absolute = [jnp.abs(x) if _is_float(x) else x for x in args]
            sizes = [eqn.primitive.bind(*absolute, **params)]
        return [self._disturb(r, size) for r, size in zip(results, sizes, strict=True)]

    def _scan(self, params: Any, args: list[Any]) -> list[Any]:
        n_consts, n_carry = _scan_counts(params)
        consts, carry = args[:n_consts], args[n_consts : n_consts + n_carry]
        inner = params["jaxpr"]
        jaxpr, held = getattr(inner, "jaxpr", inner), getattr(inner, "consts", ())

        def body(carry: list[Any], at: list[Any]) -> tuple[list[Any], list[Any]]:
            results = self._evaluate(jaxpr, held, [*consts, *carry, *at])
            after = [r.astype(c.dtype) for r, c in zip(results, carry, strict=False)]
            return after, results[n_carry:]

        carry, kept = lax.scan(
            body,
            [jnp.asarray(c) for c in carry],
            args[n_consts + n_carry :],
            length=params["length"],
            reverse=params["reverse"],
        )
        return [*carry, *kept]

    def _disturb(self, result: Array, size: Array) -> Array:
        if jnp.iscomplexobj(result):  # either part, by as much as the whole
            return lax.complex(
                self._disturb(result.real, size), self._disturb(result.imag, size)
            )
        self.count += 1
        bits = lax.bitcast_convert_type(result.astype(jnp.float64), jnp.uint64)
        salt = np.uint64(0x9E3779B97F4A7C15 * self.count % 2**64)
        # Multiplicative hashing: the high bits of the product depend on all bits.
        bits = bits ^ (salt + self.seed * np.uint64(0xD1B54A32D192ED03))
        bits = bits * np.uint64(0xFF51AFD7ED558CCD)
        share = (bits >> np.uint64(11)).astype(jnp.float64) / 2.0**52 - 1
        return result + (self.unit * share * size).astype(result.dtype)


def _scan_counts(params: Any) -> tuple[int, int]:
    """How many constants and how much carry a scan has; in jax 0.12 as trees."""
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    consts, carry = params["ft_in"].unpack()[:2]
    return len(list(consts.vals)), len(list(carry.vals))


def _is_float(x: Any) -> bool:
    return bool(jnp.issubdtype(jnp.result_type(x), jnp.inexact))


def _to_float64(x: Any) -> Any:
    if not _is_float(x):
        return jnp.asarray(x)
    return jnp.asarray(x, jnp.complex128 if jnp.iscomplexobj(x) else jnp.float64)
