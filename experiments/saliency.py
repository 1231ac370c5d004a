"""Which characters of a prompt move the next prediction?

    python experiments/saliency.py [--prompt TEXT] [--run DIR]

The cotangent dx of the inputs says. Tokens have none, so the characters go in as
floats, one-hot (T, B, V), and `sr.unroll` gives dx of that shape. With f the
log-probability of the likeliest next character, x the prompt and x̄ a prompt whose
every character is the average one (the frequencies of the text):

    gradient                ‖∂f/∂xₜ‖
    gradient x input        ⟨∂f/∂xₜ, xₜ − x̄ₜ⟩
    integrated gradients    ⟨∫₀¹ ∂f/∂xₜ (x̄ + a (x − x̄)) da, xₜ − x̄ₜ⟩

The third sums to f(x) − f(x̄) over all steps (completeness: Sundararajan, Taly and Yan
2017, arXiv 1703.01365); the sum is printed beside it. Two tests ask whether the
numbers mean anything: characters are replaced, those with the largest number first;
and where the next character closes a quotation, the opening one must stand out.

Answer, on CPython's own texts and 200 held-out prompts of 48 characters: replacing the
one character that integrated gradients rank first costs the prediction 3.1 nats, a
random one 0.1. The character read last costs 2.7, so that test alone says little
beyond recency. The quotations say more: in 98% of 90 cases the opening mark has the
largest integrated gradient before the last three characters (gradient x input 93%,
the gradient's norm 48%, T forward passes of occlusion 91%, chance 2%). The largest gap
in completeness is 1e-4 nats with 64 points. The default run takes 54 s of CPU time.
"""

from typing import Annotated

import jax.numpy as jnp
import numpy as np
import typer
from attribution.methods import attributions, completeness, controls, question
from attribution.pictures import draw, strip
from attribution.trials import ask_quotations, deletion
from rich.table import Table
from rich.text import Text
from shared.reader import Hidden, Reader, Run, load_reader, train_reader
from shared.study import Picture, Seed, Steps, console, save

import scanrnn as sr

PROMPT = 'If the module is not found, an "ImportError'


def explain(reader: Reader, prompt: str) -> dict[str, np.ndarray]:
    """One prompt on the screen, by all methods; returns their numbers (T,)."""
    tokens = jnp.asarray(reader.vocabulary.encode(prompt))[:, None]
    asked = question(reader, tokens)
    every = attributions(reader, asked)
    total, change = completeness(reader, asked, every["integrated gradients"])
    character = reader.vocabulary.decode([int(asked.targets[0])])
    console.print(
        f"next     {character!r} with probability {np.exp(asked.before[0]):.2f}"
    )
    for name, values in every.items():
        console.print(Text(f"{name:>20}  "), strip(prompt, values[:, 0]), sep="")
        largest = np.argsort(-values[:, 0])[:5]
        named = ", ".join(f"{prompt[t]!r} {values[t, 0]:+.2f}" for t in largest)
        console.print(f"{'':>20}  largest: {named}", style="dim")
    console.print(
        f"completeness of this prompt: attributions sum to {total[0]:+.5f}, "
        f"f(x) - f(baseline) is {change[0]:+.5f} nats"
    )
    return {name: values[:, 0] for name, values in every.items()}


def show_table(
    counts: list[int], losses: dict[str, list[float]], found: dict[str, float]
) -> None:
    """What the two tests say of every method."""
    table = Table(title="lost log-probability, nats, where the k largest are replaced")
    table.add_column("by")
    for k in counts:
        table.add_column(f"k = {k}", justify="right")
    table.add_column("opening mark found", justify="right")
    for name, values in losses.items():
        share = f"{found[name]:.0%}" if name in found else "-"
        table.add_row(name, *(f"{value:.2f}" for value in values), share)
    console.print(table)


def main(
    prompt: Annotated[str, typer.Option(help="What is read.")] = PROMPT,
    run: Run = None,
    steps: Steps = 1000,
    hidden: Hidden = 192,
    count: Annotated[int, typer.Option(min=1, help="Held-out prompts, B.")] = 200,
    length: Annotated[int, typer.Option(min=8, help="Characters each, T.")] = 48,
    seed: Seed = 0,
    picture: Picture = None,
) -> None:
    """Explains a prompt by dx, and tests the explanation on held-out ones."""
    if not prompt:
        raise typer.BadParameter("expected a prompt of at least one character")
    reader = load_reader(run) if run else train_reader(sr.gru(hidden), steps, seed)
    try:
        rows = explain(reader, prompt)
    except ValueError as error:  # a character that the model never saw
        raise typer.BadParameter(str(error)) from error

    asked = question(reader, reader.excerpts(length, count, seed))
    by_gradient = attributions(reader, asked)
    total, change = completeness(reader, asked, by_gradient["integrated gradients"])
    console.print(
        f"completeness of {count} held-out prompts: largest gap "
        f"{np.abs(total - change).max():.1e} nats, of changes up to "
        f"{np.abs(change).max():.1f}"
    )
    every = by_gradient | controls(asked.tokens.shape, seed)
    counts = [k for k in (1, 2, 4, 8, 16, 32) if k < length]
    losses = deletion(reader, asked, every, counts, seed)
    found = ask_quotations(reader, length, seed)
    show_table(counts, losses, found)
    save(draw(prompt, rows, losses, found), picture, "saliency")


if __name__ == "__main__":
    typer.run(main)
