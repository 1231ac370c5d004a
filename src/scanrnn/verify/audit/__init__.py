"""A cell, or any `jax.custom_vjp`, against oracles in floating point."""

from .check import check as check
from .vjp import assert_vjp as assert_vjp
from .vjp import check_vjp as check_vjp
