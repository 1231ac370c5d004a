"""In which JAX the audits themselves compute, whatever the caller has set."""

import contextlib
from collections.abc import Iterator

import jax


@contextlib.contextmanager
def double() -> Iterator[None]:
    """float64, and dtypes mix as usual: oracles weigh float32 by float64."""
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        yield
