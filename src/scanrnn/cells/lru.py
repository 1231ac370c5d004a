"""The linear recurrent unit (Orvieto et al. 2023): h = λ ∘ h_prev + x (γ ∘ W_x) + b.

State, λ and the matrix are complex, the params real. With e^ν and e^θ for rate and
angle, |λ| < 1 whatever ν is, and with W_x = [Re | Im] (X, 2N), b likewise::

    forward                                backward, from dhₜ (complex)

    (1) λ  = exp(−e^ν + i e^θ)             (4) δₜ    = [Re dhₜ | −Im dhₜ]      pull
    (2) aₜ = xₜ (W_x ∘ [e^γ | e^γ])        (5) dhₜ₋₁ = dhₜ ∘ λ                 pull
                              project      (6) dλ    = Σₜ hₜ₋₁ ∘ dhₜ           collect
    (3) hₜ = λ ∘ hₜ₋₁ + cplx(aₜ + b)           dν    = −e^ν Re(dλ ∘ λ)
                              step             dθ    = −e^θ Im(dλ ∘ λ)
                                           (7) dV    = Σₜ xₜᵀ δₜ               collect
                                               db    = Σₜ δₜ
                                               dxₜ   = δₜ (W_x ∘ [e^γ | e^γ])ᵀ
                                           (8) dW_x  = dV ∘ [e^γ | e^γ]        collect
                                               dγ    = e^γ ∘ Σ_x dV ∘ W_x, in both
                                                       halves

with cplx([u | v]) = u + i v. A cotangent is complex as JAX has it: of h ↦ λ h it is
dh ↦ λ dh, with no conjugate, and that of the real part of a sum is the real part.
Nothing is on the tape. γ takes part in two products and costs no third: dV serves both.

The output is complex. What the paper makes of it, y = Re(C h) + D u, is linear in both
parts side by side, so C is a layer of a stack: `parts`, then `sr.linear`; the example
of `lru` has it. D u is a skip connection.

Drawn on a ring: λ uniformly on the area between the radii r_min and r_max, at angles
below max_phase; e^γ = √(1 − |λ|²), by which a state driven by white noise has the size
of what drives it; W_x normal with variance 1/(2X) in either part, as the paper has it.

Source: Orvieto, Smith, Gu, Fernando, Gulcehre, Pascanu and De 2023, "Resurrecting
Recurrent Neural Networks for Long Sequences", arXiv 2303.06349, section 3 and appendix.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import DTypeLike

from ..cell import Cell
from ..engine.products import affine_vjp, beside, floating, plus, times, wide
from ..engine.values import flag, fraction, positive, whole_number
from ..made import Call


class LRUParams(NamedTuple):
    """The letters of the equations, all real; columns in the order Re, Im."""

    nu: Array  # (N,), the logarithm of −ln |λ|
    theta: Array  # (N,), the logarithm of the angle of λ
    gamma: Array  # (N,), the logarithm of what the inputs are scaled by
    w_x: Array  # (X, 2N)
    b: Array | None  # (2N,); None without a bias


class LRUState(NamedTuple):
    """All that the next step needs is the output."""

    h: Array  # (B, N), complex


def lru(
    hidden_size: int,
    *,
    r_min: float = 0.0,
    r_max: float = 1.0,
    max_phase: float = 6.28,
    bias: bool = False,
) -> Cell:
    """The linear recurrent unit h = λ ∘ h_prev + x (γ ∘ W_x) + b, of complex states.

    Args:
        hidden_size: N, the number of units, each a complex number.
        r_min, r_max: `init` draws λ uniformly on the ring r_min < |λ| < r_max <= 1;
            nearer to 1, the longer the memory.
        max_phase: the largest angle that `init` draws; a small one for long memory of
            slow inputs.
        bias: whether there is a b; the paper has none, and it is None in the params.

    Returns:
        A `Cell` with params `LRUParams` (nu, theta, gamma, w_x, b), real, and state
        `LRUState` (h), complex64, or complex128 of params in float64; its recurrence is
        affine. The same arguments give the same cell.

    Raises:
        ValueError: if an argument is not as described.

    The layer of the paper is y = Re(C h) + D x. Re(C h), with C of size (N, 3):

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> net = sr.stack(sr.lru(8, r_min=0.9, max_phase=0.3), sr.parts, sr.linear(3))
    >>> params = net.init(jax.random.key(0), 3)
    >>> ys = jax.jit(net.run)(params, jnp.ones((7, 2, 3))).outputs
    >>> ys.shape, jnp.iscomplexobj(ys)
    ((7, 2, 3), False)

    D x is a skip connection: `sr.residual` around it for D = 1, or a product beside it.

    >>> jax.jit(sr.residual(net).run)(params, jnp.ones((7, 2, 3))).outputs.shape
    (7, 2, 3)
    """
    low, high = fraction("r_min", r_min), positive("r_max", r_max)
    if not low < high <= 1:
        raise ValueError(f"expected r_min < r_max <= 1, got {r_min} and {r_max}")
    return _lru(
        whole_number("hidden_size", hidden_size),
        low,
        high,
        positive("max_phase", max_phase),
        flag("bias", bias),
    )


@functools.cache
def _lru(
    hidden_size: int, r_min: float, r_max: float, max_phase: float, bias: bool
) -> Cell:
    def init(key: Array, input_size: int, dtype: DTypeLike | None = None) -> LRUParams:
        input_size, dtype = whole_number("input_size", input_size), floating(dtype)
        keys = jax.random.split(key, 3)
        drawn: Any = wide(dtype)
        least = float(np.finfo(drawn).tiny)  # no logarithm of zero
        area, angle = (
            jax.random.uniform(k, (hidden_size,), drawn, minval=least) for k in keys[:2]
        )
        radius_squared = area * (r_max**2 - r_min**2) + r_min**2
        nu = jnp.log(-0.5 * jnp.log(radius_squared))
        gamma = 0.5 * jnp.log(-jnp.expm1(-2 * jnp.exp(nu)))  # ln √(1 − |λ|²)
        w_x = jax.random.normal(keys[2], (input_size, 2 * hidden_size), drawn)
        return LRUParams(
            nu.astype(dtype),
            jnp.log(max_phase * angle).astype(dtype),
            gamma.astype(dtype),
            (w_x / (2 * input_size) ** 0.5).astype(dtype),
            jnp.zeros(2 * hidden_size, dtype) if bias else None,
        )

    def start(batch_size: int, dtype: DTypeLike | None = None) -> LRUState:
        zeros = jnp.zeros((batch_size, hidden_size), wide(floating(dtype)))
        return LRUState(lax.complex(zeros, zeros))

    def project(params: LRUParams, xs: Array) -> Array:
        return times(xs, _scaled(params))  # (2)

    def step(
        params: LRUParams, state: LRUState, drive: Array
    ) -> tuple[LRUState, tuple[()]]:
        a = plus(drive, params.b)
        by_itself = beside(_lambda(params), state.h) * state.h
        return LRUState(by_itself + lax.complex(*jnp.split(a, 2, axis=-1))), ()  # (3)

    def pull(
        params: LRUParams, tape: tuple[()], d_state: LRUState
    ) -> tuple[LRUState, Array]:
        d_h = d_state.h
        delta = jnp.concatenate((d_h.real, -d_h.imag), axis=-1)  # (4)
        return LRUState(beside(_lambda(params), d_h) * d_h), delta  # (5)

    def collect(
        params: LRUParams, xs: Array, states_prev: LRUState, deltas: Array
    ) -> tuple[LRUParams, Array | None]:
        real, minus_imag = jnp.split(deltas, 2, axis=-1)
        met = states_prev.h * lax.complex(real, -minus_imag)
        by_lambda = jnp.sum(met, tuple(range(met.ndim - 1))) * _lambda(params)  # (6)
        d_xs, d_v, d_b = affine_vjp(xs, _scaled(params), params.b, deltas)  # (7)
        nu, theta, gamma, w_x, _ = (_widened(leaf) for leaf in params)
        d_v = _widened(d_v)
        scale = jnp.exp(gamma)
        of_real, of_imag = jnp.split(jnp.sum(d_v * w_x, 0), 2)
        d_params = LRUParams(
            nu=-jnp.exp(nu) * by_lambda.real,
            theta=-jnp.exp(theta) * by_lambda.imag,
            gamma=scale * (of_real + of_imag),  # (8)
            w_x=d_v * jnp.concatenate((scale, scale))[None],
            b=d_b,
        )
        return d_params, d_xs

    options = {"r_min": r_min, "r_max": r_max, "max_phase": max_phase, "bias": bias}
    made_by = Call.of(lru, hidden_size, **options)
    return Cell(init, start, project, step, pull, collect, made_by, recurrence="affine")


def _lambda(params: LRUParams) -> Array:
    """(1), (N,)."""
    nu, theta = _widened(params.nu), _widened(params.theta)
    return jnp.exp(lax.complex(-jnp.exp(nu), jnp.exp(theta)))


def _scaled(params: LRUParams) -> Array:
    """W_x ∘ [e^γ | e^γ], in the dtype of W_x."""
    scale = jnp.exp(_widened(params.gamma))
    scale = jnp.concatenate((scale, scale))
    return (_widened(params.w_x) * scale[None]).astype(params.w_x.dtype)


def _widened(leaf: Any) -> Any:
    return None if leaf is None else leaf.astype(wide(leaf.dtype))
