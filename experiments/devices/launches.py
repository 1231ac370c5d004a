"""What is launched in the loops of a compiled program: read off its HLO.

Every instruction of a loop's body is a launch of its own, or part of one: XLA has fused
what it could when it prints the program. Not launched are names for parts of a tuple,
constants, and other views of memory. Compiled for a TPU, an instruction also tells the
cycles that the compiler expects it to take; a TPU's loop launches nothing from outside.
"""

import re
from typing import NamedTuple

NOT_LAUNCHED = {
    *("parameter", "get-tuple-element", "tuple", "bitcast", "constant", "while"),
    *("partition-id", "replica-id", "after-all"),
}
# A name, the shape that is written (several in parentheses), what it is.
INSTRUCTION = re.compile(r"%(\S+) = (\(.*?\)|\S+) ([a-z][\w\-]*)\(")
LAYOUT = re.compile(r"\{[^}]*\}|/\*.*?\*/")
CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')


class Launch(NamedTuple):
    """One instruction of a loop's body."""

    name: str
    shape: str  # such as "f32[32,512]"
    kind: str
    cycles: int = 0  # as a TPU's compiler expects them; 0 where it tells none

    @property
    def is_copy(self) -> bool:
        """Memory written elsewhere as it is, which needs no kernel."""
        return self.kind == "copied"

    @property
    def is_slice(self) -> bool:
        """A step cut out of an array over time, and nothing computed of it."""
        return "dynamic-slice" in self.kind + self.name


class Loop(NamedTuple):
    """The innermost loop of a direction: that over steps."""

    back: bool
    launches: tuple[Launch, ...]

    @property
    def kernels(self) -> int:
        """Launches that are no copies."""
        return len(self.launches) - self.copies

    @property
    def copies(self) -> int:
        """Of memory, as it is."""
        return sum(launch.is_copy for launch in self.launches)

    @property
    def cycles(self) -> int:
        """Of a step, as a TPU's compiler expects them."""
        return sum(launch.cycles for launch in self.launches)

    @property
    def cycles_of_slices(self) -> int:
        """Those of launches that only cut a step out of an array over time."""
        return sum(launch.cycles for launch in self.launches if launch.is_slice)

    def copied(self, *size: int) -> bool:
        """Whether an array of this size is copied in every step, or its transpose."""
        wanted = {f"[{','.join(map(str, s))}]" for s in (size, size[::-1])}
        copied = (x.shape for x in self.launches if x.kind in ("copied", "transpose"))
        return any(shape[shape.index("[") :] in wanted for shape in copied)


def loops(hlo: str) -> tuple[Loop, ...]:
    """The loops of a program in which no other loop stands, in its order."""
    computations = _computations(hlo)
    bodies = re.findall(r" while\(.*?body=%([\w.\-]+)", hlo)
    found = (computations[name] for name in bodies)
    return tuple(_loop(body) for body in found if " while(" not in body)


def _computations(hlo: str) -> dict[str, str]:
    parts = re.split(r"\n(?=%|ENTRY)", hlo)
    named = (re.match(r"(?:ENTRY )?%([\w.\-]+)", part) for part in parts)
    return {
        name.group(1): part
        for name, part in zip(named, parts, strict=True)
        if name is not None
    }


def _loop(body: str) -> Loop:
    launches = [_launch(line) for line in body.splitlines()]
    return Loop("transpose(jvp" in body, tuple(x for x in launches if x is not None))


def _launch(line: str) -> Launch | None:
    found = INSTRUCTION.search(line)
    if found is None or found.group(3) in NOT_LAUNCHED or "-done(" in line:
        return None
    name, shape, kind = found.groups()
    shape = LAYOUT.sub("", shape)
    is_slice = "dynamic_update_slice" in name or "dynamic_slice" in name
    if kind == "copy" or (is_slice and "kind=kCustom" in line):
        kind = "copied"
    cycles = CYCLES.search(line)
    return Launch(name, shape, kind, int(cycles.group(1)) if cycles else 0)
