"""What the README shows, runs."""

import pathlib
import re

import jax
import numpy as np

README = (pathlib.Path(__file__).parents[2] / "README.md").read_text()


def test_the_example():
    first, uses, _ = re.findall(r"```python\n(.*?)```", README, re.S)
    names = {}
    exec(first, names)
    exec(uses, names)
    assert names["d_states"].total.c.shape == names["outputs"].shape
    for leaf in jax.tree.leaves(names["d_params"]):
        assert np.all(np.isfinite(leaf)) and np.any(leaf != 0)


def test_the_posted_numbers_are_explained_as_shown(capsys):
    *_, second = re.findall(r"```python\n(.*?)```", README, re.S)
    (shown,) = re.findall(r"```text\n(.*?)```", README, re.S)
    exec(second, {})
    printed = " ".join(capsys.readouterr().out.split())
    for part in " ".join(shown.split()).split(" ... "):
        assert part in printed


def test_there_are_two_commands_that_make_their_own_environment():
    commands = re.findall(r"<!-- (train|test) -->\n```sh\n(.*?)\n```", README, re.S)
    assert [name for name, _ in commands] == ["train", "test"]
    for _, command in commands:
        assert command.startswith("python3 -m venv .venv")
