"""Nothing is bound to a platform: the gradient lowers for GPU and TPU from a CPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CELLS, WAYS, assert_close
from pairs import each

import scanrnn as sr


@pytest.mark.parametrize(
    ("cell", "way", "platform", "dtype"),
    each(CELLS, WAYS, ["cuda", "tpu"], [jnp.float32, jnp.bfloat16]),
)
def test_value_and_gradient_lower(cell, way, platform, dtype):
    made = CELLS[cell](sr)
    dense = sr.init_dense(jax.random.key(1), 7, 3, dtype)
    params = made.init(jax.random.key(0), 3, dtype)
    tokens = jnp.zeros((11, 5), jnp.int32)

    def loss(params, dense, tokens, mask):
        run = sr.unroll(made, params, tokens, mask=mask, backward=WAYS[way](sr))
        logits = sr.dense(dense, run.outputs)
        return sr.softmax_cross_entropy(logits, tokens, mask.astype(jnp.float32))

    step = jax.jit(jax.value_and_grad(loss, (0, 1)))
    exported = jax.export.export(step, platforms=[platform])(
        params, dense, tokens, jnp.ones((11, 5), bool)
    )
    assert exported.platforms == (platform,)
    assert "custom_call" not in exported.mlir_module()


OPTIONS = ["lengths", "mask", "resets", None]
PLATFORMS = ["cpu", "cuda", "tpu"]
# With the sizes that nobody names, and with those that somebody does.
SYMBOLIC = {
    **WAYS,
    "recomputed by itself": lambda sr: sr.Recomputed(),
    "checkpointed by itself": lambda sr: sr.Checkpointed(),
    "autodiff": lambda sr: sr.Autodiff(),
    "truncated": None,
}


@pytest.mark.parametrize(
    ("symbols", "option", "cell", "way", "met"),
    each(["t, b", "b", "t"], OPTIONS, CELLS, SYMBOLIC, [((7, 2),), ((7, 2), (11, 5))]),
)
def test_one_program_for_every_size(symbols, option, cell, way, met):
    """Under `jax.export` a batch or a length may be a symbol."""
    made = CELLS[cell](sr)
    params = made.init(jax.random.key(0), 3)

    @jax.jit
    @jax.value_and_grad
    def step(params, xs, *given):
        options = {option: given[0]} if given else {}
        if SYMBOLIC[way] is None:
            run = sr.truncated(made, params, xs, every=2, back=5, **options)
        else:
            way_back = SYMBOLIC[way](sr)
            run = sr.unroll(made, params, xs, backward=way_back, **options)
        return jnp.sum(jnp.sin(run.outputs)) + sum(jnp.sum(x**2) for x in run.final)

    # `truncated` asks whether a window is longer than the sequence.
    scope = jax.export.SymbolicScope(["t >= 6"] if "t" in symbols else ())
    known, symbolic = {"t": 11, "b": 5}, symbols.split(", ")
    sizes = known | {
        name: jax.export.symbolic_shape(name, scope=scope)[0] for name in symbolic
    }
    shapes = [
        jax.ShapeDtypeStruct(shape, x.dtype)
        for x, shape in zip(
            drawn(option, **known), shapes_of(option, **sizes), strict=True
        )
    ]
    exported = jax.export.export(step, platforms=PLATFORMS)(params, *shapes)
    for t, b in met:
        numbers = {"t": t, "b": b}
        data = drawn(option, **known | {name: numbers[name] for name in symbolic})
        assert_close(exported.call(params, *data), step(params, *data))


def shapes_of(option, t, b):
    """Of xs and of what the option takes."""
    given = {"lengths": [(b,)], "mask": [(t, b)], "resets": [(t, b)], None: []}
    return [(t, b, 3), *given[option]]


def drawn(option, t, b):
    rng = np.random.default_rng(0)
    xs, *given = (rng.normal(size=shape) for shape in shapes_of(option, t, b))
    flags = [x < 0.5 for x in given]
    lengths = [rng.integers(t + 1, size=b)]
    return [*map(jnp.asarray, (xs, *(lengths if option == "lengths" else flags)))]
