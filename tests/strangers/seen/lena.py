"""Lena: comes from PyTorch, calls everything grad_*, chunks, and keeps lists of saved tensors."""

import numpy as np
from strangers.made import right, wrong


def chunk(tensor, n, dim=-1):
    """torch.chunk"""
    return np.split(tensor, n, axis=dim)


def cat(tensors, dim=0):
    """torch.cat"""
    return np.concatenate(tensors, axis=dim)


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def sigmoid_backward(grad_output, output):
    return grad_output * output * (1.0 - output)


def tanh_backward(grad_output, output):
    return grad_output * (1.0 - output * output)


def softmax(logits, dim):
    e = np.exp(logits - logits.max(axis=dim, keepdims=True))
    return e / e.sum(axis=dim, keepdims=True)


# ---------------------------------------------------------------- nn.RNN


@wrong(
    "rnn_cell_backward",
    "no parentheses around 1 - a_next**2: grad * 1 - a_next**2",
    "from memory",
)
def precedence(grad_output, saved_tensors):
    hy, hx, inp, params = saved_tensors
    grad_pre = grad_output * 1.0 - hy**2
    grad_weight_ih = grad_pre @ inp.T
    grad_weight_hh = grad_pre @ hx.T
    grad_bias = grad_pre.sum(axis=1, keepdims=True)
    grad_input = params["Wax"].T @ grad_pre
    grad_hx = params["Waa"].T @ grad_pre
    return {
        "dxt": grad_input,
        "da_prev": grad_hx,
        "dWax": grad_weight_ih,
        "dWaa": grad_weight_hh,
        "dba": grad_bias,
    }


@wrong(
    "rnn_backward",
    "the state's gradient is detached after every second step (truncated BPTT)",
    "the detach of a training script for long texts, left in the backward pass",
    step={"dx": -3},
    tags="time",
)
def detached(grad_output, ctx):
    caches, x = ctx
    bptt = 2
    params = caches[0][-1]
    grad_input = np.zeros_like(x)
    grad_w_ih = np.zeros_like(params["Wax"])
    grad_w_hh = np.zeros_like(params["Waa"])
    grad_bias = np.zeros_like(params["ba"])
    grad_hx = np.zeros_like(caches[0][1])
    for k, saved in enumerate(reversed(caches)):
        t = len(caches) - 1 - k
        hy, hx, inp, _ = saved
        if k > 0 and k % bptt == 0:
            grad_hx = np.zeros_like(grad_hx)  # .detach()
        grad_pre = tanh_backward(grad_output[:, :, t] + grad_hx, hy)
        grad_input[:, :, t] = params["Wax"].T @ grad_pre
        grad_hx = params["Waa"].T @ grad_pre
        grad_w_ih += grad_pre @ inp.T
        grad_w_hh += grad_pre @ hx.T
        grad_bias += grad_pre.sum(axis=1, keepdims=True)
    return {
        "dx": grad_input,
        "da0": grad_hx,
        "dWax": grad_w_ih,
        "dWaa": grad_w_hh,
        "dba": grad_bias,
    }


@wrong(
    "rnn_forward",
    "the state is moved on before the cache is saved, so a_prev in it is a_next",
    "from memory",
)
def saved_too_late(x, a0, parameters):
    hx = a0
    outputs, probs, saved = [], [], []
    for inp in chunk(x, x.shape[2], dim=2):
        inp = inp.squeeze(2)
        hy = np.tanh(
            parameters["Wax"] @ inp + parameters["Waa"] @ hx + parameters["ba"]
        )
        hx = hy
        outputs.append(hy)
        probs.append(softmax(parameters["Wya"] @ hy + parameters["by"], dim=0))
        saved.append((hy, hx, inp, parameters))
    return np.stack(outputs, axis=2), np.stack(probs, axis=2), (saved, x)


def rnn_layer(inp, h_0, w_ih, w_hh, bias):
    states = [h_0]
    for t in range(inp.shape[1]):
        states.append(np.tanh(inp[:, t] @ w_ih + states[-1] @ w_hh + bias))
    return np.stack(states[1:], axis=1), (inp, states, w_ih, w_hh)


@wrong(
    "rnn_backward",
    "tanh' is taken at states[t], but the list begins with h0: it is states[t + 1]",
    "from memory",
    convention="ntd",
    forward=rnn_layer,
    step={"dx": -1},
    tags="time",
)
def list_with_h0(grad_output, saved):
    inp, states, w_ih, w_hh = saved
    grad_inp, grad_w_ih, grad_w_hh = [], 0.0, 0.0
    grad_bias, grad_h = 0.0, np.zeros_like(states[0])
    for t in range(inp.shape[1] - 1, -1, -1):
        grad_h = grad_h + grad_output[:, t]
        grad_pre = tanh_backward(grad_h, states[t])
        grad_inp.insert(0, grad_pre @ w_ih.T)
        grad_w_ih = grad_w_ih + inp[:, t].T @ grad_pre
        grad_w_hh = grad_w_hh + states[t].T @ grad_pre
        grad_bias = grad_bias + grad_pre.sum(0)
        grad_h = grad_pre @ w_hh.T
    return np.stack(grad_inp, axis=1), grad_h, grad_w_ih, grad_w_hh, grad_bias


# ---------------------------------------------------------------- nn.LSTM


def lstm_cell(inp, hx, cx, w_ih, w_hh, bias):
    gates = inp @ w_ih + hx @ w_hh + bias
    i, f, o, g = chunk(gates, 4, dim=1)
    i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
    cy = f * cx + i * g
    tanh_cy = np.tanh(cy)
    hy = o * tanh_cy
    return hy, cy, [inp, hx, cx, w_ih, w_hh, i, f, o, g, tanh_cy]


@wrong(
    "lstm_cell_backward",
    "the gates' gradients are put together in PyTorch's order i, f, g, o",
    "from memory: torch chunks i, f, g, o, the course i, f, o, g",
    convention="ntd",
    forward=lstm_cell,
)
def torch_order(grad_hy, grad_cy, saved_tensors):
    inp, hx, cx, w_ih, w_hh, i, f, o, g, tanh_cy = saved_tensors
    grad_cy = grad_cy + tanh_backward(grad_hy * o, tanh_cy)
    grad_i = sigmoid_backward(grad_cy * g, i)
    grad_f = sigmoid_backward(grad_cy * cx, f)
    grad_o = sigmoid_backward(grad_hy * tanh_cy, o)
    grad_g = tanh_backward(grad_cy * i, g)
    grad_gates = cat([grad_i, grad_f, grad_g, grad_o], dim=1)
    grad_inp = grad_gates @ w_ih.T
    grad_hx = grad_gates @ w_hh.T
    grad_cx = grad_cy * f
    return (
        grad_inp,
        grad_hx,
        grad_cx,
        inp.T @ grad_gates,
        hx.T @ grad_gates,
        grad_gates.sum(0),
    )


def _lstm_gates_backward(grad_hy, grad_cy, saved):
    """grad of the four pre-activations in the order f, i, c, o, and of cx"""
    hy, cy, hx, cx, f, i, g, o, inp, params = saved
    tanh_cy = np.tanh(cy)
    grad_cy = grad_cy + grad_hy * o * (1 - tanh_cy**2)
    return [
        sigmoid_backward(grad_cy * cx, f),
        sigmoid_backward(grad_cy * g, i),
        tanh_backward(grad_cy * i, g),
        sigmoid_backward(grad_hy * tanh_cy, o),
    ], grad_cy * f


@wrong(
    "lstm_backward",
    "the cell's gradient starts from zeros in every step; "
    "and the list of grads of x, made from the end, is stacked without turning it round",
    "from memory",
    tags="double time",
)
def reset_and_reversed(grad_output, saved):
    saved_tensors, x = saved
    params = saved_tensors[0][-1]
    n_h = params["bf"].shape[0]
    grads = {
        f"d{k}": np.zeros_like(params[k]) for g in "fico" for k in (f"W{g}", f"b{g}")
    }
    grad_x_list = []
    grad_hx = np.zeros_like(saved_tensors[0][2])
    for t in range(len(saved_tensors) - 1, -1, -1):
        grad_cx = np.zeros_like(grad_hx)
        _, _, hx, _, _, _, _, _, inp, _ = saved_tensors[t]
        grad_gates, grad_cx = _lstm_gates_backward(
            grad_output[:, :, t] + grad_hx, grad_cx, saved_tensors[t]
        )
        grad_cat = 0
        for name, grad_gate in zip("fico", grad_gates):
            grads[f"dW{name}"] += grad_gate @ cat([hx, inp]).T
            grads[f"db{name}"] += grad_gate.sum(axis=1, keepdims=True)
            grad_cat = grad_cat + params[f"W{name}"].T @ grad_gate
        grad_hx, grad_inp = np.split(grad_cat, [n_h])
        grad_x_list.append(grad_inp)
    return {"dx": np.stack(grad_x_list, axis=2), "da0": grad_hx, **grads}


@wrong(
    "lstm_cell_forward",
    "softmax(dim=1), which is over the batch here",
    "from memory: in torch the classes are in dim 1",
)
def softmax_dim_1(xt, a_prev, c_prev, parameters):
    weight = cat(
        [parameters["Wf"], parameters["Wi"], parameters["Wc"], parameters["Wo"]]
    )
    bias = cat([parameters["bf"], parameters["bi"], parameters["bc"], parameters["bo"]])
    f, i, g, o = chunk(weight @ cat([a_prev, xt]) + bias, 4, dim=0)
    f, i, g, o = sigmoid(f), sigmoid(i), np.tanh(g), sigmoid(o)
    c_next = f * c_prev + i * g
    a_next = o * np.tanh(c_next)
    logits = parameters["Wy"] @ a_next + parameters["by"]
    yt_pred = softmax(logits, dim=1)
    return (
        a_next,
        c_next,
        yt_pred,
        (a_next, c_next, a_prev, c_prev, f, i, g, o, xt, parameters),
    )


@wrong(
    "lstm_cell_backward",
    "the cache is unpacked as f, i, o, g: cct and ot change places",
    "from memory",
)
def unpacked_in_another_order(grad_hy, grad_cy, saved_tensors):
    hy, cy, hx, cx, f, i, o, g, inp, params = saved_tensors
    tanh_cy = np.tanh(cy)
    grad_cell = grad_cy + tanh_backward(grad_hy * o, tanh_cy)
    grad_f = sigmoid_backward(grad_cell * cx, f)
    grad_i = sigmoid_backward(grad_cell * g, i)
    grad_g = tanh_backward(grad_cell * i, g)
    grad_o = sigmoid_backward(grad_hy * tanh_cy, o)
    grad_all = cat([grad_f, grad_i, grad_g, grad_o])
    weight = cat([params["Wf"], params["Wi"], params["Wc"], params["Wo"]])
    grad_hx, grad_inp = np.split(weight.T @ grad_all, [hx.shape[0]])
    gW = chunk(grad_all @ cat([hx, inp]).T, 4, dim=0)
    gb = chunk(grad_all.sum(axis=1, keepdims=True), 4, dim=0)
    return {
        "dxt": grad_inp, "da_prev": grad_hx, "dc_prev": grad_cell * f,
        "dWf": gW[0], "dbf": gb[0],
        "dWi": gW[1], "dbi": gb[1],
        "dWc": gW[2], "dbc": gb[2],
        "dWo": gW[3], "dbo": gb[3],
    }  # fmt: skip


@wrong(
    "lstm_forward",
    "the prediction is made from the cell's state c and not from a",
    "from memory",
)
def decoder_on_c(x, a0, parameters):
    hx, cx = a0, np.zeros_like(a0)
    list_h, list_c, list_y, saved = [], [], [], []
    for t in range(x.shape[2]):
        inp = x[:, :, t]
        both = cat([hx, inp])
        f = sigmoid(parameters["Wf"] @ both + parameters["bf"])
        i = sigmoid(parameters["Wi"] @ both + parameters["bi"])
        g = np.tanh(parameters["Wc"] @ both + parameters["bc"])
        o = sigmoid(parameters["Wo"] @ both + parameters["bo"])
        cy = f * cx + i * g
        hy = o * np.tanh(cy)
        list_y.append(softmax(parameters["Wy"] @ cy + parameters["by"], dim=0))
        list_h.append(hy)
        list_c.append(cy)
        saved.append((hy, cy, hx, cx, f, i, g, o, inp, parameters))
        hx, cx = hy, cy
    return np.stack(list_h, 2), np.stack(list_y, 2), np.stack(list_c, 2), (saved, x)


@wrong(
    "lstm_backward",
    "the buffer of dx is float32",
    "from memory: torch's default dtype",
    words="float32",
)
def half_of_the_bits(grad_output, saved):
    saved_tensors, x = saved
    params = saved_tensors[0][-1]
    weight = cat([params[f"W{k}"] for k in "fico"])
    grad_x = np.zeros(x.shape, dtype=np.float32)
    grad_weight = np.zeros_like(weight)
    grad_bias = np.zeros((weight.shape[0], 1))
    grad_hx = np.zeros_like(saved_tensors[0][2])
    grad_cx = np.zeros_like(grad_hx)
    for t, tensors in reversed(list(enumerate(saved_tensors))):
        hx, inp = tensors[2], tensors[8]
        grad_gates, grad_cx = _lstm_gates_backward(
            grad_hx + grad_output[:, :, t], grad_cx, tensors
        )
        grad_gates = cat(grad_gates)
        grad_weight += grad_gates @ cat([hx, inp]).T
        grad_bias += grad_gates.sum(axis=1, keepdims=True)
        grad_hx, grad_x[:, :, t] = np.split(weight.T @ grad_gates, [hx.shape[0]])
    grads = {"dx": grad_x, "da0": grad_hx}
    for k, gw, gb in zip(
        "fico", chunk(grad_weight, 4, dim=0), chunk(grad_bias, 4, dim=0)
    ):
        grads[f"dW{k}"], grads[f"db{k}"] = gw, gb
    return grads


def lstm_layer_inplace(inp, h_0, w_ih, w_hh, bias):
    h, c = h_0, np.zeros_like(h_0)
    saved_h, saved_gates, saved_c, saved_c_prev = [h_0], [], [], []
    for x_t in chunk(inp, inp.shape[1], dim=1):
        i, f, o, g = chunk(x_t[:, 0] @ w_ih + h @ w_hh + bias, 4, dim=1)
        i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
        saved_c_prev.append(c.copy())
        c *= f  # c.mul_(f).add_(i * g)
        c += i * g
        h = o * np.tanh(c)
        saved_c.append(c)
        saved_h.append(h)
        saved_gates.append((i, f, o, g))
    return np.stack(saved_h[1:], axis=1), [
        inp,
        saved_h,
        saved_c,
        saved_c_prev,
        saved_gates,
        w_ih,
        w_hh,
    ]


@wrong(
    "lstm_backward",
    "c is updated in place, so all saved c of the list are the last one",
    "mul_ and add_ on a saved tensor: autograd would have complained, NumPy does not",
    convention="ntd",
    forward=lstm_layer_inplace,
    tags="view",
)
def inplace_cell(grad_output, saved_tensors):
    inp, saved_h, saved_c, saved_c_prev, saved_gates, w_ih, w_hh = saved_tensors
    grad_h = np.zeros_like(saved_h[0])
    grad_c = np.zeros_like(saved_h[0])
    grad_inp = np.empty_like(inp)
    grad_w_ih, grad_w_hh = np.zeros_like(w_ih), np.zeros_like(w_hh)
    grad_bias = np.zeros(w_ih.shape[1])
    for t in reversed(range(inp.shape[1])):
        i, f, o, g = saved_gates[t]
        tanh_c = np.tanh(saved_c[t])
        grad_h = grad_h + grad_output[:, t]
        grad_c = grad_c + tanh_backward(grad_h * o, tanh_c)
        grad_gates = cat(
            [
                sigmoid_backward(grad_c * g, i),
                sigmoid_backward(grad_c * saved_c_prev[t], f),
                sigmoid_backward(grad_h * tanh_c, o),
                tanh_backward(grad_c * i, g),
            ],
            dim=1,
        )
        grad_inp[:, t] = grad_gates @ w_ih.T
        grad_w_ih += inp[:, t].T @ grad_gates
        grad_w_hh += saved_h[t].T @ grad_gates
        grad_bias += grad_gates.sum(0)
        grad_h, grad_c = grad_gates @ w_hh.T, grad_c * f
    return grad_inp, grad_h, grad_w_ih, grad_w_hh, grad_bias


@right("lstm_backward", "one big weight, gates as chunks, matmuls after the loop")
def one_big_matmul(grad_output, saved):
    saved_tensors, _ = saved
    params = saved_tensors[0][-1]
    weight = cat([params["Wo"], params["Wc"], params["Wi"], params["Wf"]])
    n_h = params["bo"].shape[0]
    grad_hx = grad_cx = 0.0
    list_gates, list_inp = [], []
    for tensors, grad_out in zip(
        saved_tensors[::-1], np.moveaxis(grad_output, 2, 0)[::-1]
    ):
        gates, grad_cx = _lstm_gates_backward(grad_out + grad_hx, grad_cx, tensors)
        gates = cat(gates[::-1])
        grad_hx, grad_inp = np.split(weight.T @ gates, [n_h])
        list_gates.append(gates)
        list_inp.append(grad_inp)
    both = [cat([tensors[2], tensors[8]]) for tensors in saved_tensors[::-1]]
    grad_weight = cat(list_gates, dim=1) @ cat(both, dim=1).T
    grad_bias = cat(list_gates, dim=1).sum(axis=1, keepdims=True)
    out = dict(zip(["dWo", "dWc", "dWi", "dWf"], chunk(grad_weight, 4, dim=0)))
    out.update(zip(["dbo", "dbc", "dbi", "dbf"], chunk(grad_bias, 4, dim=0)))
    return {"dx": np.stack(list_inp[::-1], axis=2), "da0": grad_hx, **out}


# ---------------------------------------------------------------- nn.GRU


def gru_cell(inp, hx, w_ih, w_hh, bias):
    ir, iz, i_n = chunk(inp @ w_ih + bias, 3, dim=1)
    w_hr, w_hz, w_hn = chunk(w_hh, 3, dim=1)
    r = sigmoid(ir + hx @ w_hr)
    z = sigmoid(iz + hx @ w_hz)
    n = np.tanh(i_n + (r * hx) @ w_hn)
    return (1 - z) * n + z * hx, [inp, hx, w_ih, w_hh, r, z, n]


def gru_layer(inp, h_0, w_ih, w_hh, bias):
    hx, output, saved = h_0, [], []
    for t in range(inp.shape[1]):
        hx, tensors = gru_cell(inp[:, t], hx, w_ih, w_hh, bias)
        output.append(hx)
        saved.append(tensors)
    return np.stack(output, axis=1), saved


@wrong(
    "gru_cell_backward",
    "the candidate is taken to be tanh(x Wx + r * (h Wh)), as in torch.nn.GRU, "
    "and not of (r * h) Wh",
    "torch.nn.GRU resets after the product",
    convention="ntd",
    forward=gru_cell,
)
def reset_after(grad_hy, saved_tensors):
    inp, hx, w_ih, w_hh, r, z, n = saved_tensors
    w_hn = chunk(w_hh, 3, dim=1)[2]
    grad_z = sigmoid_backward(grad_hy * (hx - n), z)
    grad_n = tanh_backward(grad_hy * (1 - z), n)
    grad_r = sigmoid_backward(grad_n * (hx @ w_hn), r)
    grad_gi = cat([grad_r, grad_z, grad_n], dim=1)
    grad_gh = cat([grad_r, grad_z, grad_n * r], dim=1)
    grad_hx = grad_hy * z + grad_gh @ w_hh.T
    return grad_gi @ w_ih.T, grad_hx, inp.T @ grad_gi, hx.T @ grad_gh, grad_gi.sum(0)


@wrong(
    "gru_backward",
    "the update gate's gradient has the wrong sign: n - h instead of h - n",
    "from memory",
    convention="ntd",
    forward=gru_layer,
    step={"dx": -1},
)
def update_sign(grad_output, saved):
    grad_hx = np.zeros_like(saved[0][1])
    w_ih, w_hh = saved[0][2], saved[0][3]
    w_hr, w_hz, w_hn = chunk(w_hh, 3, dim=1)
    grad_inp, grad_w_ih, grad_w_hh, grad_bias = [], [], [], []
    for t in range(len(saved) - 1, -1, -1):
        inp, hx, _, _, r, z, n = saved[t]
        grad_hy = grad_hx + grad_output[:, t]
        grad_n = tanh_backward(grad_hy * (1 - z), n)
        grad_z = sigmoid_backward(grad_hy * (n - hx), z)
        grad_rh = grad_n @ w_hn.T
        grad_r = sigmoid_backward(grad_rh * hx, r)
        grad_hx = grad_hy * z + grad_rh * r + grad_r @ w_hr.T + grad_z @ w_hz.T
        grad_gates = cat([grad_r, grad_z, grad_n], dim=1)
        grad_inp.append(grad_gates @ w_ih.T)
        grad_w_ih.append(inp.T @ grad_gates)
        grad_w_hh.append(
            cat([hx.T @ grad_r, hx.T @ grad_z, (r * hx).T @ grad_n], dim=1)
        )
        grad_bias.append(grad_gates.sum(0))
    return (
        np.stack(grad_inp[::-1], 1),
        grad_hx,
        sum(grad_w_ih),
        sum(grad_w_hh),
        sum(grad_bias),
    )


@wrong(
    "gru_backward",
    "the direct path grad * z to the state before is left out; "
    "and the candidate's weights see h and not r * h",
    "from memory",
    convention="ntd",
    forward=gru_layer,
    tags="double",
)
def no_skip_no_reset(grad_output, saved):
    grad_hx = np.zeros_like(saved[0][1])
    _, _, w_ih, w_hh, *_ = saved[0]
    w_hr, w_hz, w_hn = chunk(w_hh, 3, dim=1)
    grad_w_ih, grad_w_hh = np.zeros_like(w_ih), np.zeros_like(w_hh)
    grad_bias = np.zeros(w_ih.shape[1])
    grad_inp = [None] * len(saved)
    for t in reversed(range(len(saved))):
        inp, hx, _, _, r, z, n = saved[t]
        grad_hy = grad_output[:, t] + grad_hx
        grad_z = sigmoid_backward(grad_hy * (hx - n), z)
        grad_n = tanh_backward(grad_hy * (1 - z), n)
        grad_rh = grad_n @ w_hn.T
        grad_r = sigmoid_backward(grad_rh * hx, r)
        grad_hx = grad_rh * r + grad_r @ w_hr.T + grad_z @ w_hz.T
        grad_gates = cat([grad_r, grad_z, grad_n], dim=1)
        grad_inp[t] = grad_gates @ w_ih.T
        grad_w_ih += inp.T @ grad_gates
        grad_w_hh += hx.T @ grad_gates
        grad_bias += grad_gates.sum(0)
    return np.stack(grad_inp, axis=1), grad_hx, grad_w_ih, grad_w_hh, grad_bias


@right(
    "gru_backward",
    "grads of all steps in lists, the weights' by one einsum each after the loop",
    convention="ntd",
    forward=gru_layer,
)
def einsum_after(grad_output, saved):
    w_ih, w_hh = saved[0][2], saved[0][3]
    w_hrz, w_hn = np.split(w_hh, [2 * w_hh.shape[0]], axis=1)
    grad_carry, grad_rz_list, grad_n_list = 0.0, [], []
    for (inp, hx, _, _, r, z, n), grad_out in zip(
        saved[::-1], list(grad_output.swapaxes(0, 1))[::-1]
    ):
        grad_hy = grad_out + grad_carry
        grad_n = (1 - n) * (1 + n) * (grad_hy - grad_hy * z)
        grad_reset_h = grad_n @ w_hn.T
        grad_rz = sigmoid_backward(
            cat([grad_reset_h * hx, grad_hy * (hx - n)], dim=1), cat([r, z], dim=1)
        )
        grad_carry = z * grad_hy + r * grad_reset_h + grad_rz @ w_hrz.T
        grad_rz_list.append(grad_rz)
        grad_n_list.append(grad_n)
    grad_rz, grad_n = np.stack(grad_rz_list[::-1], 1), np.stack(grad_n_list[::-1], 1)
    inp, hx = np.stack([s[0] for s in saved], 1), np.stack([s[1] for s in saved], 1)
    r = np.stack([s[4] for s in saved], 1)
    grad_gates = cat([grad_rz, grad_n], dim=2)
    grad_w_hh = cat(
        [
            np.einsum("nth,ntg->hg", hx, grad_rz),
            np.einsum("nth,ntg->hg", r * hx, grad_n),
        ],
        dim=1,
    )
    return (
        np.einsum("ntg,dg->ntd", grad_gates, w_ih),
        grad_carry,
        np.einsum("ntd,ntg->dg", inp, grad_gates),
        grad_w_hh,
        np.einsum("ntg->g", grad_gates),
    )


# ---------------------------------------------------------------- nn.CrossEntropyLoss


@wrong(
    "readout_backward",
    "y_pred is taken for logits: softmax is applied to it once more",
    "nn.CrossEntropyLoss wants logits and gets probabilities",
)
def softmax_twice(y_pred, labels, a, parameters):
    n_y, m, T = y_pred.shape
    grad_logits = softmax(y_pred, dim=0)
    batch, time = np.meshgrid(np.arange(m), np.arange(T), indexing="ij")
    grad_logits[labels, batch, time] -= 1
    grad_logits /= m * T
    grad_list = [g.squeeze(2) for g in chunk(grad_logits, T, dim=2)]
    a_list = [h.squeeze(2) for h in chunk(a, T, dim=2)]
    return {
        "da": np.stack([parameters["Wya"].T @ g for g in grad_list], axis=2),
        "dWya": sum(g @ h.T for g, h in zip(grad_list, a_list)),
        "dby": sum(g.sum(axis=1, keepdims=True) for g in grad_list),
    }
