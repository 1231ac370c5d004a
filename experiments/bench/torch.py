"""torch: value and gradient of nn.RNN, GRU and LSTM, and the training step.

On a CPU with all cores, on a GPU with cuDNN. Tokens are looked up in the rows of an
identity matrix, which is its quickest way to one-hot vectors.
"""

import os
from typing import Any

import jax
import numpy as np
from shared.study import CELLS

from .cases import (
    BETAS,
    CLIP,
    EPSILON,
    FIRST,
    RATE,
    Answer,
    Case,
    Problem,
    Start,
)
from .contestants import Contestant, Ready

QUIET_S = 0.02  # its threads spin for a while after a call


def contestants(case: Case) -> list[Contestant]:
    """torch on this case; ImportError if it is missing."""
    use_all_cores()
    import torch

    module = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
    name = f"torch {module[case.cell].__name__}"

    def build(problem: Problem) -> Ready:
        return ready(problem, module[case.cell](case.X, case.H))

    cell = CELLS[case.cell](case.H)
    return [Contestant(name, "torch", build, cell, as_it_comes=True)]


def use_all_cores() -> None:
    """ImportError if torch is missing."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)


def device() -> Any:
    """The GPU where JAX has one, too."""
    import torch

    on_gpu = jax.default_backend() == "gpu" and torch.cuda.is_available()
    return torch.device("cuda" if on_gpu else "cpu")


def ready(problem: Problem, net: Any) -> Ready:
    """A module with the params of the problem, and its step."""
    import torch
    from torch.nn.functional import embedding

    case = problem.case
    at = device()
    dtype = getattr(torch, case.dtype)
    net = net.to(at, dtype)
    fill(net, case, problem.params)
    xs = tensor(problem.xs).to(at)
    weights = tensor(problem.weights).to(at)
    inputs = None if case.tokens else xs.requires_grad_()
    rows = torch.eye(case.X, dtype=dtype, device=at)  # one-hot vectors

    def call() -> Any:
        net.zero_grad(set_to_none=True)
        if inputs is not None:
            inputs.grad = None
        given = embedding(xs, rows) if inputs is None else inputs
        loss = (net(given)[0] * weights).sum()
        loss.backward()
        if at.type == "cuda":
            torch.cuda.synchronize()
        return loss

    def answer() -> Answer:
        loss = call().item()
        d_xs = None if inputs is None else array(inputs.grad)
        return Answer(loss, gradients(net, case, problem.params), d_xs)

    return Ready(call, answer, None, None, QUIET_S if at.type == "cpu" else 0.0)


def fill(net: Any, case: Case, params: Any) -> None:
    """Our params into a module; its second bias is zero but for b_hn."""
    import torch

    second = np.zeros_like(params.b)
    if case.cell == "gru":
        second[2 * case.H :] = params.b_hn
    values = {
        "weight_ih_l0": params.w_x.T,
        "weight_hh_l0": params.w_h.T,
        "bias_ih_l0": params.b,
        "bias_hh_l0": second,
    }
    with torch.no_grad():
        for name, value in values.items():
            getattr(net, name).copy_(tensor(value))


def gradients(net: Any, case: Case, params: Any) -> Any:
    """The gradients of a module, in our layout."""
    d = [net.weight_ih_l0.grad.T, net.weight_hh_l0.grad.T, net.bias_ih_l0.grad]
    if case.cell == "gru":
        d.append(net.bias_hh_l0.grad[2 * case.H :])
    return type(params)(*map(array, d))


def tensor(value: np.ndarray) -> Any:
    """A tensor of its own; NumPy's bfloat16 goes through float32."""
    import torch

    if np.dtype(value.dtype).name == "bfloat16":
        return torch.tensor(value.astype(np.float32)).to(torch.bfloat16)
    return torch.tensor(np.ascontiguousarray(value))


def array(value: Any) -> np.ndarray:
    """A tensor as a NumPy array."""
    found: np.ndarray = value.detach().float().cpu().numpy().copy()
    return found


def trainer(case: Case, start: Start) -> Ready:
    """torch.nn.LSTM and Linear, clip_grad_norm_ and the fused AdamW."""
    import torch
    from torch.nn.functional import cross_entropy, embedding

    at = device()
    net, dense = torch.nn.LSTM(case.X, case.H), torch.nn.Linear(case.H, case.X)
    fill(net, case, start.cell)
    net.bias_hh_l0.requires_grad_(False)
    with torch.no_grad():
        dense.weight.copy_(tensor(start.w.T))
        dense.bias.copy_(tensor(start.b))
    net, dense = net.to(at), dense.to(at)
    tokens = tensor(start.tokens).long().to(at)
    labels = tensor(start.labels).long().to(at).flatten()
    rows = torch.eye(case.X, device=at)
    params = [p for m in (net, dense) for p in m.parameters() if p.requires_grad]
    adamw = torch.optim.AdamW(
        params, lr=RATE, betas=BETAS, eps=EPSILON, weight_decay=0.0, fused=True
    )

    def call() -> Any:
        adamw.zero_grad(set_to_none=True)
        hs = net(embedding(tokens, rows))[0]
        loss = cross_entropy(dense(hs).flatten(0, 1), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, CLIP)
        adamw.step()
        return loss.item()  # waits for a GPU

    def answer() -> np.ndarray:
        return np.array([call() for _ in range(FIRST)])

    return Ready(call, answer, None, None, QUIET_S if at.type == "cpu" else 0.0)
