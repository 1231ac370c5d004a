"""A learner that is led through a problem of the table, and what it should have found.

The oracle is `jax.grad` of the plain scan: for every step t, the gradient of the loss
of that step alone, Σ d_outputs[t] ∘ h[t], with respect to params and start.
"""

import jax
import jax.numpy as jnp
from by_numpy import by_numpy
from jax import lax
from programs import inner

import scanrnn as sr


def every_step(learner, case, key=None, by=by_numpy):
    """The gradient of every step's loss: by params (T, ...), and by start if asked."""
    options = dict(case.options)
    reset_to = options.pop("reset_to", None)
    mask = options.pop("mask", None)
    if "lengths" in options:
        mask = jnp.arange(case.xs.shape[0])[:, None] < options.pop("lengths")
    resets = options.pop("resets", None)
    assert not options

    def run(params, start, xs, d_outputs, flags, key):
        def body(memory, at):
            x, d_h, flags = at
            to = {"reset_to": reset_to} if "reset" in flags else {}
            memory, h = learner.step(params, memory, x, **flags, **to)
            found = learner.gradient(memory, d_h)
            if learner.start:
                found = found, learner.gradient_of_start(memory, d_h)
            return memory, (h, found)

        memory = learner.init(params, start, x=xs[0], key=key)
        return lax.scan(body, memory, (xs, d_outputs, flags))[1]

    flags = {"mask": mask, "reset": resets}
    flags = {name: value for name, value in flags.items() if value is not None}
    args = case.params, case.start, case.xs, case.d_run[0], flags, key
    return by(run)(*args)


def by_going_back(case):
    """The same by `jax.grad` of the whole run, once for every step."""

    def run(params, start, xs, d_outputs, options):
        def outputs(params, start):
            return sr.unroll(
                case.cell, params, xs, start, backward=sr.Autodiff(), **options
            ).outputs

        made, pull = jax.vjp(outputs, params, start)
        each = jnp.eye(len(xs), dtype=d_outputs.dtype)
        return made, jax.vmap(lambda t: pull(t[:, None, None] * d_outputs))(each)

    args = case.params, case.start, case.xs, case.d_run[0], case.options
    return by_numpy(run)(*args)


def every_equation(jaxpr):
    """All equations, whatever they stand in."""
    for equation in jaxpr.eqns:
        yield equation
        for body in inner(equation):
            yield from every_equation(body)
