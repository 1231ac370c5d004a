"""What runs in the child: it loads a stranger's program and calls its functions.

This file is run as a script and imports nothing of the library, so that it starts in a
tenth of a second. It talks through what were its standard input and output; the
program's own output goes elsewhere, and its input is empty.

A message is a line of JSON with its length before it, then the bytes of its arrays.
Arrays, numbers, text, lists, tuples and dictionaries cross; another object stays in the
child and only its type and a number cross, by which it can be handed in again.
"""

import contextlib
import importlib.util
import inspect
import io
import linecache
import os
import sys
import time
import traceback
import types
import warnings
from collections.abc import Callable

# By their own names, so that a program that changes the modules changes none of these.
from json import dumps, loads
from struct import pack, unpack, unpack_from
from typing import Any, BinaryIO

import numpy as np
from numpy import asarray, ascontiguousarray, dtype, frombuffer, generic, ndarray

LARGEST = 1 << 28  # bytes of a message
DEEPEST = 40  # lists in lists

Plain = Any  # what JSON can hold


def encode(tree: Any, keep: Callable[[Any], int] | None = None) -> bytes:
    """A tree as bytes.

    >>> decode(encode({"a": (1, ["two", None])}))
    {'a': (1, ['two', None])}
    """
    arrays: list[bytes] = []
    text = dumps(_down(tree, arrays, keep, 0)).encode()
    return b"".join((pack("<QQ", len(text), sum(map(len, arrays))), text, *arrays))


def _down(
    tree: Any, arrays: list[bytes], keep: Callable[[Any], int] | None, depth: int
) -> Plain:
    def inner(part: Any) -> Plain:
        return _down(part, arrays, keep, depth + 1)

    if tree is None or isinstance(tree, bool | str) or type(tree) is int:
        return ["v", tree]
    if depth < DEEPEST and isinstance(tree, dict):
        return ["d", [[inner(key), inner(value)] for key, value in tree.items()]]
    if depth < DEEPEST and isinstance(tree, list | tuple):
        return ["l" if isinstance(tree, list) else "t", [inner(part) for part in tree]]
    array = tree
    if not isinstance(tree, ndarray | generic) and _is_array(tree):
        with contextlib.suppress(Exception):
            array = asarray(tree.detach() if hasattr(tree, "detach") else tree)
    if isinstance(array, float | complex):
        array = asarray(array)
    if isinstance(array, ndarray) and array.dtype.name == "bfloat16":
        array = array.astype(np.float64)
    if isinstance(array, ndarray | generic) and array.dtype.kind in "fiubc":
        array = asarray(array)
        arrays.append(ascontiguousarray(array).tobytes())
        scalar = not isinstance(tree, ndarray) and array.ndim == 0
        return ["a", array.dtype.str, list(array.shape), scalar]
    if keep is None:
        raise TypeError(f"expected arrays and plain values, got {type(tree).__name__}")
    return ["o", keep(tree), type(tree).__name__]


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") and hasattr(value, "dtype")


class Kept:
    """An object that stays in the child: its number there, and its type's name."""

    def __init__(self, number: int, name: str) -> None:
        self.number, self.name = number, name


def decode(message: bytes, held: dict[int, Any] | None = None) -> Any:
    """A tree from bytes; what does not hold together raises `ValueError`."""
    size, rest = unpack_from("<QQ", message)
    if 16 + size + rest != len(message):
        raise ValueError("a message of another length")
    buffer = memoryview(message)[16 + size :]
    tree, used = _up(loads(message[16 : 16 + size]), buffer, 0, held)
    if used != rest:
        raise ValueError("a message with bytes left over")
    return tree


def _up(
    plain: Plain, buffer: memoryview, at: int, held: dict[int, Any] | None
) -> tuple[Any, int]:
    kind = plain[0]
    if kind == "v":
        return plain[1], at
    if kind == "d":
        found = {}
        for key, value in plain[1]:
            name, at = _up(key, buffer, at, held)
            found[name], at = _up(value, buffer, at, held)
        return found, at
    if kind in "lt":
        parts = []
        for part in plain[1]:
            value, at = _up(part, buffer, at, held)
            parts.append(value)
        return (parts if kind == "l" else tuple(parts)), at
    if kind == "o":
        number, name = int(plain[1]), str(plain[2])
        return (held[number] if held is not None else Kept(number, name)), at
    of = dtype(plain[1])
    if of.kind not in "fiubc" or kind != "a":
        raise ValueError("a message of an unknown kind")
    shape = [int(n) for n in plain[2]]
    size = of.itemsize
    for n in shape:
        size *= n
    array = frombuffer(buffer[at : at + size], of).reshape(shape).copy()
    if plain[3]:
        return array[()], at + size
    return array, at + size


def receive(stream: BinaryIO) -> bytes:
    """The next message; empty at the end of the stream."""
    head = stream.read(16)
    if len(head) < 16:
        return b""
    size = sum(unpack("<QQ", head))
    if size > LARGEST:
        raise ValueError(f"a message of {size} bytes")
    body = stream.read(size)
    return head + body if len(body) == size else b""


def _beside(name: str) -> Any:
    """A file of this folder, which is on nobody's path."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_VARIANTS = _beside("variants")


class Program:
    """The stranger's program, and what it returned that could not cross."""

    def __init__(self) -> None:
        self.space: dict[str, Any] = {}
        self.held: dict[int, Any] = {}
        self.files: set[str] = set()

    def keep(self, value: Any) -> int:
        self.held[len(self.held)] = value
        return len(self.held) - 1

    def load(
        self, units: list[tuple[str, str]], folder: str, stand_ins: dict[str, str]
    ) -> dict[str, Any]:
        """Runs sources, each under its file's name; tells what they define."""
        module = types.ModuleType("graded")
        sys.modules["graded"] = module
        self.space = vars(module)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        for name, source in stand_ins.items():
            if importlib.util.find_spec(name) is None:
                sys.modules[name] = types.ModuleType(name)
                exec(source, vars(sys.modules[name]))
        failure = ended = ""
        try:
            for name, source in units:
                self.files.add(name)
                lines = source.splitlines(keepends=True)
                linecache.cache[name] = (len(source), None, lines, name)
                self.space["__file__"] = name
                exec(compile(source, name, "exec"), self.space)
        except SystemExit as error:
            ended = f"ends itself by sys.exit({error.code!r})" + self.where(error)
        except EOFError as error:
            failure = "asks for input" + self.where(error)
        except BaseException as error:
            failure = self.told(error)
        names = {n: _arguments(f) for n, f in self.space.items() if callable(f)}
        return {"failure": failure, "ended": ended, "names": names}

    def call(self, name: str, args: dict[str, Any], how: str) -> dict[str, Any]:
        """Calls a function; tells what it returned, or why it did not."""
        before = _VARIANTS.copied(args)
        function = self.space.get(name)
        answer: dict[str, Any] = {"failure": "", "exit": ""}
        try:
            with np.errstate(all="ignore"):
                run = by_torch(function) if how == "torch" else function
                answer["value"] = run(*args.values())  # type: ignore[misc]
        except SystemExit as error:
            answer["exit"] = f"called sys.exit({error.code!r})" + self.where(error)
        except EOFError as error:
            answer["exit"] = "asks for input" + self.where(error)
        except BaseException as error:
            answer["failure"] = self.told(error)
        names = [name for name in args if not _VARIANTS.same(args[name], before[name])]
        answer["changed"] = names
        return answer

    def variants(
        self, sources: list[str], call: dict[str, Any], seconds: float
    ) -> dict[str, Any]:
        """Calls a function with parts of the program written otherwise."""
        found: dict[str, Any] = _VARIANTS.variants(self.space, sources, call, seconds)
        return found

    def told(self, error: BaseException) -> str:
        """The error and the line of the program that matters."""
        try:
            said = error.msg if isinstance(error, SyntaxError) else str(error)
        except BaseException:
            said = ""
        text = " ".join(said.split())
        text = text if len(text) < 300 else text[:300] + "..."
        kind = type(error).__name__
        return f"raised {kind}: {text}".rstrip(": ") + self.where(error)

    def where(self, error: BaseException) -> str:
        """The last line of the program's own that the error went through."""
        if isinstance(error, SyntaxError) and error.filename in self.files:
            line = (error.text or "").strip()
            return f" (line {error.lineno}: {line})"
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if frame.filename in self.files]
        if not own:
            return ""
        last = own[-1]
        name = os.path.basename(last.filename) if len(self.files) > 1 else ""
        place = f"{name}, line {last.lineno}".lstrip(", ")
        return f" ({place}: {last.line})" if last.line else f" ({place})"


def _arguments(function: Any) -> list[str]:
    """The names of a function's arguments, as far as they can be told."""
    try:
        return list(inspect.signature(function).parameters)
    except Exception:
        return []


def by_torch(function: Any) -> Callable[..., Any]:
    """A ``torch.autograd.Function`` as a function of the cotangent and its inputs."""
    import torch

    def run(cotangent: Any, *arrays: Any) -> Any:
        inputs = [torch.tensor(x, requires_grad=True) for x in arrays]
        h = function.apply(*inputs)
        back = torch.autograd.grad(
            h, inputs, torch.tensor(cotangent), allow_unused=True
        )
        return h.detach().numpy(), *(
            np.zeros(x.shape) if g is None else g.numpy()
            for g, x in zip(back, inputs, strict=True)
        )

    return run


def limit(memory: int, cpu: int) -> None:
    """Limits of the whole process, where the system has them."""
    try:
        import resource
    except ImportError:  # Windows
        return
    wanted = {
        "RLIMIT_AS": memory,
        "RLIMIT_CPU": cpu,
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 1 << 26,
    }
    for name, most in wanted.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):
            which = getattr(resource, name)
            hard = resource.getrlimit(which)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(which, (most, most))


def main() -> None:
    """Answers requests until there are no more."""
    requests, replies = _streams()
    memory, cpu = map(int, sys.argv[1:3])
    limit(memory, cpu)
    np.zeros(1) @ np.zeros(1)  # before anybody can ask how long a call takes
    mine = os.getpid()
    program = Program()
    while message := receive(requests):
        request = decode(message, program.held)
        started = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = getattr(program, request.pop("do"))(**request)
        if os.getpid() != mine:  # a copy that the program made of itself
            os._exit(0)
        answer["cpu"] = time.process_time() - started
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        try:
            reply = encode(answer, program.keep)
        except BaseException as error:
            reply = encode({"failure": f"returned what cannot be read: {error}"})
        replies.write(reply)
        replies.flush()
    os._exit(0)


def _streams() -> tuple[BinaryIO, BinaryIO]:
    """The two ends of the talk; the program itself gets no input and another output."""
    requests = io.BufferedReader(io.FileIO(os.dup(0), "r"))
    replies = io.BufferedWriter(io.FileIO(os.dup(1), "w"))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return requests, replies


if __name__ == "__main__":
    main()
