"""Curvature as linear maps that are called and never written out.

For a loss L(p) = ℓ(z(p)) of params p through outputs z, with J = dz/dp at p::

    (1) H v = (d/dε) ∇L(p + ε v)                 Hessian, at ε = 0
    (2) G v = Jᵀ (d²ℓ/dz²) J v                   generalised Gauss-Newton matrix
    (3) H   = G + Σₖ (dℓ/dzₖ) d²zₖ/dp²

G is H without the second derivatives of the network, which are what makes H indefinite:
where ℓ is convex in z, as the squared error of z and the cross entropy of logits are, G
is positive semi-definite. For these two losses it is the Fisher matrix as well, and G⁻¹
∇L the natural gradient.

(2) goes forwards once and back once: a `jvp` of the outputs, the small curvature of the
loss by (1), and the transpose of the `jvp`. Both come from one linearisation, which is
made when the operator is: a product does not run the network again.

Sources: (1) Pearlmutter 1994, "Fast exact multiplication by the Hessian"; (2)
Schraudolph 2002, "Fast curvature matrix-vector products for second-order gradient
descent"; in training, Martens 2010, "Deep learning via Hessian-free optimization", and
for recurrent networks Martens and Sutskever 2011, "Learning recurrent neural networks
with Hessian-free optimization"; the Fisher matrix, Martens 2020, arXiv 1412.1193.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend import core
from jax.tree_util import Partial

from ..engine.arrays import as_arrays
from ..engine.values import shown
from .operator import Curvature, undamped


def gauss_newton(
    outputs_fn: Callable[[Any], Any], loss_fn: Callable[[Any], Array], params: Any
) -> Curvature:
    """The Gauss-Newton matrix (2) of ``loss_fn(outputs_fn(params))``, as an operator.

    Symmetric; positive semi-definite where ``loss_fn`` is convex. What is an output and
    what belongs to the loss is the caller's choice: let the outputs be what the loss is
    convex in, logits for a cross entropy.

    The outputs are differentiated forwards, and so have to be made by a way that has
    forward mode. `Linearized(of)` makes it cheap: in a product the loops over time hold
    one product a step there and one back, and none with a tangent or a gradient of a
    weight. `Autodiff()` has both in the loops.

    Args:
        outputs_fn: params -> outputs, a pytree of floats, with `sr.unroll(...,
            backward=sr.Linearized())` inside.
        loss_fn: outputs -> a scalar. Of it, any way of writing will do.
        params: a pytree of floats. May be traced.

    Returns:
        `Curvature`: called with a tree like params, it returns G times it.

    Raises:
        ValueError: if params or outputs are not floats, the loss is no scalar, or the
            outputs have no forward mode.

    A step of natural gradient, damped; JAX's conjugate gradients take the operator:

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> from jax.scipy.sparse.linalg import cg
    >>> cell = sr.gru(4)
    >>> params = cell.init(jax.random.key(0), 3)
    >>> xs, targets = jnp.ones((7, 2, 3)), jnp.zeros((7, 2, 4))
    >>> def outputs(params):
    ...     return sr.unroll(cell, params, xs, backward=sr.Linearized()).outputs
    >>> def loss(outputs):
    ...     return 0.5 * jnp.mean((outputs - targets) ** 2)
    >>> @jax.jit
    ... def update(params):
    ...     d_params = jax.grad(lambda params: loss(outputs(params)))(params)
    ...     damped = sr.gauss_newton(outputs, loss, params) + 0.1
    ...     step, _ = cg(damped, d_params, maxiter=20)
    ...     return jax.tree.map(jnp.subtract, params, step)
    >>> bool(loss(outputs(update(params))) < loss(outputs(params)))
    True

    Sources: Schraudolph 2002; Martens and Sutskever 2011.
    """
    params = as_arrays("params", params)
    _check_floats("params", params)
    outputs, push = jax.linearize(outputs_fn, params)
    _check_forward_mode(push, params)
    _check_floats("outputs of outputs_fn", outputs)
    _, curve = jax.linearize(jax.grad(_scalar(loss_fn)), outputs)
    return undamped(Partial(_there_and_back, push, curve), params)


def hvp(loss_fn: Callable[[Any], Array], params: Any) -> Curvature:
    """The Hessian (1) of ``loss_fn`` at params, as an operator: `hvp(f, p)(v)` is H v.

    Symmetric, and in general indefinite. The gradient is differentiated forwards, which
    every way back allows, and `Stored()` is the quickest: a product
    goes there and back, and its loops hold a product with W_h and one with its tangent
    in each step, but no gradient of a weight.

    Args:
        loss_fn: params -> a scalar.
        params: a pytree of floats. May be traced.

    Returns:
        `Curvature`: called with a tree like params, it returns H times it.

    Raises:
        ValueError: if params are not floats or the loss is no scalar.

    >>> import jax, jax.numpy as jnp, scanrnn as sr
    >>> operator = sr.hvp(lambda p: p["a"] ** 2 * p["b"], {"a": 3.0, "b": 5.0})
    >>> made = operator({"a": 1.0, "b": 0.0})  # the Hessian is [[2b, 2a], [2a, 0]]
    >>> float(made["a"]), float(made["b"])
    (10.0, 6.0)

    Source: Pearlmutter 1994.
    """
    params = as_arrays("params", params)
    _check_floats("params", params)
    _, curve = jax.linearize(jax.grad(_scalar(loss_fn)), params)
    return undamped(curve, params)


def _there_and_back(push: Any, curve: Any, v: Any) -> Any:
    """(2), of a linearised network and the linearised gradient of the loss."""
    (made,) = jax.linear_transpose(push, v)(curve(push(v)))
    return made


def _scalar(loss_fn: Callable[[Any], Any]) -> Callable[[Any], Array]:
    """The same, checked."""

    def checked(tree: Any) -> Array:
        loss = loss_fn(tree)
        shape, dtype = getattr(loss, "shape", None), getattr(loss, "dtype", bool)
        if shape != () or not jnp.issubdtype(dtype, jnp.floating):
            raise ValueError(
                f"expected of loss_fn a scalar float, got {shown(loss)}; "
                "take its mean or sum"
            )
        return loss

    return checked


def _check_forward_mode(push: Callable[[Any], Any], params: Any) -> None:
    """JAX itself says so only when what holds the product is compiled."""
    if _holds(jax.make_jaxpr(push)(params).jaxpr, "custom_lin"):
        raise ValueError(
            "expected outputs_fn with forward mode, got one that runs a "
            "jax.custom_vjp, which has none: in it, pass backward=sr.Linearized() to "
            "sr.unroll"
        )


def _holds(jaxpr: Any, name: str) -> bool:
    """Whether a jaxpr has an equation of that primitive, at any depth."""
    return any(
        equation.primitive.name == name
        or any(_holds(inner, name) for inner in core.jaxprs_in_params(equation.params))
        for equation in jaxpr.eqns
    )


def _check_floats(name: str, tree: Any) -> None:
    leaves = jax.tree.leaves_with_path(tree)
    if not leaves:
        raise ValueError(f"expected {name}: arrays of floats, got none")
    for path, leaf in leaves:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            at = jax.tree_util.keystr(path)
            raise ValueError(f"expected {name}: floats, got {shown(leaf)} {at}".strip())
