"""Small corpora and runs that the tests of the character model share."""

import dataclasses
import os
import random
import subprocess
import sys
from pathlib import Path

from scanrnn.charlm import Config, RunDirectory, fit
from scanrnn.charlm.events import Event

SCRIPT = Path(__file__).parents[1] / "experiments" / "char_lm.py"
TINY = Config(
    hidden=7,
    batch=3,
    window=11,
    steps=40,
    learning_rate=0.02,
    dropout=0.1,
    evaluations=2,
    samples=0,
    checkpoints=4,
)


def write_text(directory: Path, characters: int = 3000) -> str:
    """A text in which what follows depends on what came before."""
    words = random.Random(1)
    text = " ".join(
        words.choice(("the cat sat", "a dog ran", "no bird flew")) + words.choice(".,!")
        for _ in range(characters // 8)
    )
    path = directory / "corpus.txt"
    path.write_text(text[:characters], encoding="utf-8")
    return str(path)


def write_names(directory: Path, count: int = 150) -> str:
    letters = random.Random(2)
    names = {
        "".join(letters.choice("abc") + letters.choice("xyz") for _ in range(length))
        for length in (letters.randint(1, 4) for _ in range(3 * count))
    }
    path = directory / "names.txt"
    path.write_text("\n".join(sorted(names)[:count]), encoding="utf-8")
    return str(path)


def tiny(text: str, **changes: object) -> Config:
    return dataclasses.replace(TINY, text=text, **changes)


def train(path: Path, config: Config | None, resume: bool = False) -> list[Event]:
    return list(fit(RunDirectory(path), config, resume))


def without_time(run: RunDirectory) -> list[dict[str, object]]:
    return [
        {name: value for name, value in line.items() if name != "seconds"}
        for line in run.read_metrics()
    ]


def start(*words: object, cwd: Path, **options: object) -> subprocess.Popen[str]:
    """The script in a process of its own."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "COLUMNS": "99",
    }
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, words)],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
