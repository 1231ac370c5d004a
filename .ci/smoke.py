"""The package as installed, without extras: a gradient, the audits, the course."""

import importlib.resources

import jax
import jax.numpy as jnp

import scanrnn as sr
from scanrnn import course, interop, verify

cell = sr.feedback(sr.lstm(4), 3)
params = cell.init(jax.random.key(0), 4)
xs = sr.forced(jnp.ones((5, 2, 3)), True)
d_params = jax.grad(lambda p: sr.unroll(cell, p, xs).outputs.sum())(params)
assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(d_params))
assert verify.explain({"dba[4]": -0.74747722}).passed
assert verify.prove(sr.rnn(2), steps=[2], inputs=["floats"]).passed
assert verify.grade(course.rnn_backward, like="rnn_backward").passed
net = sr.lstm(4)
assert interop.from_torch(interop.to_torch(net, net.init(jax.random.key(0), 3)))
assert importlib.resources.files("scanrnn").joinpath("py.typed").is_file()
print(f"scanrnn {sr.__version__} works as installed")
