"""What `names.py` learns: names of four small grammars, and whether one obeys them."""

import itertools
import re
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

LETTERS = ".abcdefghijklmnopqrstuvwxyz"  # the dot ends a name, and begins it
LONGEST = 17  # letters of the longest name, and its end


class Grammar(NamedTuple):
    """One to three stems, then an ending; every choice is equally likely."""

    stems: tuple[str, ...]
    endings: tuple[str, ...]

    def pattern(self) -> re.Pattern[str]:
        stems, endings = map("|".join, self)
        return re.compile(f"({stems}){{1,3}}({endings})")


def _grammar(stems: str, endings: str) -> Grammar:
    return Grammar(tuple(stems.split()), tuple(endings.split()))


GRAMMARS = {
    "northern": _grammar(
        "bjo sig thor ulf hal gun ras ing ei tor", "rik mund dis var heim"
    ),
    "southern": _grammar("ma lo gi ra ste fio pa ti vi be", "ni llo ssa rdi tti"),
    "woodland": _grammar("ae lin thi gal mir elo nau cel", "driel las wen dor rond"),
    "machine": _grammar("zex qua vek tro bit nul kro dax", "on ex tron id us"),
}


class Data(NamedTuple):
    """Names as tokens, each with its label; from the first dot to the last."""

    tokens: Array  # (N, LONGEST + 1)
    labels: Array  # (N,)


def draw_names(grammar: Grammar, count: int, rng: np.random.Generator) -> list[str]:
    """``count`` names that differ from one another."""
    names: dict[str, None] = {}
    while len(names) < count:
        stems = rng.choice(grammar.stems, rng.integers(1, 4))
        names["".join((*stems, rng.choice(grammar.endings)))] = None
    return list(names)


def encode(names: list[list[str]]) -> Data:
    """Tokens and labels of the names of every label."""
    rows = [f".{name}".ljust(LONGEST + 1, ".") for name in itertools.chain(*names)]
    tokens = [[LETTERS.index(letter) for letter in row] for row in rows]
    labels = [label for label, group in enumerate(names) for _ in group]
    return Data(jnp.asarray(tokens), jnp.asarray(labels))


def decode(tokens: Any) -> list[list[str]]:
    """Names up to their dot; one without a dot keeps all its letters and a "?"."""
    rows = [["".join(LETTERS[t] for t in row) for row in rows] for rows in tokens]
    return [
        [row.split(".")[0] if "." in row else row + "?" for row in rows]
        for rows in rows
    ]


def judge(made: list[list[str]], known: list[list[str]]) -> tuple[float, ...]:
    """Of names made for every label, four shares.

    Those that obey the grammar of their label; the same, of the label where it is
    least; those that obey another grammar; and those that obey and are not known.
    """
    patterns = [grammar.pattern() for grammar in GRAMMARS.values()]
    obeys = np.array(
        [[[bool(p.fullmatch(name)) for p in patterns] for name in row] for row in made]
    )
    own = np.stack([obeys[label, :, label] for label in range(len(made))])
    other = obeys.any(-1) & ~own
    fresh = np.array(
        [
            [name not in names for name in row]
            for row, names in zip(made, map(set, known), strict=True)
        ]
    )
    return own.mean(), own.mean(-1).min(), other.mean(), (own & fresh).mean()
