"""What a stranger's function is here: somebody's code, and what is known of it.

The code stands in `hands`, a file for each hand. Nothing is registered: a case is the
value of a name in such a file, and `cases` collects them.
"""

import dataclasses
import hashlib
import importlib
import importlib.util
import pathlib
import sys
import tomllib
from collections.abc import Callable
from typing import Any

from strangers.stories import STORIES

Function = Callable[..., Any]
HANDS = pathlib.Path(__file__).parent / "hands"
LEAVES = HANDS.with_name("leaves.toml")
POSTED = HANDS.with_name("posted.toml")


@dataclasses.dataclass(frozen=True, eq=False)
class Stranger:
    """A function of the exercise as it would stand in somebody's file."""

    function: Function
    like: str  # the function of the exercise that it stands for
    cause: str  # what is wrong, in words; how it is written, if nothing is
    story: str  # a key of STORIES, or where the slip comes from, in words
    step: Any = None  # the first wrong one: for all leaves, or by leaf (* for the rest)
    words: tuple[str, ...] = ()  # all of these say the cause, where numbers cannot
    tags: tuple[str, ...] = ()  # double, view, time, ...
    forward: Function | None = None
    convention: str = "course"
    name: str = ""
    leaves: tuple[str, ...] = ()  # that are wrong, from leaves.toml

    def __call__(self, *args: Any) -> Any:
        """So that one function of a file can call another."""
        return self.function(*args)

    def steps(self, leaf: str, T: int) -> tuple[int | None, ...]:
        """What may be called the first wrong step of a leaf; all, if none is known."""
        known = self.step if isinstance(self.step, dict) else {"*": self.step}
        step = known.get(leaf, known.get("*"))
        if step is None or leaf not in self.leaves:
            return (None, *range(T))
        return tuple(t % T for t in (step if isinstance(step, tuple) else (step,)))

    @property
    def hand(self) -> str:
        """Whose file it stands in."""
        return self.name.split(".")[0]

    @property
    def held_out(self) -> bool:
        """Half of the set, by a hash of the name: it measures, rules never see it."""
        return hashlib.sha256(self.name.encode()).digest()[0] % 2 == 1

    @property
    def source(self) -> str:
        """The address where somebody made this mistake, or the story in words."""
        return STORIES[self.story][0] if self.story in STORIES else self.story


def wrong(
    like: str, cause: str, story: str, **more: Any
) -> Callable[[Function], Stranger]:
    """A decorator: a function with a mistake; words parted by &, tags by blanks."""
    more["tags"] = tuple(more.get("tags", "").split())
    more["words"] = tuple(more.get("words", "").split("&")) if "words" in more else ()
    return lambda function: Stranger(function, like, cause, story, **more)


def right(like: str, how: str, **more: Any) -> Callable[[Function], Stranger]:
    """A decorator for a function without a mistake, in a style of its own."""
    more["tags"] = tuple(more.get("tags", "").split())
    return lambda function: Stranger(function, like, how, "right", **more)


def cases(folder: pathlib.Path | None = None) -> list[Stranger]:
    """All of them, named ``hand.function``, in the order of the files.

    Of another folder of hands, leaves that are not in its leaves.toml are left open.
    """
    found, table = [], {}
    path = LEAVES if folder is None else folder / "leaves.toml"
    if path.exists():
        table = tomllib.loads(path.read_text())
    for path in sorted((folder or HANDS).glob("[a-z]*.py")):
        module = _module(path, folder)
        for name, value in vars(module).items():
            if isinstance(value, Stranger):
                leaves = tuple(table.get(path.stem, {}).get(name, "").split(", "))
                found.append(
                    dataclasses.replace(
                        value,
                        name=f"{path.stem}.{name}",
                        leaves=leaves if leaves != ("",) else (),
                    )
                )
    return found


def _module(path: pathlib.Path, folder: pathlib.Path | None) -> Any:
    if folder is None:
        return importlib.import_module(f"strangers.hands.{path.stem}")
    name = f"strangers_elsewhere_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"expected a file of Python, got {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # so that jit and pickle find it
    spec.loader.exec_module(module)
    return module


def mistakes(folder: pathlib.Path | None = None) -> list[Stranger]:
    """Those with a mistake."""
    return [case for case in cases(folder) if case.story != "right"]


def right_ones(folder: pathlib.Path | None = None) -> list[Stranger]:
    """Those without."""
    return [case for case in cases(folder) if case.story == "right"]


def posted() -> list[dict[str, str]]:
    """Numbers as a learner posts them: text, like, the case they are of, the style.

    ``of`` is empty where the numbers are noise, which nothing explains.
    """
    return tomllib.loads(POSTED.read_text())["posted"]
