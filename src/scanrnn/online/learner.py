"""`online`: the gradient at every step of a sequence, without going back."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from ..cell import Cell, Params, State
from ..compose.layer import Layer
from ..engine.arrays import as_array, as_arrays
from ..engine.mesh import vary_along, varying_axes
from ..engine.products import wide
from ..engine.trees import choose
from ..engine.values import flag
from . import border
from .methods import Method, SnAp
from .moment import Moment, entered, entry_jacobians, float_leaves, floats
from .whole import Form, Of


class Kept(NamedTuple):
    """What of an influence is known from shapes."""

    form: Form
    params: Any  # the tree that they are
    state: Any  # that of the state, as the cell carries it
    leaves: int  # of its leaves that have a derivative
    h: int  # which of them is the output
    shape: tuple[int, ...]  # of the output of one example
    dtype: Any  # of what is carried


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Influence:
    """∂(state) / ∂(what is learned), as the method keeps it, example by example."""

    blocks: Any  # arrays (B, ...), float32 for 16-bit params
    kept: Kept = dataclasses.field(metadata={"static": True})


class Memory(NamedTuple):
    """All that a learner carries from one step to the next, whatever T is."""

    state: State  # (B, ·), of the cell
    influence: Influence
    valid: Array  # (B,) bool: False where the last step was masked
    keys: Array | None  # (B,), for the noise of `UORO`


@dataclasses.dataclass(frozen=True)
class Learner:
    """A cell and a way to learn online; made by `online`, which tells the rest.

    A learner hashes: it can be a static argument of ``jax.jit``.
    """

    cell: Cell
    method: Method
    start: bool = False

    def init(
        self,
        params: Params,
        start: State,
        *,
        x: ArrayLike | None = None,
        key: Array | None = None,
    ) -> Memory:
        """The memory before the first step: nothing has had an influence yet.

        Args:
            params: as `cell.init` makes them.
            start: the state before the first step, (B, ·), as `cell.start(B)` makes it.
            x: (B, X) floats or (B,) tokens, an example of an input, of which the shape
                and the dtype are read; needed for a derived cell and a layer only.
            key: for the noise of `UORO`, which needs one; for no other method.

        Returns:
            A `Memory`, to be handed from step to step. Made from the ``memory.state``
            of a run, it goes on from there with its influence forgotten: the gradient
            reaches back to here and no further.

        Raises:
            ValueError: if a shape or a dtype does not fit, or a key is missing.
        """
        params, start = as_arrays("params", params), as_arrays("start", start)
        example = None if x is None else as_array("x", x)
        border.check_start(self.cell, params, start, example)
        border.check_key(self.method, key)
        if example is not None:
            border.check_input(self.cell, params, start, example, "x")
        keys = None if key is None else jax.random.split(key, len(_leaf(start)))
        entering = jax.vmap(jax.random.split)(keys) if keys is not None else None
        kept = self._kept(params, start, example)

        def one(state: State, x: Array | None, keys: Array | None) -> Any:
            before = entered(self.cell, params, state, x)[1]
            leaves = float_leaves(before)
            entry: Any = [[] for _ in leaves]
            if self.start:
                entry = entry_jacobians(self.cell, params, state, x)
            key = None if keys is None else keys[1]
            sizes = [leaf.size for leaf in leaves]
            return kept.form.first(jax.tree.leaves(params), sizes, entry, key)

        blocks = jax.vmap(one, axis_size=len(_leaf(start)))(start, example, entering)
        valid = jnp.ones(len(_leaf(start)), bool)
        keys = None if entering is None else entering[:, 0]
        made = Memory(start, Influence(blocks, kept), valid, keys)
        return vary_along(made, varying_axes((params, start)))

    def step(
        self,
        params: Params,
        memory: Memory,
        x: ArrayLike,
        *,
        mask: ArrayLike | None = None,
        reset: ArrayLike | None = None,
        reset_to: State | None = None,
    ) -> tuple[Memory, Array]:
        """One step of the cell, and of its influence.

        Args:
            params: the influence is that of the params which the earlier steps were
                made with. Change them, and it is stale: see `online`.
            memory: of `init` or of the step before.
            x: floats (B, X) or tokens (B,), as for `sr.step`.
            mask: (B,) bool. An example that is False is passed over: its state and its
                influence stay, its output is zero, and `gradient` hears nothing of it.
                For sequences of unequal lengths: ``t < lengths``.
            reset: (B,) bool. True restarts an example before this step: it begins from
                ``reset_to``, and what had an influence before has none any more.
            reset_to: (B, ·), or one for all (1, ·); the cell's own start if not given.
                It is a constant here: its gradient is not carried.

        Returns:
            The memory after the step, and the output (B, H).

        Raises:
            ValueError: if something does not fit.
        """
        params, given = as_arrays("params", params), as_array("x", x)
        border.check_memory(memory, Memory, self)
        state, influence, _, keys = memory
        border.check_params(params, influence.kept.form.of)
        border.check_input(self.cell, params, state, given, "x")
        batch = len(_leaf(state))
        valid = border.flags_of("mask", mask, batch)
        resets = border.flags_of("reset", reset, batch)
        if resets is None and reset_to is not None:
            raise ValueError("expected reset_to together with reset, got no reset")
        blocks = influence.blocks
        if resets is not None:
            to = border.restored(self.cell, params, state, given, reset_to)
            state = choose(resets, to, state)
            blocks = choose(resets, jax.tree.map(jnp.zeros_like, blocks), blocks)
        if valid is not None:  # what is passed over is no input: not a NaN either
            given = choose(valid, given, jnp.zeros_like(given))

        def one(state: State, x: Array, blocks: Any, keys: Array | None) -> Any:
            m = Moment(self.cell, params, state, x)
            key = None if keys is None else keys[1]
            return m.after, m.h, influence.kept.form.move(m, blocks, key)

        drawn = jax.vmap(jax.random.split)(keys) if keys is not None else None
        after, h, moved = jax.vmap(one)(state, given, blocks, drawn)
        if valid is not None:
            after, moved = choose(valid, (after, moved), (state, blocks))
            h = choose(valid, h, jnp.zeros_like(h))
        is_valid = jnp.ones_like(memory.valid) if valid is None else valid
        keys = None if drawn is None else drawn[:, 0]
        return Memory(after, Influence(moved, influence.kept), is_valid, keys), h

    def gradient(self, memory: Memory, d_h: Array | State) -> Params:
        """The gradient of the last step's loss by the params, through all of the past.

        Args:
            memory: after the step.
            d_h: (B, H), the derivative of the loss by the output of that step; or a
                state, the derivative by all of the state.

        Returns:
            d_params, summed over the examples; float32 for 16-bit params, so that sums
            over steps lose nothing.

        Raises:
            ValueError: if d_h does not fit.
        """
        return self._read(memory, d_h)[0]

    def gradient_of_start(self, memory: Memory, d_h: Array | State) -> State:
        """The same by the start state: (B, ·), for a learner with ``start=True``.

        Raises:
            ValueError: if it has not, or d_h does not fit.
        """
        if not self.start:
            raise ValueError(
                "expected a learner that carries the influence of its start, got one "
                "that does not; online(cell, method, start=True)"
            )
        return self._read(memory, d_h)[1]

    def _kept(self, params: Params, start: State, x: Array | None) -> Kept:
        def before(params: Params, state: State, x: Array | None) -> State:
            return entered(self.cell, params, state, x)[1]

        one = jax.eval_shape(_alone, (start, x))
        carried = jax.eval_shape(before, params, *one)
        border.check_output(carried)
        is_h = jax.tree.leaves(jax.tree.map(lambda _: False, carried)._replace(h=True))
        which, (leaves, tree) = floats(carried), jax.tree.flatten(params)
        of = Of(self, tuple(leaf.shape for leaf in leaves))
        return Kept(
            form=self.method.form(of, self.cell, params, *one),
            params=tree,
            state=jax.tree.structure(carried),
            leaves=len(which),
            h=[is_h[i] for i in which].index(True),
            shape=carried.h.shape[1:],
            dtype=wide(carried.h.dtype),
        )

    def _read(self, memory: Memory, d_h: Array | State) -> tuple[Params, State]:
        border.check_memory(memory, Memory, self)
        blocks, kept = memory.influence.blocks, memory.influence.kept
        d_leaves = border.cotangents(memory, d_h)
        made = kept.form.read(blocks, d_leaves)
        count = kept.form.params
        d_params = jax.tree.unflatten(kept.params, made[:count])
        leaves, tree = jax.tree.flatten(memory.state)
        d_start: list[Any] = [
            np.zeros(leaf.shape, jax.dtypes.float0) for leaf in leaves
        ]
        for i, d_leaf in zip(floats(memory.state), made[count:], strict=self.start):
            d_start[i] = d_leaf.reshape(leaves[i].shape)
        return d_params, jax.tree.unflatten(tree, d_start)


def online(of: Cell | Layer, method: Method, *, start: bool = False) -> Learner:
    """Learns while the sequence runs: the gradient at every step, without going back.

    Stands for::

        memory = learner.init(params, cell.start(B))
        for x, target in stream:                        # without an end, if need be
            memory, h = learner.step(params, memory, x)
            d_h = the derivative of this step's loss by h
            d_params = learner.gradient(memory, d_h)    # through all of the past

    With s the state, P = ∂s / ∂params moves on beside it, P' = J P + I, where J and I
    are the Jacobians of a step by state and params; the gradient of a loss of this step
    is d_hᵀ ∂h / ∂params, rows of P'. Nothing of the past is kept but P, so the memory
    does not grow with T. Summed over the steps of a sequence with the same params, the
    gradients of `RTRL` are that of `sr.unroll`, to rounding.

    The influence is stale once params move: P was carried with those that the steps
    were made with. How much that matters is the run's choice: no update before the end
    of a sequence (exact), one at every step (the usual choice, which wants a small
    learning rate), or one every k steps; see `follow`.

    Args:
        of: a cell, by hand or derived, or a layer that reads forwards, whose step is
            derived. Examples may not meet in a step.
        method: `RTRL()`, exact; `SnAp(n)`, biased and about as cheap as going back; or
            `UORO()`, unbiased and noisy.
        start: whether the influence of the start state is carried as well, for
            `Learner.gradient_of_start`. Not with `SnAp`.

    Returns:
        A `Learner`. Its three functions can be jitted, mapped, and scanned, with the
        memory as the carry.

    Raises:
        ValueError: if an argument is not as described.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> from scanrnn.online import RTRL, online
    >>> cell = sr.gru(4)
    >>> params, xs = cell.init(jax.random.key(0), 3), jnp.ones((7, 2, 3))
    >>> learner = online(cell, RTRL())
    >>> def step(memory, x):
    ...     memory, h = learner.step(params, memory, x)
    ...     return memory, learner.gradient(memory, 2 * h)
    >>> memory = learner.init(params, cell.start(2))
    >>> _, d_params = jax.lax.scan(step, memory, xs)
    >>> loss = lambda params: jnp.sum(sr.unroll(cell, params, xs).outputs ** 2)
    >>> bool(jnp.allclose(d_params.w_h.sum(0), jax.grad(loss)(params).w_h, atol=1e-5))
    True
    """
    cell, method = border.cell_of(of), border.check_method(method)
    if flag("start", start) and isinstance(method, SnAp):
        raise ValueError(
            f"expected start=True with RTRL() or UORO(), got {method}: after n steps "
            "nothing of a start state would be left"
        )
    return Learner(cell, method, start)


def _alone(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[0], tree)


def _leaf(state: State) -> Array:
    leaf: Array = jax.tree.leaves(state)[0]
    return leaf
