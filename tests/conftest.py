"""Every test runs in float64 with strict dtypes, on four CPU devices."""

import ctypes
import gc
import importlib.metadata
import os
import pathlib
import sys

# Programs here are tiny and many: most of the time goes into compiling them. LLVM's
# optimisations are left out, and the newer of XLA's two ways to write the code of a
# fusion where there is a choice; what XLA makes of a program, and so all that is
# asserted of one, stays. XLA_FLAGS= pytest compiles as users do.
QUICK = "--xla_backend_optimization_level=0"
if int(importlib.metadata.version("jaxlib").split(".")[1]) < 11:
    QUICK += " --xla_cpu_use_fusion_emitters=false"
os.environ.setdefault("XLA_FLAGS", QUICK)

import jax
import pytest
from xdist.scheduler import LoadFileScheduling

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")

# Run by hand, with torch, Flax and Haiku installed.
collect_ignore = ["cells/golden/make.py"]


def pytest_xdist_make_scheduler(config, log):
    """A file goes to one worker: its tests share what they compile and train."""
    return LoadFileScheduling(config, log)


@pytest.fixture(autouse=True)
def as_a_user_runs_it(request):
    """Experiments run in JAX's default settings: float32, standard promotion."""
    if request.node.path.parent.name != "experiments":
        yield
        return
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        yield


allowed = 0.9e9  # bytes that a worker holds before it lets go of something


@pytest.fixture(autouse=True)
def lean():
    """Compiled programs are let go of, or a worker would come to hold 3.5 GB."""
    global allowed
    yield
    if resident_bytes() > allowed:
        jax.clear_caches()
        gc.collect()
        if sys.platform == "linux":  # what was freed in pieces goes back as well
            ctypes.CDLL(None).malloc_trim(0)
        allowed = max(0.9e9, resident_bytes() + 0.3e9)


def resident_bytes():
    """What this process holds of the memory; 0 where that is not told (not Linux)."""
    told = pathlib.Path("/proc/self/statm")
    pages = int(told.read_text().split()[1]) if told.exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE")
