"""Planted mistakes: one wrong line each, in a copy of the library.

Each mutant is a file, a line as it stands and the line as someone gets it wrong. The
copy is imported under a name of its own, so that the mistake reaches everything the
public face uses. A mutant whose line no longer stands in the file is an error, not a
pass.
"""

import importlib.util
import pathlib
import shutil
import sys
from typing import Any, NamedTuple

import scanrnn


class Mutant(NamedTuple):
    file: str
    right: str
    wrong: str
    cell: str = "lstm"
    option: str = "all"
    way: str = "stored"


MUTANTS = {
    # The two streams, and the order of time.
    "the carry from the next step is dropped": Mutant(
        "engine/backward.py",
        "return (d_prev, d_start), keep(through_time, narrow(delta, task.start))",
        "return (zeros, d_start), keep(through_time, narrow(delta, task.start))",
        option="plain",
    ),
    "the stream from the outputs is dropped": Mutant(
        "engine/backward.py", "h=through_time.h + widen(d_h)", "h=through_time.h"
    ),
    "the output's cotangent replaces the one from time": Mutant(
        "engine/backward.py", "h=through_time.h + widen(d_h)", "h=widen(d_h)"
    ),
    "the backward loop runs forwards": Mutant(
        "engine/backward.py",
        "reverse=not course.reverse,\n        unroll=course.unroll,",
        "reverse=course.reverse,\n        unroll=course.unroll,",
        option="plain",
    ),
    "the cotangent of the final state is ignored": Mutant(
        "engine/backward.py",
        "d_state = widen(d_final)",
        "d_state = jax.tree.map(jnp.zeros_like, widen(d_final))",
        option="plain",
    ),
    # The partners of the outer products.
    "W_h meets h_t instead of h_{t-1}": Mutant(
        "engine/scan.py",
        "return choose(resets, start, jax.tree.map(shift, entry, states))",
        "return states",
        option="plain",
    ),
    "the state before the first step is zero": Mutant(
        "engine/scan.py",
        "(entry[None], states[:-1])",
        "(0 * entry[None], states[:-1])",
        option="plain",
    ),
    "the first step is paired with the state after it": Mutant(
        "engine/scan.py",
        "(entry[None], states[:-1])",
        "(states[:1], states[:-1])",
        option="plain",
    ),
    "in reverse the states are shifted the wrong way": Mutant(
        "engine/scan.py", "if reverse else (entry[None]", "if False else (entry[None]"
    ),
    # Masks and resets.
    "a skipped step stops the gradient": Mutant(
        "engine/backward.py",
        "d_prev = choose(skip, d_state, d_prev)",
        "d_prev = choose(skip, zeros, d_prev)",
    ),
    "a skipped step is ignored on the time path": Mutant(
        "engine/backward.py", "d_prev = choose(skip, d_state, d_prev)", "pass"
    ),
    "a skipped step contributes to the weights": Mutant(
        "engine/backward.py", "choose(skip, zeros, d_state)", "d_state"
    ),
    "a reset does not cut the gradient": Mutant(
        "engine/backward.py", "d_prev = choose(reset, zeros, d_prev)  # (3)", "pass"
    ),
    "what a reset cuts off is lost": Mutant(
        "engine/backward.py", "choose(reset, d_prev, zeros)", "zeros"
    ),
    "a reset is forgotten in the states before": Mutant(
        "engine/scan.py",
        "return choose(resets, start, jax.tree",
        "return choose(None, start, jax.tree",
    ),
    "the forward pass ignores a reset": Mutant(
        "engine/scan.py", "state = choose(reset, task.start, state)", "pass"
    ),
    # Blocks.
    "only the last block's weight gradient is kept": Mutant(
        "engine/backward.py",
        "d_params = jax.tree.map(lax.add, d_params, cast_like(more, d_params))",
        "d_params = cast_like(more, d_params)",
        way="recomputed",
    ),
    "a block is written over the first one": Mutant(
        "engine/scan.py",
        "into.at + jnp.arange(task.length)",
        "jnp.arange(task.length)",
        way="recomputed",
        option="plain",
    ),
    "every block reads the outputs' cotangents of the first": Mutant(
        "engine/backward.py",
        "view(d_hs, at, size)",
        "view(d_hs, 0, size)",
        way="recomputed",
        option="plain",
    ),
    "blocks are walked forwards on the way back": Mutant(
        "engine/backward.py",
        "not course.reverse,\n        entries,",
        "course.reverse,\n        entries,",
        way="recomputed",
        option="plain",
    ),
    "a segment is run again from the start of time": Mutant(
        "engine/ways.py",
        "_, kept = run(cell, part.task, part.entry, course, keep)",
        "_, kept = run(cell, part.task, part.task.start, course, keep)",
        way="checkpointed",
        option="plain",
    ),
    # The products.
    "W_h is not transposed": Mutant(
        "cells/rnn.py",
        "times_transposed(delta, params.w_h)",
        "times(delta, params.w_h)",
        cell="rnn",
    ),
    "bias gradient is the mean over the batch": Mutant(
        "engine/products.py",
        "return jnp.sum(d_y, tuple(range(d_y.ndim - 1)), dtype=wide(d_y.dtype))",
        "return jnp.sum(d_y, tuple(range(d_y.ndim - 1)), dtype=wide(d_y.dtype))"
        " / d_y.shape[1]",
    ),
    "repeated tokens overwrite instead of add": Mutant(
        "engine/products.py",
        "zeros.at[tokens].add(",
        "zeros.at[tokens].set(",
        option="tokens",
    ),
    # The derivative factors.
    "tanh' is 1 - h": Mutant(
        "cells/rnn.py", "lambda h: 1 - h * h", "lambda h: 1 - h", cell="rnn"
    ),
    "tanh' is left out": Mutant(
        "cells/rnn.py",
        "delta = d_state.h * phi_prime_of_output(tape.h)  # (4)",
        "delta = d_state.h",
        cell="rnn",
    ),
    "relu' is 1 everywhere": Mutant(
        "cells/rnn.py", "(h > 0).astype(h.dtype)", "jnp.ones_like(h)", cell="relu"
    ),
    "the memory's own path is dropped": Mutant(
        "cells/lstm.py", "d_c_prev = d_c * tape.f", "d_c_prev = 0 * d_c"
    ),
    "h does not reach the memory": Mutant(
        "cells/lstm.py", "d_c = d_c + d_h * tape.dc_by_dh", "pass"
    ),
    "the output gate takes the memory's cotangent": Mutant(
        "cells/lstm.py", "d_h * tape.by_o", "d_c * tape.by_o"
    ),
    "the forget gate meets the new memory": Mutant(
        "cells/lstm.py", "state.c * f * (1 - f)", "c * f * (1 - f)"
    ),
    "input and forget gate change places": Mutant(
        "cells/lstm.py",
        "gates = d_c * tape.by_i, d_c * tape.by_f,",
        "gates = d_c * tape.by_f, d_c * tape.by_i,",
    ),
    "the sigmoid of the input gate is not differentiated": Mutant(
        "cells/lstm.py", "g * i * (1 - i),", "g * i,"
    ),
    "the direct path of the update gate is dropped": Mutant(
        "cells/gru.py",
        "d_h * tape.z + times_transposed",
        "times_transposed",
        cell="gru",
    ),
    "the recurrent product forgets the reset": Mutant(
        "cells/gru.py",
        "by_q=by_n * r,",
        "by_q=by_n,",
        cell="gru",
    ),
    "z multiplies the candidate in the backward only": Mutant(
        "cells/gru.py", "by_z=(h_prev - n)", "by_z=(n - h_prev)", cell="gru"
    ),
    "W_n meets h_prev instead of r * h_prev": Mutant(
        "cells/gru_reset_before.py",
        "sum_of_outer(deltas.k, delta_n, w_n)",
        "sum_of_outer(states_prev.h, delta_n, w_n)",
        cell="gru-reset-before",
    ),
    "the reset's path to the state is dropped": Mutant(
        "cells/gru_reset_before.py",
        "d_h_prev = d_h * tape.z + d_k * tape.r",
        "d_h_prev = d_h * tape.z",
        cell="gru-reset-before",
    ),
    # The readout.
    "softmax without minus one-hot": Mutant(
        "readout.py",
        "jnp.where(_one_hot(logits, labels), softmax - 1, softmax)",
        "softmax",
        option="readout",
    ),
    "the sum instead of the mean": Mutant(
        "readout.py",
        "shares = (d_loss / total * weights)",
        "shares = (d_loss * weights)",
        option="readout",
    ),
    "the incoming cotangent is ignored": Mutant(
        "readout.py",
        "shares = (d_loss / total * weights)",
        "shares = (1 / total * weights)",
        option="readout",
    ),
}


def plant(mutant: Mutant, folder: pathlib.Path) -> Any:
    """A copy of the library with the mistake in it, imported under another name."""
    name = f"mutant_{abs(hash(mutant))}"
    copy = folder / name
    source = pathlib.Path(scanrnn.__file__).parent
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    path = copy / mutant.file
    text = path.read_text()
    if text.count(mutant.right) != 1:
        raise LookupError(f"{mutant.right!r} stands not once in {mutant.file}")
    path.write_text(text.replace(mutant.right, mutant.wrong))
    spec = importlib.util.spec_from_file_location(
        name, copy / "__init__.py", submodule_search_locations=[str(copy)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
