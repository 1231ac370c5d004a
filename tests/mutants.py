"""Planted mistakes: one wrong line each, in a copy of the library.

Each mutant is a file, a line as it stands and the line as someone gets it wrong. The
copy is imported under a name of its own, so that the mistake reaches everything the
public face uses. A mutant whose line no longer stands in the file is an error, not a
pass.
"""

import importlib.util
import os
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
    judge: str = "gradient"  # who must see it, of JUDGES in test_mutants.py


MUTANTS = {
    # The two streams, and the order of time.
    "the carry from the next step is dropped": Mutant(
        "engine/backward.py",
        "return (d_prev, d_reset_to, summed), kept",
        "return (zeros, d_reset_to, summed), kept",
        option="plain",
    ),
    "the stream from the outputs is dropped": Mutant(
        "engine/backward.py",
        "h = jax.tree.map(jnp.add, through_time.h, widen(d_outputs))",
        "h = through_time.h",
    ),
    "the output's cotangent replaces the one from time": Mutant(
        "engine/backward.py",
        "h = jax.tree.map(jnp.add, through_time.h, widen(d_outputs))",
        "h = widen(d_outputs)",
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
    "the columns of a tape are cut apart in the other order": Mutant(
        "engine/columns.py",
        "parts = jnp.split(self.array, ends, axis=-1)",
        "parts = jnp.split(self.array, ends, axis=-1)[::-1]",
        judge="accelerated",
    ),
    # The partners of the outer products.
    "W_h meets h_t instead of h_{t-1}": Mutant(
        "engine/scan.py",
        "return choose(task.sequence.resets, task.reset_to, shifted)",
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
        "return choose(task.sequence.resets, task.reset_to, shifted)",
        "return shifted",
    ),
    "a reset restores the given start": Mutant(
        "engine/scan.py",
        "state = choose(reset, task.reset_to, state)",
        "state = choose(reset, task.start, state)",
        option="resets",
    ),
    "what a reset cuts off is forgotten": Mutant(
        "engine/backward.py",
        "as_cotangent(d_reset_to, task.reset_to)",
        "jax.tree.map(jnp.zeros_like, task.reset_to)",
        option="resets",
    ),
    "reset_to is not heard": Mutant(
        "unroll.py",
        'state("reset_to", given.reset_to)',
        'state("reset_to", None)',
        option="resets",
    ),
    "the forward pass ignores a reset": Mutant(
        "engine/scan.py", "state = choose(reset, task.reset_to, state)", "pass"
    ),
    # Blocks.
    "only the last block's weight gradient is kept": Mutant(
        "engine/backward.py",
        "d_params = jax.tree.map(lax.add, d_params, more)",
        "d_params = more",
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
        "view(d_outputs, at, size)",
        "view(d_outputs, 0, size)",
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
        "times_transposed(delta, params.w_h, d_state.h)",
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
    # Cells whose units do not meet, and the way in parallel over time.
    "a unit's own weight is left out on the way back": Mutant(
        "cells/ind_rnn.py",
        "return IndRNNState(_by_unit(params.u, delta)), delta",
        "return IndRNNState(delta), delta",
        cell="ind-rnn",
    ),
    "a unit's own weight meets no state": Mutant(
        "cells/ind_rnn.py",
        "sum_leading(h_prev * deltas.astype(h_prev.dtype))",
        "sum_leading(deltas.astype(h_prev.dtype))",
        cell="ind-rnn",
    ),
    "the update gate forgets what it replaces": Mutant(
        "cells/min_gru.py",
        "(c - state.h) * z * (1 - z)",
        "c * z * (1 - z)",
        cell="min-gru",
    ),
    "the input gate moves the quotient as the forget gate does": Mutant(
        "cells/min_lstm.py", "by_i=-by_q", "by_i=by_q", cell="min-lstm"
    ),
    "a complex cotangent is conjugated for the inputs": Mutant(
        "cells/lru.py", "(d_h.real, -d_h.imag)", "(d_h.real, d_h.imag)", cell="lru"
    ),
    "a complex cotangent is conjugated through time": Mutant(
        "cells/lru.py",
        "beside(_lambda(params), d_h) * d_h",
        "beside(_lambda(params).conj(), d_h) * d_h",
        cell="lru",
    ),
    "the scale of the inputs hears of one half": Mutant(
        "cells/lru.py",
        "gamma=scale * (of_real + of_imag),",
        "gamma=scale * of_real,",
        cell="lru",
    ),
    "in parallel, a skipped step multiplies what passes": Mutant(
        "engine/parallel.py",
        "factor = choose(skips, jax.tree.map(jnp.ones_like, factor), factor)",
        "pass",
        cell="ind-rnn",
        way="parallel",
    ),
    "in parallel, a skipped step has a delta": Mutant(
        "engine/parallel.py",
        "choose(skips, zeros, d_states)",
        "d_states",
        cell="min-gru",
        way="parallel",
    ),
    "in parallel, every step has its own factor": Mutant(
        "engine/parallel.py",
        "_from_next(factor, 1, course), d_outputs",
        "factor, d_outputs",
        cell="lru",
        option="plain",
        way="parallel",
    ),
    "in parallel, a reset cuts behind its step": Mutant(
        "engine/parallel.py",
        "_from_next(resets, False, course)",
        "resets",
        cell="min-lstm",
        way="parallel",
    ),
    "in parallel, what a reset cuts off is lost": Mutant(
        "engine/parallel.py",
        "cut = choose(resets, through_time, zeros)",
        "cut = zeros",
        cell="ind-rnn",
        way="in chunks",
    ),
    "in parallel, a skipped step is walked": Mutant(
        "engine/parallel.py",
        "maps = choose(skips, nothing, Maps(factor, added))",
        "maps = Maps(factor, added)",
        cell="lru",
        way="in chunks",
    ),
    "in parallel, a reset restores the given start": Mutant(
        "engine/parallel.py",
        "maps.of(widen(task.reset_to))",
        "maps.of(widen(task.start))",
        cell="min-gru",
        option="resets",
        way="parallel",
    ),
    "in parallel, the state before the first step is zero": Mutant(
        "engine/recurrences.py",
        "added=choose(is_first, maps.of(entry), maps.added)",
        "added=maps.added",
        cell="min-lstm",
        option="plain",
        way="parallel",
    ),
    "the last chunk is filled with what forgets": Mutant(
        "engine/recurrences.py",
        "IDENTITY = 1, 0, 0",
        "IDENTITY = 0, 0, 0",
        cell="min-gru",
        option="plain",
        way="in chunks",
    ),
    "a chunk is entered with the state behind it": Mutant(
        "engine/recurrences.py",
        "(chunk.of(state), state), entry, chunks",
        "(chunk.of(state), chunk.of(state)), entry, chunks",
        cell="lru",
        option="plain",
        way="in chunks",
    ),
    # Forward mode, and the gradient that JAX makes of it.
    "the tangents of the pre-activations are dropped": Mutant(
        "engine/linearized.py",
        "beside = widen([*d_delta, *d_summed])",
        "beside = jax.tree.map(jnp.zeros_like, widen([*d_delta, *d_summed]))",
        judge="tangents",
    ),
    "a reset does not replace the tangent": Mutant(
        "engine/linearized.py",
        "d_state = choose(reset, d_reset_to, d_state)  # (2)",
        "pass",
        judge="tangents",
    ),
    "a skipped step loses the tangent": Mutant(
        "engine/linearized.py",
        "after = choose(skip, d_state, after)",
        "pass",
        judge="tangents",
    ),
    "the transpose of collect is read at zeros": Mutant(
        "engine/linearized.py",
        "return narrow(deltas, task.start)",
        "return jax.tree.map(jnp.zeros_like, narrow(deltas, task.start))",
        cell="gru-reset-before",
        judge="tangents",
    ),
    "tangents go against the walk": Mutant(
        "engine/linearized.py",
        "reverse=course.reverse,\n            unroll=course.unroll,",
        "reverse=not course.reverse,\n            unroll=course.unroll,",
        way="recomputed",
        judge="tangents",
    ),
    # Curvature.
    "the curvature of the loss is taken for one": Mutant(
        "curvature/of_loss.py", "curve(push(v))", "push(v)", judge="curvature"
    ),
    "damping is forgotten": Mutant(
        "curvature/operator.py",
        "(made.astype(damping.dtype) + more)",
        "made",
        judge="curvature",
    ),
    # The readout.
    "softmax without minus one-hot": Mutant(
        "readout.py",
        "smoothed - (1 - loss.smoothing), smoothed",
        "smoothed, smoothed",
        judge="readout",
    ),
    "the sum instead of the mean": Mutant(
        "readout.py",
        "d_value = d_value / _total(weights)",
        "pass",
        judge="readout",
    ),
    "the incoming cotangent is ignored": Mutant(
        "readout.py",
        "shares = (d_value * weights)",
        "shares = (weights / _total(weights))",
        judge="readout",
    ),
    # The border of a sequence: lengths, masks, padding.
    "lengths are off by one": Mutant(
        "unroll.py", "[:, None] >= ends", "[:, None] > ends", option="lengths"
    ),
    "a mask says what is skipped": Mutant("unroll.py", "return ~flags", "return flags"),
    "a masked step has an output": Mutant(
        "unroll.py",
        "handed_out = choose(asked.task.sequence.skips, zeros, handed_out)",
        "pass",
    ),
    "what padding holds is fed": Mutant(
        "unroll.py", "xs = choose(skips, jnp.zeros_like(xs), xs)", "pass"
    ),
    # Blocks of time.
    "the rest of the blocks is walked at the wrong end": Mutant(
        "engine/blocks.py",
        "    if reverse:\n        carry, rest",
        "    if not reverse:\n        carry, rest",
        way="recomputed",
        option="plain",
    ),
    "the rest of the blocks is joined in front": Mutant(
        "engine/blocks.py",
        "lambda *parts: jnp.concatenate(parts)",
        "lambda *parts: jnp.concatenate(parts[::-1])",
        way="recomputed",
        option="plain",
    ),
    "a block begins at its number": Mutant(
        "engine/blocks.py",
        "body(carry, number * size, size, given)",
        "body(carry, number, size, given)",
        way="recomputed",
        option="plain",
    ),
    "a block is read one step late": Mutant(
        "engine/blocks.py",
        "lax.dynamic_slice_in_dim(leaf, at, size)",
        "lax.dynamic_slice_in_dim(leaf, at + 1, size)",
        way="checkpointed",
        option="plain",
    ),
    "tapes are rebuilt from the states after": Mutant(
        "engine/ways.py",
        "states = part.states_before(states, course)",
        "pass",
        way="recomputed",
        option="plain",
    ),
    "every block is entered from the start of time": Mutant(
        "engine/forward.py",
        "return run(*args, into=Rooms(kept, at)), state",
        "return run(*args, into=Rooms(kept, at)), task.start",
        way="recomputed",
        option="plain",
    ),
    # A batch that is cut over devices; the option is the kind of mesh.
    "weights are not said to vary": Mutant(
        "unroll.py",
        "vary_along(asked.task, varying_axes(asked.task))",
        "asked.task",
        cell="gru",
        option="shard_map",
        judge="sharded",
    ),
    "a weight gradient is not said to lie as the weight": Mutant(
        "engine/products.py",
        "return sharding if sharding.mesh.explicit_axes else None",
        "return None",
        cell="gru",
        option="explicit",
        judge="sharded",
    ),
    "room is made whole on every device": Mutant(
        "engine/mesh.py",
        "if sharding.mesh.explicit_axes else None\n    zeros",
        "if False else None\n    zeros",
        cell="gru",
        option="explicit",
        way="recomputed",
        judge="sharded",
    ),
    "the start state lies whole on every device": Mutant(
        "unroll.py",
        "laid_out(engine, task)",
        "task",
        cell="gru",
        option="explicit",
        judge="sharded",
    ),
    "a spread batch is collected block by block": Mutant(
        "engine/ways.py",
        "return length if is_short or is_joined else",
        "return 4 if is_joined else",
        cell="gru",
        option="auto",
        judge="sharded",
    ),
    "of a cut batch one part alone is summed": Mutant(
        "engine/parts.py",
        "lambda d: d.sum(0)",
        "lambda d: d[0]",
        cell="gru",
        option="explicit",
        way="recomputed",
        judge="sharded",
    ),
    # Feedback.
    "what is fed back has no gradient": Mutant(
        "feedback/cell.py",
        "d_h = d_prev.h + times_transposed(d_y, params.readout.w)  # (10)",
        "d_h = d_prev.h",
        judge="feedback",
    ),
    "a given step hands its gradient to the prediction": Mutant(
        "feedback/cell.py",
        "jnp.where(tape.free, _first(d_x)[..., :size], 0)",
        "_first(d_x)[..., :size]",
        judge="feedback",
    ),
    "what is given has the gradient of what is fed back": Mutant(
        "feedback/cell.py",
        "jnp.where(free, d_y, d_x[..., :size])",
        "d_y",
        judge="feedback",
    ),
    "the softmax's mean is left out": Mutant(
        "feedback/feeds.py", "tape * (d_p - mean)", "tape * d_p", judge="feedback"
    ),
    "the temperature is left out on the way back": Mutant(
        "feedback/feeds.py",
        "(d_p - mean) / self.temperature",
        "(d_p - mean)",
        judge="feedback",
    ),
    # Truncation.
    "an output speaks in every sweep": Mutant(
        "engine/windows.py",
        "d_outputs=jax.tree.map(jnp.zeros_like, walk.d_outputs)",
        "d_outputs=walk.d_outputs",
        judge="windows",
    ),
    "the rest of a window has the wrong length": Mutant(
        "engine/windows.py",
        "sweep(walk, every - rest)",
        "sweep(walk, rest)",
        option="plain",  # resets would hide the step too many
        judge="windows",
    ),
    "what arrives at the start is lost": Mutant(
        "engine/windows.py",
        "lambda x, more: x + more[0], walk.d_start, walk.d_state",
        "lambda x, more: x, walk.d_start, walk.d_state",
        judge="windows",
    ),
    "the final state's gradient waits behind the last step": Mutant(
        "engine/windows.py",
        "group = _last_step(task.sequence, length) // every",
        "group = jnp.asarray(length - 1) // every",
        option="lengths",
        judge="windows",
    ),
    # Adjoints.
    "the total forgets the output": Mutant(
        "adjoints.py",
        "total = join_streams(through_time, d_hs)",
        "total = through_time",
        judge="adjoints",
    ),
    "a masked output is heard": Mutant(
        "adjoints.py",
        "return choose(task.sequence.skips, jnp.zeros_like(d_hs), d_hs), d_final",
        "return d_hs, d_final",
        judge="adjoints",
    ),
    # Bytes that are told.
    "tapes are not counted": Mutant(
        "engine/memory.py",
        "Stored: length * (of.h + of.kept)",
        "Stored: length * of.h",
        judge="bytes",
    ),
    "of the states the outputs alone are counted": Mutant(
        "engine/memory.py",
        "Recomputed: length * of.state",
        "Recomputed: length * of.h",
        way="recomputed",
        judge="bytes",
    ),
    # A run of the character model, broken off and resumed.
    "a run resumes with fresh moments": Mutant(
        "charlm/loop.py",
        "state = read_state(run, about.step, like=state)",
        "state = read_state(run, about.step, like=state)._replace("
        "opt_state=state.opt_state)",
        judge="resumed",
    ),
    "a run resumes at the beginning of its text": Mutant(
        "charlm/loop.py",
        "state = read_state(run, about.step, like=state)",
        "state = read_state(run, about.step, like=state)._replace(cursor=state.cursor)",
        judge="resumed",
    ),
    "a run resumes from the start state": Mutant(
        "charlm/loop.py",
        "state = read_state(run, about.step, like=state)",
        "state = read_state(run, about.step, like=state)._replace(state=state.state)",
        judge="resumed",
    ),
    "steps after the last checkpoint are told twice": Mutant(
        "charlm/loop.py", "run.cut_metrics(origin.step)", "pass", judge="resumed"
    ),
    # What a machine derives.
    "a sign is lost": Mutant(
        "derive/factors.py",
        'return a[1] if a[0] == "neg" else ("neg", a)',
        "return a",
        cell="gru of separate gates",
        judge="derived",
    ),
    "all pieces of a product meet the first rows": Mutant(
        "derive/products.py",
        "at += value.shape[axis]\n",
        "at += 0\n",
        cell="gru of joined inputs",
        judge="derived",
    ),
    "joined products are cut at the same place": Mutant(
        "derive/products.py",
        "zip(group.members, pieces, strict=True)",
        "zip(group.members, pieces[::-1], strict=True)",
        cell="gru of separate gates",
        judge="derived",
    ),
    "a piece of a delta is cut from its beginning": Mutant(
        "derive/emitted.py",
        "p.start, p.stop, axis",
        "0, p.stop - p.start, axis",
        cell="gru of separate gates",
        judge="derived",
    ),
    "a slope is read of the state before": Mutant(
        "derive/cell.py",
        "*(other[i] for i in self.told_after),",
        "*(one[i] for i in self.told_after),",
        cell="attention",
        judge="derived",
    ),
    "a weight that a step hands on is forgotten": Mutant(
        "derive/program.py",
        "env[variable] = env[variable] + next(tap)",
        "next(tap)",
        cell="hands on",
        judge="derived",
    ),
    "what stays in the loop is not summed": Mutant(
        "engine/backward.py",
        "summed = jax.tree.map(jnp.add, summed, more)",
        "summed = more",
        cell="ode",
        judge="derived",
    ),
    "what a sum reads is taken for what a product reads": Mutant(
        "derive/over_time.py",
        "if not needed:",
        "if needed:",
        cell="layer norm",
        judge="derived",
    ),
    "a frontier of the inputs reads what is differentiated": Mutant(
        "derive/over_time.py",
        "lax.stop_gradient(of_inputs[variable])",
        "of_inputs[variable]",
        cell="inputs and state",
        judge="derived",
    ),
    "an output keeps the cotangent of the state": Mutant(
        "derive/cell.py",
        "d_outputs[j] = jnp.zeros_like(d_outputs[j])",
        "pass",
        cell="lstm",
        judge="derived",
    ),
    # Learning online.
    "the influence is carried by the transposed Jacobian": Mutant(
        "online/whole.py",
        "jnp.tensordot(j, p, 1)",
        "jnp.tensordot(j.T, p, 1)",
        cell="rnn",
        option="plain",
        way="RTRL",
        judge="online",
    ),
    "the influence is not carried": Mutant(
        "online/whole.py",
        "[*map(jnp.add, carried[:count], direct), *carried[count:]]",
        "[*direct, *carried[count:]]",
        cell="rnn",
        option="plain",
        way="RTRL",
        judge="online",
    ),
    "what a weight does meets the state after the step": Mutant(
        "online/moment.py",
        "with_time(self.before if before is None else before)",
        "jax.tree.map(lambda leaf: leaf[None, None], self.after)",
        cell="rnn",
        option="plain",
        way="RTRL",
        judge="online",
    ),
    "a reset leaves the influence": Mutant(
        "online/learner.py",
        "blocks = choose(resets, jax.tree.map(jnp.zeros_like, blocks), blocks)",
        "pass",
        cell="gru",
        option="resets",
        way="RTRL",
        judge="online",
    ),
    "the influence of an example that is passed over moves on": Mutant(
        "online/learner.py",
        "after, moved = choose(valid, (after, moved), (state, blocks))",
        "after = choose(valid, after, state)",
        cell="gru",
        option="tokens-all",
        way="RTRL",
        judge="online",
    ),
    "the loss of an example that is passed over is heard": Mutant(
        "online/border.py",
        "choose(memory.valid, widen(d_output), jnp.zeros_like(widen(d_output)))",
        "widen(d_output)",
        cell="rnn",
        option="lengths",
        way="RTRL",
        judge="online",
    ),
    "what is kept after one step is what is kept after two": Mutant(
        "online/structure.py",
        "for _ in range(steps - 1):",
        "for _ in range(steps):",
        cell="lstm",
        option="plain",
        way="SnAp",
        judge="online",
    ),
    "the noise of the state is not that of the params": Mutant(
        "online/rank_one.py",
        "direct = m.collect(m.pull(nu)[1])",
        "direct = m.collect(m.pull(u)[1])",
        cell="rnn",
        option="plain",
        way="UORO",
        judge="online",
    ),
}


def plant(mutant: Mutant, folder: pathlib.Path) -> Any:
    """A copy of the library with the mistake in it, imported under another name."""
    name = f"mutant_{abs(hash(mutant))}"
    copy = folder / name
    source = pathlib.Path(scanrnn.__file__).parent
    # Links, to what Python compiled as well: one file is another, and compiled anew.
    shutil.copytree(source, copy, copy_function=os.symlink)
    path = copy / mutant.file
    text = path.read_text()
    if text.count(mutant.right) != 1:
        raise LookupError(f"{mutant.right!r} stands not once in {mutant.file}")
    path.unlink()
    path.write_text(text.replace(mutant.right, mutant.wrong))
    spec = importlib.util.spec_from_file_location(
        name, copy / "__init__.py", submodule_search_locations=[str(copy)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
