"""torch.nn.RNN, GRU and LSTM: value and gradient, on all cores or on the GPU."""

import os
from typing import Any

import jax
import numpy as np
from _study import CELLS
from bench_cases import Answer, Case, Problem
from bench_contestants import Contestant, Ready

QUIET_S = 0.02  # its threads spin for a while after a call


def contestants(case: Case) -> list[Contestant]:
    """torch on this case; ImportError if it is missing."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    module = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
    name = f"torch {module[case.cell].__name__}"

    def build(problem: Problem) -> Ready:
        return ready(problem, module[case.cell](case.X, case.H))

    return [Contestant(name, "torch", build, CELLS[case.cell](case.H))]


def ready(problem: Problem, net: Any) -> Ready:
    """A module with the params of the problem, and its step."""
    import torch
    from torch.nn.functional import one_hot

    case = problem.case
    on_gpu = jax.default_backend() == "gpu" and torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    dtype = getattr(torch, case.dtype)
    net = net.to(device, dtype)
    fill(net, case, problem.params)
    xs = tensor(problem.xs).to(device)
    weights = tensor(problem.weights).to(device)
    inputs = None if case.tokens else xs.requires_grad_()

    def call() -> Any:
        net.zero_grad(set_to_none=True)
        if inputs is not None:
            inputs.grad = None
        given = one_hot(xs.long(), case.X).to(dtype) if inputs is None else inputs
        loss = (net(given)[0] * weights).sum()
        loss.backward()
        if on_gpu:
            torch.cuda.synchronize()
        return loss

    def answer() -> Answer:
        loss = call().item()
        d_xs = None if inputs is None else array(inputs.grad)
        return Answer(loss, gradients(net, case, problem.params), d_xs)

    return Ready(call, answer, None, None, 0.0 if on_gpu else QUIET_S)


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
