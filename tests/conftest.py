"""Every test runs in float64 with strict dtypes, on four CPU devices."""

import ctypes
import gc
import importlib.metadata
import os
import pathlib
import sys
import tempfile

# Programs here are tiny and many: most of the time goes into compiling them. LLVM's
# optimisations are left out, a program is one module, and where XLA has two ways to
# write the code of a fusion (jaxlib 0.10) the older and quicker one is taken. What XLA
# makes of a program, and so all that is asserted of one, stays.
# XLA_FLAGS= pytest compiles as users do.
QUICK = "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
JAXLIB = tuple(map(int, importlib.metadata.version("jaxlib").split(".")[:2]))
if JAXLIB < (0, 11):
    QUICK += " --xla_cpu_use_fusion_emitters=false"
os.environ.setdefault("XLA_FLAGS", QUICK)

# What one process compiled, others load: the workers, the scripts that tests start, and
# a worker that let go of it. It lasts as long as the run; a directory of one's own in
# JAX_COMPILATION_CACHE_DIR lasts from run to run.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    SHARED = tempfile.TemporaryDirectory(prefix="compiled-", ignore_cleanup_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = SHARED.name
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import jax
import pytest
from xdist.scheduler import LoadFileScheduling

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_traceback_in_locations_limit", 0)  # a tenth of tracing

# Programs are many small objects that live on: looking for garbage among them as often
# as Python does if nothing is said takes a fifth of the time.
gc.set_threshold(200_000, 20, 50)

# Run by hand, with torch, Flax and Haiku installed.
collect_ignore = ["cells/golden/make.py"]


def pytest_configure(config):
    """A program that another process is writing just now is compiled once more."""
    half_written = "ignore:Error reading persistent compilation cache entry"
    config.addinivalue_line("filterwarnings", half_written)


def pytest_collection_finish(session):
    """What is imported by now stays."""
    gc.collect()
    gc.freeze()


LONG = {"charlm", "experiments", "project"}  # they train, or start processes


def pytest_collection_modifyitems(items):
    """Folders of long files come first: at the end no worker waits for the other."""
    items.sort(key=lambda item: LONG.isdisjoint(item.path.parts))


def pytest_xdist_make_scheduler(config, log):
    """A file goes to one worker: its tests share what they compile and train."""
    config.option.loadscopereorder = False  # as collected, not by the number of tests
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
