"""Every test runs in float64 with strict dtypes, on four CPU devices."""

import os

# Programs here are tiny and many: most of the time goes into compiling them. LLVM's
# optimisations are left out; XLA's own, and so all that is asserted of a program, stay.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0"
)

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")

# Run by hand, with torch, Flax and Haiku installed.
collect_ignore = ["cells/golden/make.py"]


@pytest.fixture(autouse=True)
def as_a_user_runs_it(request):
    """Experiments run in JAX's default settings: float32, standard promotion."""
    if request.node.path.parent.name != "experiments":
        yield
        return
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        yield
