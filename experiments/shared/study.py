"""What the small experiments share: options, progress, training, where pictures go.

An experiment is a script with one question. It draws everything from one seed, shows
where it is, prints its numbers, and saves one picture.
"""

import functools
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import jax
import numpy as np
import optax
import typer
from jax import Array, lax
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console
from rich.progress import track

import scanrnn as sr

Params = TypeVar("Params")

CELLS: dict[str, Callable[[int], sr.Cell]] = {
    "rnn": sr.rnn,
    "gru": sr.gru,
    "lstm": sr.lstm,
}
COLOURS = {"rnn": "C3", "gru": "C0", "lstm": "C2"}

Picture = Annotated[
    Path | None,
    typer.Option(
        help="Where the picture goes; <name of the script>.png by default. A file "
        "that exists is kept: the new one gets a number."
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Of all that is drawn.")]
Seeds = Annotated[int, typer.Option(min=1, help="Runs, each from a seed of its own.")]
Steps = Annotated[int, typer.Option(min=1, help="Updates of a training run.")]

console = Console(width=110, highlight=False, soft_wrap=True)


class Watched(NamedTuple):
    """A training run, told update by update."""

    params: Any
    told: Any  # (steps,) losses, or with has_aux what stood beside them, (steps, ·)
    norms: np.ndarray  # (steps,), of the gradients before they were clipped


def fit(
    loss: Callable[[Params, Array], Any], params: Params, key: Array, **options: Any
) -> tuple[Params, Any]:
    """The params and what is told of a `watch`; the options are those of `watch`."""
    run = watch(loss, params, key, **options)
    return run.params, run.told


def watch(
    loss: Callable[[Any, Array], Any],
    params: Any,
    key: Array,
    *,
    steps: int,
    rate: float | Callable[[Array], Array] = 1e-3,
    clip: float = 1.0,
    chunk: int = 50,
    level: float = -math.inf,
    has_aux: bool = False,
    label: str = "training",
) -> Watched:
    """Adam with clipping by the global norm; many updates per dispatch.

    Runs of the same ``loss`` (the same function, not a like one) compile once.

    Args:
        loss: params, key -> a number. It draws its batch from the key.
        steps: updates; they run in chunks of at most ``chunk`` as one program.
        rate: the learning rate, or a schedule of optax.
        level: training ends with the first chunk whose mean loss is below it.
        has_aux: whether loss returns a pair, as for `jax.value_and_grad`.
        label: what the progress bar says.

    Returns:
        The trained params; the loss before every update, (steps,) or fewer, with
        has_aux what stood beside it instead; the norms of the gradients.
    """
    optimiser, advance = _training(loss, rate, clip, has_aux)
    carry = jax.tree.map(jax.numpy.copy, (params, optimiser.init(params)))
    keys, seen = jax.random.split(key, steps), []
    starts = range(0, steps, chunk)
    for at in track(starts, label, console=console, transient=True):
        carry, told = advance(carry, keys[at : at + chunk])
        seen.append(jax.tree.map(np.asarray, told))
        if not has_aux and seen[-1][0].mean() < level:
            break
    return Watched(carry[0], *jax.tree.map(lambda *parts: np.concatenate(parts), *seen))


@functools.lru_cache(maxsize=8)
def _training(
    loss: Callable[[Any, Array], Any],
    rate: float | Callable[[Array], Array],
    clip: float,
    has_aux: bool,
) -> tuple[optax.GradientTransformation, Any]:
    """The optimiser, and the program that runs a chunk of updates."""
    optimiser = optax.chain(optax.clip_by_global_norm(clip), optax.adam(rate))

    def update(carry: Any, key: Array) -> Any:
        params, state = carry
        told, d_params = jax.value_and_grad(loss, has_aux=has_aux)(params, key)
        updates, state = optimiser.update(d_params, state, params)
        told = told[1] if has_aux else told
        after = optax.apply_updates(params, updates), state
        return after, (told, optax.tree.norm(d_params))

    return optimiser, jax.jit(functools.partial(lax.scan, update), donate_argnums=0)


def figure(
    rows: int = 1, columns: int = 1, *, width: float = 9.0, height: float = 4.5
) -> tuple[Figure, Any]:
    """An empty figure, without a window; and its axes."""
    drawing = sheet(width, height, dpi=110)
    return drawing, drawing.subplots(rows, columns)


def sheet(width: float, height: float, dpi: int) -> Figure:
    """A figure without axes."""
    drawing = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(drawing)
    return drawing


def save(drawing: Figure, picture: Path | None, name: str) -> Path:
    """Writes a figure as PNG and says where; never over a file that exists."""
    path = _free(picture or Path(name).with_suffix(".png"))
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = io.BytesIO()
    drawing.savefig(pixels, dpi="figure", format="png")
    # A drawing has few colours: by a palette it takes a third of the bytes.
    Image.open(pixels).convert("RGB").quantize(128).save(path, "PNG", optimize=True)
    console.print(f"picture  {path}")
    return path


def _free(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free
