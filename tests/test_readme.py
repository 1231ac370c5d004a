"""What the README shows, runs."""

import pathlib
import re

import jax
import numpy as np

README = (pathlib.Path(__file__).parents[1] / "README.md").read_text()


def test_the_example():
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    names = {}
    exec(code, names)
    for leaf in jax.tree.leaves(names["d_params"]):
        assert np.all(np.isfinite(leaf)) and np.any(leaf != 0)


def test_there_are_two_commands_that_make_their_own_environment():
    commands = re.findall(r"<!-- (train|test) -->\n```sh\n(.*?)\n```", README, re.S)
    assert [name for name, _ in commands] == ["train", "test"]
    for _, command in commands:
        assert command.startswith("python3 -m venv .venv")
