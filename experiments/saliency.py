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

import re
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import typer
from jax import Array, lax
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from rich.table import Table
from rich.text import Text
from shared.reader import Hidden, Reader, Run, load_reader, train_reader
from shared.study import Picture, Seed, Steps, console, figure, save

import scanrnn as sr

PROMPT = 'If the module is not found, an "ImportError'
POINTS = 64  # of the integral; 32 leave a gap of 0.03 nats in the worst of 200 prompts
DRAWS = 4  # characters tried in the place of one
SHADE = 0.4  # of 0.5: black stays legible on the darkest
NEAR = 3  # the last characters; what stands out must lie before them
QUOTATION = re.compile(r'"[\w.]{4,30}"')
STYLES = {
    "gradient": "C1",
    "gradient x input": "C0",
    "integrated gradients": "C3",
    "occlusion": "C2",
    "the last ones": "0.45",
    "random": "0.75",
}


class Question(NamedTuple):
    """Prompts, and the prediction that is asked about."""

    tokens: Array  # (T, B)
    targets: Array  # (B,), the likeliest next characters
    before: Array  # (B,), their log-probabilities


def question(reader: Reader, tokens: Array) -> Question:
    """Which next character is likeliest, and how likely."""
    last = reader.log_probabilities(tokens)[-1]
    return Question(tokens, last.argmax(-1), last.max(-1))


def predict(reader: Reader, xs: Array, targets: Array) -> Array:
    """f: inputs (T, B, V) or (T, B), targets (B,) -> log-probabilities (B,)."""
    last = reader.log_probabilities(xs)[-1]
    return jnp.take_along_axis(last, targets[:, None], -1)[:, 0]


def d_inputs(reader: Reader, xs: Array, targets: Array) -> Array:
    """dx, (T, B, V): the derivative of every f by its own inputs."""
    return jax.grad(lambda xs: predict(reader, xs, targets).sum())(xs)


def integrated_gradients(
    reader: Reader, xs: Array, baseline: Array, targets: Array, points: int = POINTS
) -> Array:
    """⟨the mean of dx on the way from the baseline, xs − baseline⟩, (T, B).

    The integral is a Gauss-Legendre sum, which converges faster than any power of
    the number of points where f is smooth.
    """
    nodes, weights = np.polynomial.legendre.leggauss(points)

    def add(total: Array, node: tuple[Array, Array]) -> tuple[Array, None]:
        at, weight = node
        between = baseline + at * (xs - baseline)
        return total + weight * d_inputs(reader, between, targets), None

    on_unit = (jnp.float32((nodes + 1) / 2), jnp.float32(weights / 2))
    mean, _ = lax.scan(add, jnp.zeros_like(xs), on_unit)
    return jnp.sum(mean * (xs - baseline), -1)


def occlusion(reader: Reader, xs: Array, baseline: Array, targets: Array) -> Array:
    """What f loses where one character becomes the average: T forward passes.

    Source: Zeiler and Fergus 2014, arXiv 1311.2901.
    """
    before = predict(reader, xs, targets)

    def without(step: Array) -> Array:
        return before - predict(reader, xs.at[step].set(baseline[step]), targets)

    return lax.map(without, jnp.arange(len(xs)))


def attributions(reader: Reader, asked: Question) -> dict[str, np.ndarray]:
    """One number per character, (T, B), by each method; the largest matter most."""

    @jax.jit
    def compute(tokens: Array, targets: Array) -> dict[str, Array]:
        xs = jax.nn.one_hot(tokens, reader.vocabulary.size)
        baseline = jnp.broadcast_to(reader.frequencies(), xs.shape)
        d_xs = d_inputs(reader, xs, targets)
        return {
            "gradient": jnp.linalg.norm(d_xs, axis=-1),
            "gradient x input": jnp.sum(d_xs * (xs - baseline), -1),
            "integrated gradients": integrated_gradients(reader, xs, baseline, targets),
            "occlusion": occlusion(reader, xs, baseline, targets),
        }

    return jax.tree.map(np.asarray, compute(asked.tokens, asked.targets))


def completeness(
    reader: Reader, asked: Question, attributed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The sum of the attributions, and f(x) − f(baseline): both (B,)."""
    shape = (*asked.tokens.shape, reader.vocabulary.size)
    baseline = jnp.broadcast_to(reader.frequencies(), shape)
    change = asked.before - predict(reader, baseline, asked.targets)
    return attributed.sum(0), np.asarray(change)


def controls(shape: tuple[int, ...], seed: int) -> dict[str, np.ndarray]:
    """What needs no gradient: the characters read last, and any."""
    length, count = shape
    places = np.broadcast_to(np.arange(length)[:, None], (length, count))
    return {
        "the last ones": places.astype(np.float32),
        "random": np.random.default_rng(seed).random(shape, np.float32),
    }


def deletion(
    reader: Reader,
    asked: Question,
    attributed: dict[str, np.ndarray],
    counts: list[int],
    seed: int,
) -> dict[str, list[float]]:
    """What f loses where the k largest are replaced by characters drawn anew.

    Returns:
        By method, for every k the mean over prompts and draws, in nats.
    """
    key, chances = jax.random.key(seed), reader.frequencies()
    drawn = jax.random.choice(
        key, len(chances), (DRAWS, *asked.tokens.shape), p=chances
    )

    @jax.jit
    def loss(rank: Array, k: int) -> Array:
        def once(drawn: Array) -> Array:
            changed = jnp.where(rank < k, drawn, asked.tokens)
            return jnp.mean(asked.before - predict(reader, changed, asked.targets))

        return lax.map(once, drawn).mean()

    ranks = {n: np.argsort(np.argsort(-a, 0), 0) for n, a in attributed.items()}
    return {n: [float(loss(r, k)) for k in counts] for n, r in ranks.items()}


def quotations(reader: Reader, length: int) -> tuple[Array, np.ndarray]:
    """Held-out prompts before a quotation closes, and where it opens.

    Returns:
        Tokens (T, B) and the step of the opening quotation mark (B,), at least `NEAR`
        characters before the last.
    """
    text = reader.corpus.held_out
    found = [
        (match.end() - 1, length - (match.end() - 1 - match.start()))
        for match in QUOTATION.finditer(text)
        if match.end() > length and match.end() - 1 - match.start() <= length
    ]
    rows = [reader.vocabulary.encode(text[end - length : end]) for end, _ in found]
    tokens = np.array(rows, np.int32).reshape(-1, length).T
    return jnp.asarray(tokens), np.array([opening for _, opening in found], int)


def found_openings(
    attributed: dict[str, np.ndarray], openings: np.ndarray
) -> dict[str, float]:
    """How often the opening mark is the largest before the last `NEAR` characters."""
    return {
        name: float((values[:-NEAR].argmax(0) == openings).mean())
        for name, values in attributed.items()
    }


def ask_quotations(reader: Reader, length: int, seed: int) -> dict[str, float]:
    """`found_openings` where the model does expect the closing mark; prints them."""
    tokens, openings = quotations(reader, length)
    if not len(openings):
        console.print("no quotation in the held-out text")
        return {}
    asked = question(reader, tokens)
    mark = int(reader.vocabulary.encode('"')[0])
    expected = np.asarray(asked.targets) == mark
    console.print(
        f"{len(openings)} quotations held out; the model closes {expected.sum()}"
    )
    if not expected.any():
        return {}
    asked = question(reader, tokens[:, expected])
    every = attributions(reader, asked) | controls(asked.tokens.shape, seed)
    return found_openings(every, openings[expected])


def colours(values: np.ndarray) -> list[str]:
    """Red where a character makes the prediction likelier, blue where less likely."""
    largest = np.abs(values).max() or 1.0
    shades = colormaps["coolwarm"](0.5 + SHADE * values / largest)
    return [to_hex(shade) for shade in shades]


def visible(character: str) -> str:
    """A newline is seen as an arrow."""
    return character.replace("\n", "↵")


def strip(prompt: str, values: np.ndarray) -> Text:
    """A prompt for the terminal, every character on its colour."""
    text = Text()
    for character, colour in zip(prompt, colours(values), strict=True):
        text.append(visible(character), style=f"black on {colour}")
    return text


def draw_strips(axes: Any, prompt: str, rows: dict[str, np.ndarray]) -> None:
    """The same for the picture: one row per method."""
    size = min(11.0, 620 / len(prompt))
    for row, values in enumerate(rows.values()):
        for step, colour in enumerate(colours(values)):
            axes.add_patch(Rectangle((step, -row - 0.9), 1, 0.8, color=colour))
            axes.text(
                step + 0.5,
                -row - 0.52,
                visible(prompt[step]),
                family="monospace",
                size=size,
                ha="center",
                va="center",
            )
    axes.set(xlim=(0, len(prompt)), ylim=(-len(rows), 0))
    axes.set_title(
        "red: makes the prediction likelier, blue: less likely; "
        "the gradient is a magnitude",
        fontsize=10,
    )
    axes.set_xlabel("characters of the prompt, one step of time each")
    axes.set_xticks([])
    axes.set_yticks([-0.5 - row for row in range(len(rows))], list(rows))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


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


def draw(
    prompt: str,
    rows: dict[str, np.ndarray],
    counts: list[int],
    losses: dict[str, list[float]],
    far: dict[str, np.ndarray],
    found: dict[str, float],
) -> Any:
    """The prompt in colours; below it what is lost, reached and found."""
    drawing, axes = figure(2, 3, width=13, height=7.2)
    for unused in axes[0]:
        unused.remove()
    draw_strips(drawing.add_subplot(axes[0, 0].get_gridspec()[0, :]), prompt, rows)
    drawing.suptitle(headline(losses, found))
    draw_losses(axes[1, 0], counts, losses)
    draw_reach(axes[1, 1], far)
    draw_found(axes[1, 2], found)
    return drawing


def headline(losses: dict[str, list[float]], found: dict[str, float]) -> str:
    """What was found, in the measured numbers."""
    name = "integrated gradients"
    first = (
        f"Replacing the character that {name} rank first costs {losses[name][0]:.1f} "
        f"nats, a random one {losses['random'][0]:.1f}"
    )
    if name not in found:
        return first
    return (
        f"{first};\nbefore a closing quotation mark they point at the opening one in "
        f"{found[name]:.0%} of cases"
    )


def draw_losses(axes: Any, counts: list[int], losses: dict[str, list[float]]) -> None:
    """What the prediction loses, against how many characters were replaced."""
    for name, values in losses.items():
        axes.plot(counts, values, "o-", color=STYLES[name], label=name, markersize=4)
    axes.set(
        title="The largest are replaced first",
        xlabel="characters replaced",
        ylabel="lost log-probability, nats",
        xscale="log",
        xticks=counts,
        xticklabels=counts,
    )
    axes.minorticks_off()
    axes.set_ylim(top=1.6 * axes.get_ylim()[1])
    axes.legend(fontsize=7, ncols=2, loc="upper left", columnspacing=1)


def draw_reach(axes: Any, far: dict[str, np.ndarray]) -> None:
    """How much of all attribution lies how far back."""
    for name, values in far.items():
        share = np.abs(values).mean(1)[::-1] / np.abs(values).mean(1).sum()
        steps = np.arange(1, len(share) + 1)
        axes.plot(steps, share, color=STYLES[name], label=name)
    axes.set(
        title="How far back it reaches",
        xlabel="characters before the prediction",
        ylabel="share of all attribution (magnitudes)",
        xscale="log",
        yscale="log",
    )
    axes.legend(fontsize=8)


def draw_found(axes: Any, found: dict[str, float]) -> None:
    """How often the mark that opened the quotation stands out."""
    names = list(found)[::-1]
    values = [100 * found[name] for name in names]
    bars = axes.barh(names, values, color=[STYLES[name] for name in names])
    axes.bar_label(bars, fmt="%.0f %%", padding=3)
    axes.set(
        title=f"The opening mark is the largest\nof all but the last {NEAR}",
        xlabel="share of quotations, %",
        xlim=(0, 125),
    )


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
    save(draw(prompt, rows, counts, losses, by_gradient, found), picture, "saliency")


if __name__ == "__main__":
    typer.run(main)
