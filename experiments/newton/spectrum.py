"""The ends of a spectrum, by Lanczos: products alone, no matrix.

`scipy.sparse.linalg.eigsh` is ARPACK's restarted Lanczos method (Lehoucq, Sorensen and
Yang 1998, "ARPACK Users' Guide"). It takes the operator as it is.
"""

from typing import NamedTuple

import jax
import numpy as np
from scipy.sparse.linalg import eigsh
from shared.memory import Net

import scanrnn as sr

from .problems import Problem

SEQUENCES = 100
KEY = 10**8  # seed of the batch, neither of training nor of the test
ENDS, TOLERANCE = 12, 1e-2


class Spectrum(NamedTuple):
    """Extreme eigenvalues of a network, ascending."""

    label: str
    hessian: np.ndarray  # half of them from the lower end, half from the upper
    gauss_newton: np.ndarray  # the largest
    gradient: float  # its norm


class Looker:
    """Compiles the products of a problem once, for all networks of it."""

    def __init__(self, problem: Problem) -> None:
        key = jax.random.key(KEY)
        batch = problem.draw(key, SEQUENCES)

        def loss(net: Net) -> jax.Array:
            return problem.loss_of(net, key, SEQUENCES)

        def outputs(net: Net) -> jax.Array:
            return problem.outputs(net, batch, sr.Linearized())[0]

        def of_outputs(answers: jax.Array) -> jax.Array:
            return problem.loss(answers, batch)

        self.hessian = jax.jit(lambda net: sr.hvp(loss, net))
        self.gauss_newton = jax.jit(
            lambda net: sr.gauss_newton(outputs, of_outputs, net)
        )
        self.gradient = jax.jit(jax.grad(loss))

    def __call__(self, label: str, net: Net) -> Spectrum:
        """The spectra at these weights."""

        def ends(operator: sr.Curvature, which: str) -> np.ndarray:
            made = eigsh(
                operator, ENDS, which=which, tol=TOLERANCE, return_eigenvectors=False
            )
            return np.sort(made)

        leaves = jax.tree.leaves(self.gradient(net))
        norm = float(np.sqrt(sum(float((leaf**2).sum()) for leaf in leaves)))
        return Spectrum(
            label,
            ends(self.hessian(net), "BE"),
            ends(self.gauss_newton(net), "LA"),
            norm,
        )
