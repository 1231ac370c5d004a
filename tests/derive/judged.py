"""A step function, derived and judged: numbers by JAX's own, loops by a count."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from by_numpy import evaluate
from cases import assert_close
from jax import lax
from programs import count, loops

import scanrnn as sr

NAMES = {"dot_general", "conv_general_dilated"}


def by_scan(step, scan, params, start, xs):
    return scan(functools.partial(step, params), start, xs)


def by_cell(step, params, start, xs):
    run = sr.unroll(sr.derive(step), params, xs, start)
    return run.final, run.outputs


def assert_exact(case):
    """Every leaf that is made, and every gradient; what the loops hold is returned.

    One program is read and run, by NumPy: the products in its loop there, and in its
    loop back.
    """
    arguments = case.params, case.start, case.xs
    run = functools.partial(by_cell, case.step)
    if not hasattr(case.xs, "shape"):  # of a cell they are one array
        run = functools.partial(by_scan, case.step, sr.scan)
    plain = _program(functools.partial(by_scan, case.step, lax.scan), arguments)
    ours = _program(run, arguments)
    got, want = _numbers(*ours, arguments), _numbers(*plain, arguments)
    assert jax.tree.structure(got) == jax.tree.structure(want)
    steps = jax.tree.leaves(case.xs)[0].shape[0]
    assert_close(got, want, steps=4 * steps)
    there, back = (count(body, NAMES) for _, body in loops(ours[0].jaxpr))
    return there, back


def _program(run, arguments):
    """Of all that it makes and of the cotangents of floats; and its form."""

    def function(*arguments):
        made, pull = jax.vjp(run, *arguments)
        rng = np.random.default_rng(3)
        d_made = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape)), made)
        back = jax.tree.leaves(pull(d_made))
        return made, [d for d in back if d.dtype != jax.dtypes.float0]

    return jax.make_jaxpr(function, return_shape=True)(*arguments)


def _numbers(program, shape, arguments):
    with np.errstate(all="ignore"):
        leaves = list(map(np.asarray, jax.tree.leaves(arguments)))
        made = evaluate(program, leaves)
    return jax.tree.unflatten(jax.tree.structure(shape), made)
