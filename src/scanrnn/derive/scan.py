"""`lax.scan`, with the way back of the library: `sr.scan`."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..engine.backward import states_of
from ..engine.fastest import Fastest
from ..engine.memory import Chosen, way_for
from ..engine.mesh import vary_along, varying_axes
from ..engine.scan import Course, Sequence, Task
from ..engine.values import flag, shown, whole_number
from ..engine.ways import Autodiff, Backward, check_way
from .cell import Shaped
from .flat import inlined_of
from .keys import raw
from .products import struct
from .program import Underivable

Carry = TypeVar("Carry")


def scan(
    f: Callable[[Carry, Any], tuple[Carry, Any]],
    init: Carry,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int = 1,
    *,
    backward: Backward | Chosen = Fastest(),
) -> tuple[Carry, Any]:
    """`jax.lax.scan`, with a backward pass of your choice.

    What is computed is what `lax.scan` computes. On the way back no gradient of what
    ``f`` closes over is made step by step: the cotangents that reach it leave the
    loop, and one product over all of time makes it. What a control flow within ``f``
    reads (`cond`, `while_loop`, a custom rule) keeps its gradient in the loop.

    Args:
        f: ``f(carry, x) -> (carry, y)``, of any pytrees; it may close over arrays, by
            which the result is differentiated.
        init: the carry before the first step.
        xs: what is fed step by step, time leading in every leaf; or None.
        length: the number of steps, where xs do not tell it.
        reverse: from the last step to the first.
        unroll: steps per iteration of the loop.
        backward: the way back: `Stored()`, `Recomputed(block)`, `Checkpointed(every)`,
            `Linearized(of)`, or `Autodiff()`, which is `lax.scan` itself; or one that
            is chosen for the shapes, `Fastest()`, if nothing is said, or
            `Budget(bytes)`.

    Returns:
        The carry after the last step, and the ys of all steps, stacked.

    Raises:
        ValueError: if ``f`` changes the form, a shape or a dtype of the carry, or an
            argument is not as described.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> def loss(w):
    ...     def f(h, x):
    ...         h = jnp.tanh(w @ h + x)
    ...         return h, h.sum()
    ...     return sr.scan(f, jnp.zeros(3), jnp.ones((7, 3)))[1].sum()
    >>> jax.grad(loss)(jnp.eye(3)).shape
    (3, 3)
    """
    if not isinstance(backward, Chosen):
        check_way(backward)
    if not isinstance(unroll, bool):  # as in lax.scan, True is all of the loop
        unroll = whole_number("unroll", unroll)
    course = Course(flag("reverse", reverse), unroll)
    if not callable(f):
        raise ValueError(f"expected f, a function, got {shown(f)}")
    init = jax.tree.map(jnp.asarray, init)
    xs = jax.tree.map(jnp.asarray, xs)
    steps = _length(xs, length)
    if isinstance(backward, Autodiff) or not steps:
        return lax.scan(f, init, xs, length, reverse, course.unroll)
    x = jax.tree.map(lambda leaf: struct(jax.typeof(leaf[0])), xs)
    has_xs = bool(jax.tree.leaves(xs))
    numbers = xs if has_xs else jnp.arange(steps)  # something that tells the steps
    closed, shapes = jax.make_jaxpr(f, return_shape=True)(init, x)
    if _has_effects(closed):
        return lax.scan(f, init, xs, length, reverse, course.unroll)
    consts = tuple(map(jnp.asarray, closed.consts))
    init = _as_step_makes_it(init, shapes)

    def step(params: Any, carry: Any, x: Any) -> Any:
        leaves = [*jax.tree.leaves(carry), *(jax.tree.leaves(x) if has_xs else ())]
        made = inlined_of(closed.jaxpr, params, leaves)
        return jax.tree.unflatten(jax.tree.structure(shapes), made)

    try:
        of = Shaped(step, consts, init, x if has_xs else numbers[0])
    except Underivable:  # it has no way back: `lax.scan` says so where one is asked for
        return lax.scan(f, init, xs, length, reverse, course.unroll)
    xs = jax.tree.unflatten(jax.tree.structure(numbers), raw(jax.tree.leaves(numbers)))
    task = Task(tuple(raw(consts)), of.before(init), Sequence(xs))
    task = vary_along(task, varying_axes(task))
    way = way_for(backward, of.cell, task)
    ys, final = states_of(of.cell, task, course, way)
    return of.user_state(final), of.user_outputs(ys)


def _has_effects(closed: Any) -> bool:
    """Whether a step does more than to compute, printing for debugging apart."""
    return any("Debug" not in type(effect).__name__ for effect in closed.effects)


def _length(xs: Any, length: int | None) -> int:
    lengths = {leaf.shape[0] if leaf.ndim else None for leaf in jax.tree.leaves(xs)}
    if length is not None:
        lengths.add(whole_number("length", length, least=0))
    if len(lengths) != 1 or None in lengths:
        told = sorted(map(str, lengths)) or "none"
        raise ValueError(
            "expected xs whose leaves lead with one number of steps, or length=, got "
            f"{told}"
        )
    return next(n for n in lengths if n is not None)


def _as_step_makes_it(init: Any, shapes: Any) -> Any:
    """The carry with the dtypes that a step gives it, where it was of weak type."""
    is_pair = isinstance(shapes, tuple | list) and len(shapes) == 2
    after = shapes[0] if is_pair else None
    one: Any = jax.tree.structure(after)
    other: Any = jax.tree.structure(init)
    if not is_pair or one != other:
        return init  # `Shaped` says what is wrong

    def as_made(leaf: Array, shape: Any) -> Array:
        is_weak = jax.typeof(leaf).weak_type
        return lax.convert_element_type(leaf, shape.dtype) if is_weak else leaf

    return jax.tree.map(as_made, init, after)
