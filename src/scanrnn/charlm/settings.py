"""`config.json`: the settings of a run, written before anything else of it.

By them a run that broke off before its first checkpoint is started over. Once there is
a checkpoint its own settings count: where the file says otherwise, the run is not
resumed, unless only by what a run may change on its way (`FREE`).
"""

import dataclasses
import json
import typing
from types import NoneType
from typing import Any

from .checkpoint import read_about
from .config import UNSAID, Config
from .directory import CheckpointError, RunDirectory, write_whole

# Where the corpus lies may change, what it says may not: its digest is compared.
FREE = {"devices", "text", "names"}
KINDS = {str: "a string", int: "a whole number", float: "a number", NoneType: "null"}


def write_settings(run: RunDirectory, config: Config) -> None:
    """Writes them whole, or not at all."""
    write_whole(run.settings, json.dumps(config.as_dict(), indent=1) + "\n")


def settings_of(run: RunDirectory) -> Config:
    """The settings with which a run goes on: of its file, else of its checkpoint.

    Raises:
        CheckpointError: if there are none, or they cannot be used.
    """
    if run.settings.exists():
        return read_settings(run)
    return read_about(run).config


def read_settings(run: RunDirectory) -> Config:
    """What the file says.

    Raises:
        CheckpointError: if it is no JSON object with every setting in it, each of its
            kind and in its range; the setting is named.
    """
    try:
        return config_of(json.loads(run.settings.read_bytes()))
    except (OSError, ValueError) as error:
        why = f"expected JSON, found {error}" if _is_syntax(error) else str(error)
        raise CheckpointError(
            f"cannot use {run.settings}: {why}; {_way_out(run)}"
        ) from (error)


def check_kept(run: RunDirectory, config: Config, checkpoint: Config) -> None:
    """An error if settings are not those of a checkpoint.

    Raises:
        CheckpointError: which setting, and what it must be.
    """
    for name, expected in checkpoint.as_dict().items():
        found = getattr(config, name)
        if name not in FREE and found != expected:
            raise CheckpointError(
                f"cannot use {run.settings}: expected {name} {json.dumps(expected)}, "
                f"as in the checkpoints, found {json.dumps(found)}; a run keeps its "
                "settings: put it back, or begin anew with another --out"
            )


def config_of(content: Any) -> Config:
    """Settings from what JSON says.

    Raises:
        ValueError: if one is missing, unknown, of another kind, or out of its range.

    >>> config_of(Config().as_dict() | {"hidden": "many"})
    Traceback (most recent call last):
    ValueError: expected hidden to be a whole number, found "many"
    """
    if not isinstance(content, dict):
        raise ValueError(f"expected an object of settings, found {json.dumps(content)}")
    content = UNSAID | content
    kinds = typing.get_type_hints(Config)
    for name in content:
        if name not in kinds:
            raise ValueError(f"expected one of {', '.join(kinds)}, found {name!r}")
    for field in dataclasses.fields(Config):
        if field.name not in content:
            raise ValueError(f"expected the setting {field.name}, found none")
        _check_kind(field.name, content[field.name], kinds[field.name])
    return Config(**content)


def _check_kind(name: str, value: Any, kind: Any) -> None:
    kinds = typing.get_args(kind) or (kind,)
    allowed = {*kinds, int} if float in kinds else set(kinds)  # 1 for 1.0
    if type(value) not in allowed:
        expected = " or ".join(KINDS[each] for each in kinds)
        found = json.dumps(value)
        raise ValueError(f"expected {name} to be {expected}, found {found}")


def _is_syntax(error: Exception) -> bool:
    return isinstance(error, json.JSONDecodeError | UnicodeDecodeError)


def _way_out(run: RunDirectory) -> str:
    if run.steps():
        return "put it right, or remove it: the last checkpoint knows its settings"
    return "put it right, or begin anew with another --out"
