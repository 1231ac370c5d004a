"""Every test runs in float64 with strict dtypes, on four CPU devices."""

import jax

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")

# Run by hand, with torch, Flax and Haiku installed.
collect_ignore = ["golden/make.py"]
