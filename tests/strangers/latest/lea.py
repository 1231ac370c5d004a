"""Lea comes from PyTorch: hx, cx, stacked gates, chunk; writes by hand what autograd does. Batch first."""

import numpy as np
from strangers.made import right, wrong


def chunk(t, k, dim=1):
    return np.split(t, k, axis=dim)


def cat(ts, dim=1):
    return np.concatenate(ts, axis=dim)


def sigmoid(t):
    return 0.5 * (1 + np.tanh(0.5 * t))


# ------------------------------------------------------------------ nn.RNN, batch_first


class Ctx:
    """what ctx.save_for_backward would keep"""

    def __init__(self, **saved):
        self.__dict__.update(saved)


def rnn_cell(input, hx, w_ih, w_hh, bias):
    hy = np.tanh(input @ w_ih + hx @ w_hh + bias)
    return hy, Ctx(input=input, hx=hx, hy=hy, w_ih=w_ih, w_hh=w_hh)


def rnn(input, hx, w_ih, w_hh, bias):
    out, ctxs = [], []
    for step in range(input.shape[1]):
        hx, ctx = rnn_cell(input[:, step], hx, w_ih, w_hh, bias)
        out.append(hx)
        ctxs.append(ctx)
    return np.stack(out, axis=1), ctxs


@wrong(
    "rnn_cell_backward",
    "the slope is that of a relu: 1 where the output is positive",
    "from memory",
    convention="ntd",
    forward=rnn_cell,
)
def rnn_cell_relu_slope(grad_hy, ctx):
    grad = grad_hy * (ctx.hy > 0)
    return (
        grad @ ctx.w_ih.T,
        grad @ ctx.w_hh.T,
        ctx.input.T @ grad,
        ctx.hx.T @ grad,
        grad.sum(0),
    )


@wrong(
    "rnn_backward",
    "dWh is in the layout of weight_hh, (out, in): transposed here",
    "from memory",
    step={"dWh": -1},
    convention="ntd",
    forward=rnn,
)
def rnn_weight_hh_layout(grad_out, ctxs):
    N, T, H = grad_out.shape
    w_ih, w_hh = ctxs[0].w_ih, ctxs[0].w_hh
    grad_in = np.empty((N, T, w_ih.shape[0]))
    g_ih, g_hh, g_b = np.zeros_like(w_ih), np.zeros_like(w_hh), np.zeros(H)
    grad_h = np.zeros((N, H))
    for step in reversed(range(T)):
        c = ctxs[step]
        grad = (grad_h + grad_out[:, step]) * (1 - c.hy**2)
        grad_in[:, step] = grad @ w_ih.T
        g_ih += c.input.T @ grad
        g_hh += grad.T @ c.hx
        g_b += grad.sum(0)
        grad_h = grad @ w_hh.T
    return grad_in, grad_h, g_ih, g_hh, g_b


@right(
    "rnn_cell_backward",
    "as an autograd Function would be written",
    convention="ntd",
    forward=rnn_cell,
)
def rnn_cell_function(grad_hy, ctx):
    grad = grad_hy - grad_hy * ctx.hy**2
    return (
        grad @ ctx.w_ih.T,
        grad @ ctx.w_hh.T,
        ctx.input.T @ grad,
        ctx.hx.T @ grad,
        grad.sum(0),
    )


# ------------------------------------------------------------------ nn.LSTM, batch_first; columns i f o g here


def lstm_cell(input, hx, cx, w_ih, w_hh, bias):
    gates = input @ w_ih + hx @ w_hh + bias
    ai, af, ao, ag = chunk(gates, 4)
    i, f, o, g = sigmoid(ai), sigmoid(af), sigmoid(ao), np.tanh(ag)
    cy = f * cx + i * g
    hy = o * np.tanh(cy)
    return hy, cy, Ctx(**locals())


def lstm(input, hx, w_ih, w_hh, bias):
    cx = np.zeros_like(hx)
    out, ctxs = [], []
    for step in range(input.shape[1]):
        hx, cx, ctx = lstm_cell(input[:, step], hx, cx, w_ih, w_hh, bias)
        out.append(hx)
        ctxs.append(ctx)
    return np.stack(out, axis=1), ctxs


def lstm_cell_grad(grad_hy, grad_cy, c):
    tc = np.tanh(c.cy)
    grad_c = grad_cy + grad_hy * c.o * (1 - tc**2)
    gates = cat(
        [
            grad_c * c.g * c.i * (1 - c.i),
            grad_c * c.cx * c.f * (1 - c.f),
            grad_hy * tc * c.o * (1 - c.o),
            grad_c * c.i * (1 - c.g**2),
        ]
    )
    return (
        gates @ c.w_ih.T,
        gates @ c.w_hh.T,
        grad_c * c.f,
        c.input.T @ gates,
        c.hx.T @ gates,
        gates.sum(0),
    )


@wrong(
    "lstm_cell_backward",
    "the candidate's slope squares the pre-activation that was saved, not its tanh",
    "from memory",
    convention="ntd",
    forward=lstm_cell,
)
def lstm_cell_saved_preactivation(grad_hy, grad_cy, c):
    tc = np.tanh(c.cy)
    grad_o = grad_hy * tc
    grad_c = grad_cy + grad_hy * c.o * (1 - tc**2)
    grad_i, grad_f, grad_g = grad_c * c.g, grad_c * c.cx, grad_c * c.i
    gates = cat(
        [
            grad_i * c.i * (1 - c.i),
            grad_f * c.f * (1 - c.f),
            grad_o * c.o * (1 - c.o),
            grad_g * (1 - c.ag**2),
        ]
    )
    return (
        gates @ c.w_ih.T,
        gates @ c.w_hh.T,
        grad_c * c.f,
        c.input.T @ gates,
        c.hx.T @ gates,
        gates.sum(0),
    )


@wrong(
    "lstm_cell_backward",
    "the tanh is that of cx, the cell's state before the step, for the output gate and for the slope",
    "from memory",
    convention="ntd",
    forward=lstm_cell,
)
def lstm_cell_tanh_of_cx(grad_hy, grad_cy, c):
    tc = np.tanh(c.cx)
    grad_o = grad_hy * tc
    grad_c = grad_cy + grad_hy * c.o * (1 - tc**2)
    grad_i, grad_f, grad_g = grad_c * c.g, grad_c * c.cx, grad_c * c.i
    gates = cat(
        [
            grad_i * c.i * (1 - c.i),
            grad_f * c.f * (1 - c.f),
            grad_o * c.o * (1 - c.o),
            grad_g * (1 - c.g**2),
        ]
    )
    return (
        gates @ c.w_ih.T,
        gates @ c.w_hh.T,
        grad_c * c.f,
        c.input.T @ gates,
        c.hx.T @ gates,
        gates.sum(0),
    )


@wrong(
    "lstm_backward",
    "the gradients accumulate as .grad does and are then added up again at each step",
    "from memory",
    step={"dWx": -2, "dWh": -2, "db": -2},
    convention="ntd",
    forward=lstm,
)
def lstm_sums_of_sums(grad_out, ctxs):
    N, T, H = grad_out.shape
    w_ih, w_hh = ctxs[0].w_ih, ctxs[0].w_hh
    grad_in = np.empty((N, T, w_ih.shape[0]))
    grad = {"w_ih": 0, "w_hh": 0, "bias": 0}
    total = {"w_ih": 0, "w_hh": 0, "bias": 0}
    grad_h, grad_c = np.zeros((N, H)), np.zeros((N, H))
    for step in reversed(range(T)):
        grad_in[:, step], grad_h, grad_c, *ws = lstm_cell_grad(
            grad_out[:, step] + grad_h, grad_c, ctxs[step]
        )
        for name, w in zip(grad, ws):
            grad[name] = grad[name] + w
            total[name] = total[name] + grad[name]
    return grad_in, grad_h, total["w_ih"], total["w_hh"], total["bias"]


# the exercise's layout, with the weights stacked as she is used to


def stack_exercise(p):
    return cat([p["Wf"], p["Wi"], p["Wc"], p["Wo"]], dim=0)


@wrong(
    "lstm_cell_backward",
    "the weights are stacked f, i, c, o and the gates' gradients i, f, g, o: mixed for da_prev and dxt",
    "from memory",
)
def lstm_cell_two_stacks(da_next, dc_next, cache):
    hy, cy, hx, cx, f, i, g, o, xt, p = cache
    H = hy.shape[0]
    tc = np.tanh(cy)
    grad_c = dc_next + da_next * o * (1 - tc**2)
    gates = cat(
        [
            grad_c * g * i * (1 - i),
            grad_c * cx * f * (1 - f),
            grad_c * i * (1 - g**2),
            da_next * tc * o * (1 - o),
        ],
        dim=0,
    )
    back = stack_exercise(p).T @ gates
    dW = gates @ cat([hx, xt], dim=0).T
    db = gates.sum(1, keepdims=True)
    dWi, dWf, dWc, dWo = chunk(dW, 4, dim=0)
    dbi, dbf, dbc, dbo = chunk(db, 4, dim=0)
    return dict(
        dxt=back[H:],
        da_prev=back[:H],
        dc_prev=grad_c * f,
        dWf=dWf,
        dbf=dbf,
        dWi=dWi,
        dbi=dbi,
        dWc=dWc,
        dbc=dbc,
        dWo=dWo,
        dbo=dbo,
    )


@wrong(
    "lstm_backward",
    "weights' and biases' gradients are divided by the batch size, as if the loss were a mean",
    "from memory",
)
def lstm_loss_mean(da, caches):
    ctxs, x = caches
    H, N, T = da.shape
    p = ctxs[0][-1]
    W = stack_exercise(p)
    dW, db = np.zeros_like(W), np.zeros((4 * H, 1))
    dx = np.empty_like(x)
    grad_h, grad_c = np.zeros((H, N)), np.zeros((H, N))
    for step in reversed(range(T)):
        hy, cy, hx, cx, f, i, g, o, xt, _ = ctxs[step]
        grad_h = grad_h + da[:, :, step]
        tc = np.tanh(cy)
        grad_c = grad_c + grad_h * o * (1 - tc**2)
        gates = cat(
            [
                grad_c * cx * f * (1 - f),
                grad_c * g * i * (1 - i),
                grad_c * i * (1 - g**2),
                grad_h * tc * o * (1 - o),
            ],
            dim=0,
        )
        dW += gates @ cat([hx, xt], dim=0).T
        db += gates.sum(1, keepdims=True)
        grad_h, dx[:, :, step] = (W.T @ gates)[:H], (W.T @ gates)[H:]
        grad_c = grad_c * f
    out = {"dx": dx, "da0": grad_h}
    for k, w, b in zip("fico", chunk(dW, 4, dim=0), chunk(db, 4, dim=0)):
        out["dW" + k] = w / N
        out["db" + k] = b / N
    return out


# ------------------------------------------------------------------ nn.GRU, batch_first; columns r z n


def gru_cell(input, hx, w_ih, w_hh, bias):
    i_r, i_z, i_n = chunk(input @ w_ih + bias, 3)
    w_r, w_z, w_n = chunk(w_hh, 3)
    r = sigmoid(i_r + hx @ w_r)
    z = sigmoid(i_z + hx @ w_z)
    n = np.tanh(i_n + (r * hx) @ w_n)
    hy = n + z * (hx - n)
    return hy, Ctx(input=input, hx=hx, hy=hy, r=r, z=z, n=n, w_ih=w_ih, w_hh=w_hh)


def gru(input, hx, w_ih, w_hh, bias):
    out, ctxs = [], []
    for step in range(input.shape[1]):
        hx, ctx = gru_cell(input[:, step], hx, w_ih, w_hh, bias)
        out.append(hx)
        ctxs.append(ctx)
    return np.stack(out, axis=1), ctxs


def gru_out_saved(input, hx, w_ih, w_hh, bias):
    out, ctxs = gru(input, hx, w_ih, w_hh, bias)
    return out, (out, hx, ctxs)


def gru_cell_grad(grad_hy, c):
    w_r, w_z, w_n = chunk(c.w_hh, 3)
    g_n = grad_hy * (1 - c.z) * (1 - c.n**2)
    g_z = grad_hy * (c.hx - c.n) * c.z * (1 - c.z)
    g_rh = g_n @ w_n.T
    g_r = g_rh * c.hx * c.r * (1 - c.r)
    gates = cat([g_r, g_z, g_n])
    grad_hx = grad_hy * c.z + g_rh * c.r + g_r @ w_r.T + g_z @ w_z.T
    return (
        gates @ c.w_ih.T,
        grad_hx,
        c.input.T @ gates,
        cat([c.hx.T @ g_r, c.hx.T @ g_z, (c.r * c.hx).T @ g_n]),
        gates.sum(0),
    )


@wrong(
    "gru_cell_backward",
    "the reset gate stands after the product, r * (h W), as in nn.GRU; here the forward pass has (r * h) W",
    "from memory",
    convention="ntd",
    forward=gru_cell,
)
def gru_cell_as_in_torch(grad_hy, c):
    w_r, w_z, w_n = chunk(c.w_hh, 3)
    h_n = c.hx @ w_n
    g_n = grad_hy * (1 - c.z) * (1 - c.n**2)
    g_z = grad_hy * (c.hx - c.n) * c.z * (1 - c.z)
    g_r = g_n * h_n * c.r * (1 - c.r)
    g_hn = g_n * c.r
    gates = cat([g_r, g_z, g_n])
    hidden = cat([g_r, g_z, g_hn])
    return (
        gates @ c.w_ih.T,
        grad_hy * c.z + hidden @ c.w_hh.T,
        c.input.T @ gates,
        c.hx.T @ hidden,
        gates.sum(0),
    )


@wrong(
    "gru_cell_backward",
    "gates' gradients are stacked z, r, n on columns r, z, n",
    "from memory",
    convention="ntd",
    forward=gru_cell,
)
def gru_cell_z_first(grad_hy, c):
    w_r, w_z, w_n = chunk(c.w_hh, 3)
    g_n = grad_hy * (1 - c.z) * (1 - c.n**2)
    g_z = grad_hy * (c.hx - c.n) * c.z * (1 - c.z)
    g_rh = g_n @ w_n.T
    g_r = g_rh * c.hx * c.r * (1 - c.r)
    gates = cat([g_z, g_r, g_n])
    grad_hx = (
        grad_hy * c.z + g_rh * c.r + gates[:, : 2 * c.hx.shape[1]] @ cat([w_r, w_z]).T
    )
    dw_hh = cat([c.hx.T @ g_z, c.hx.T @ g_r, (c.r * c.hx).T @ g_n])
    return gates @ c.w_ih.T, grad_hx, c.input.T @ gates, dw_hh, gates.sum(0)


@wrong(
    "gru_cell_backward",
    "the reset gate's gradient is multiplied with hy, the new state, in place of hx",
    "from memory",
    convention="ntd",
    forward=gru_cell,
)
def gru_cell_hy_for_hx(grad_hy, c):
    w_r, w_z, w_n = chunk(c.w_hh, 3)
    g_n = grad_hy * (1 - c.z) * (1 - c.n**2)
    g_z = grad_hy * (c.hx - c.n) * c.z * (1 - c.z)
    g_rh = g_n @ w_n.T
    g_r = g_rh * c.hy * c.r * (1 - c.r)
    gates = cat([g_r, g_z, g_n])
    grad_hx = grad_hy * c.z + g_rh * c.r + g_r @ w_r.T + g_z @ w_z.T
    dw_hh = cat([c.hx.T @ g_r, c.hx.T @ g_z, (c.r * c.hx).T @ g_n])
    return gates @ c.w_ih.T, grad_hx, c.input.T @ gates, dw_hh, gates.sum(0)


@wrong(
    "gru_backward",
    "the states before the steps are read from the outputs without shifting: h_t in place of h_(t-1)",
    "from memory",
    step=-1,
    convention="ntd",
    forward=gru_out_saved,
)
def gru_outputs_not_shifted(grad_out, saved):
    out, h0, ctxs = saved
    N, T, H = grad_out.shape
    w_ih, w_hh = ctxs[0].w_ih, ctxs[0].w_hh
    grad_in = np.empty((N, T, w_ih.shape[0]))
    ws = [np.zeros_like(w_ih), np.zeros_like(w_hh), np.zeros(3 * H)]
    grad_h = np.zeros((N, H))
    for step in reversed(range(T)):
        c = ctxs[step]
        here = Ctx(
            input=c.input, hx=out[:, step], r=c.r, z=c.z, n=c.n, w_ih=w_ih, w_hh=w_hh
        )
        grad_in[:, step], grad_h, *more = gru_cell_grad(
            grad_out[:, step] + grad_h, here
        )
        ws = [a + b for a, b in zip(ws, more)]
    return (grad_in, grad_h, *ws)


@wrong(
    "gru_backward",
    "the state is detached between the steps: each step gets its own gradient only",
    "from memory",
    step=-2,
    convention="ntd",
    forward=gru,
)
def gru_detached(grad_out, ctxs):
    N, T, H = grad_out.shape
    grad_in = np.empty((N, T, ctxs[0].w_ih.shape[0]))
    g_ih, g_hh, g_b = 0, 0, 0
    for step in range(T):
        grad_in[:, step], grad_hx, a, b, c = gru_cell_grad(
            grad_out[:, step], ctxs[step]
        )
        g_ih, g_hh, g_b = g_ih + a, g_hh + b, g_b + c
        if step == 0:
            grad_h0 = grad_hx
    return grad_in, grad_h0, g_ih, g_hh, g_b


@wrong(
    "gru_backward",
    "two: db is the sum for bias_ih and bias_hh, so twice, and the reset gate's own path to h_(t-1) is missing",
    "from memory",
    convention="ntd",
    forward=gru,
)
def gru_two_biases_and_reset_path(grad_out, ctxs):
    N, T, H = grad_out.shape
    w_ih, w_hh = ctxs[0].w_ih, ctxs[0].w_hh
    w_r, w_z, w_n = chunk(w_hh, 3)
    grad_in = np.empty((N, T, w_ih.shape[0]))
    g_ih, g_hh, g_bih, g_bhh = (
        np.zeros_like(w_ih),
        np.zeros_like(w_hh),
        np.zeros(3 * H),
        np.zeros(3 * H),
    )
    grad_h = np.zeros((N, H))
    for step in reversed(range(T)):
        c = ctxs[step]
        g = grad_out[:, step] + grad_h
        g_n = g * (1 - c.z) * (1 - c.n**2)
        g_z = g * (c.hx - c.n) * c.z * (1 - c.z)
        g_rh = g_n @ w_n.T
        g_r = g_rh * c.hx * c.r * (1 - c.r)
        gates = cat([g_r, g_z, g_n])
        grad_in[:, step] = gates @ w_ih.T
        g_ih += c.input.T @ gates
        g_hh += cat([c.hx.T @ g_r, c.hx.T @ g_z, (c.r * c.hx).T @ g_n])
        g_bih += gates.sum(0)
        g_bhh += gates.sum(0)
        grad_h = g * c.z + g_rh * c.r + g_z @ w_z.T
    return grad_in, grad_h, g_ih, g_hh, g_bih + g_bhh


@right(
    "gru_backward",
    "autograd's bookkeeping, one step at a time",
    convention="ntd",
    forward=gru,
)
def gru_function(grad_out, ctxs):
    N, T, H = grad_out.shape
    grad_in = np.empty((N, T, ctxs[0].w_ih.shape[0]))
    ws = [0, 0, 0]
    grad_h = np.zeros((N, H))
    for step in reversed(range(T)):
        grad_in[:, step], grad_h, *more = gru_cell_grad(
            grad_out[:, step] + grad_h, ctxs[step]
        )
        ws = [a + b for a, b in zip(ws, more)]
    return (grad_in, grad_h, *ws)
