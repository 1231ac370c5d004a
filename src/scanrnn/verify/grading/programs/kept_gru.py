"""The gated unit back with an example a row: a scratch array, kept of every step."""

from typing import Any

import numpy as np


def gru_backward(dh: Any, cache: Any) -> Any:
    """All steps back; the products are made of what was kept, and kept apart for dx."""
    N, T, H = dh.shape
    Wx, Wh = cache[0][5:]
    kept = []
    kept_x = []
    da = np.zeros((N, 3 * H))
    dprev_h = np.zeros((N, H))
    for t in reversed(range(T)):
        (prev_h, r, z, n) = cache[t][1:5]
        dnext_h = dh[:, t, :] + dprev_h
        da[:, 2 * H :] = dnext_h * (1 - z) * (1 - n**2)
        dk = np.dot(da[:, 2 * H :], Wh[:, 2 * H :].T)
        da[:, :H] = dk * prev_h * r * (1 - r)
        da[:, H : 2 * H] = dnext_h * (prev_h - n) * z * (1 - z)
        dprev_h = dnext_h * z + dk * r + np.dot(da[:, : 2 * H], Wh[:, : 2 * H].T)
        kept.append(da.copy())
        kept_x.append(da.copy())
    da = np.stack(kept[::-1], axis=1)
    da_x = np.stack(kept_x[::-1], axis=1)
    x = np.stack([step[0] for step in cache[:T]], axis=1)
    h = np.stack([step[1] for step in cache[:T]], axis=1)
    rh = np.stack([step[2] * step[1] for step in cache[:T]], axis=1)
    dx = np.einsum("ntg,dg->ntd", da_x, Wx)
    dWx = np.einsum("ntd,ntg->dg", x, da)
    by_gates = np.einsum("nth,ntg->hg", h, da[:, :, : 2 * H])
    dWh = np.concatenate(
        (by_gates, np.einsum("nth,ntg->hg", rh, da[:, :, 2 * H :])), axis=1
    )
    db = np.sum(da, axis=(0, 1))
    return dx, dprev_h, dWx, dWh, db
