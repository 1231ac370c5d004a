"""Imports run one way, the public face is what it says, every public name is told."""

import ast
import graphlib
import inspect
import pathlib

import scanrnn as sr

SOURCE = pathlib.Path(sr.__file__).parent

# Lowest first: a module imports only from rows above its own.
ORDER = [
    {"pages", "made", "engine.values", "engine.platform", "engine.columns"},
    {"cell", "engine.products", "engine.mesh"},
    {"cells.gates", "engine.arrays", "cores"},
    {"cells.rnn", "cells.gru_reset_before", "cells.lstm", "cells.min_gru", "cells.lru"},
    {"cells.gru", "cells.ind_rnn", "cells.min_lstm"},
    {
        "engine.checks",
        "engine.trees",
        "engine.blocks",
        "engine.told",
        "engine.operands",
    },
    {"engine.scan"},
    {"engine.sizes", "engine.asked"},
    {"engine.parts"},
    {"engine.ways"},
    {
        *("engine.forward", "engine.operands", "engine.recurrences"),
        "engine.fastest",
    },
    {"engine.linearized", "engine.parallel"},
    {"engine.backward", "engine.memory"},
    {"engine.windows", "unroll", "readout"},
    {"step", "adjoints", "truncated", "curvature.operator"},
    {"curvature.of_loss"},
    {"compose.layer"},
    {"compose.pointwise", "compose.step"},
    {"compose.stack", "compose.recurrent_dropout"},
    {"compose.bidirectional"},
    {"derive.flat", "derive.keys"},
    {"derive.parts", "derive.told", "derive.emitted"},
    {"derive.factors"},
    {"derive.products"},
    {"derive.frontiers", "derive.sums"},
    {"derive.program"},
    {"derive.over_time"},
    {"derive.cell"},
    {"derive.scan", "derive.moved"},
    {"shelf.shelved", "shelf.normal"},
    {
        *("shelf.conv_lstm", "shelf.coupled_lstm", "shelf.layer_norm_gru"),
        *("shelf.layer_norm_lstm", "shelf.leaky_rnn", "shelf.mgu", "shelf.ugrnn"),
        *("shelf.orthogonal_rnn", "shelf.peephole_lstm", "shelf.projected_lstm"),
    },
    {"feedback.feeds", "feedback.forced"},
    {"feedback.cell"},
    # Below the rooms: `verify` asks it for the gradient by another algorithm.
    {"online.moment"},
    {"online.whole"},
    {"online.own", "online.rank_one"},
    {"online.structure"},
    {"online.methods"},
    {"online.border"},
    {"online.learner"},
    {"online.follow"},
]
ROOMS = {"charlm", "verify", "course", "interop"}
# What several modules of `verify` are built on, and the houses that never meet.
GROUND = {"report", "plot", "rounding", "double"}
HOUSES = {"audit", "proof", "grading"}

FACE = {
    "keep_pages",
    "on_all_cores",
    "Adjoints",
    "Autodiff",
    "Backward",
    "Budget",
    "Fastest",
    "Cell",
    "Checkpointed",
    "Curvature",
    "DenseParams",
    "DerivedState",
    "DropoutState",
    "FeedbackParams",
    "GRUParams",
    "GRUResetBeforeParams",
    "GRUResetBeforeState",
    "GRUState",
    "IndRNNParams",
    "IndRNNState",
    "LRUParams",
    "LRUState",
    "LSTMParams",
    "LSTMState",
    "Layer",
    "Linearized",
    "MinGRUParams",
    "MinGRUState",
    "MinLSTMParams",
    "MinLSTMState",
    "Parallel",
    "Placement",
    "Prediction",
    "Probabilities",
    "RNNParams",
    "RNNState",
    "Recomputed",
    "Stored",
    "StraightThrough",
    "Unrolled",
    "adjoints",
    "bidirectional",
    "dense",
    "derive",
    "dropout",
    "feedback",
    "forced",
    "gauss_newton",
    "gru",
    "hvp",
    "ind_rnn",
    "init_dense",
    "last",
    "layer",
    "linear",
    "lru",
    "lstm",
    "min_gru",
    "min_lstm",
    "parameter_count",
    "parts",
    "placement",
    "plain_dense",
    "plain_softmax_cross_entropy",
    "recurrent_dropout",
    "residual",
    "rnn",
    "scan",
    "softmax_cross_entropy",
    "stack",
    "step",
    "temporary_bytes",
    "truncated",
    "unroll",
}


def modules():
    for path in sorted(SOURCE.rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path


def imports(name, path):
    """The modules of the package that a file imports from, at any depth."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            for module in (
                [node.module] if node.module else [a.name for a in node.names]
            ):
                yield ".".join([*base, module])
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
            )
            for imported in names:
                if imported.split(".")[0] == "scanrnn":
                    yield imported.partition(".")[2]


def test_the_spine_imports_only_what_stands_below():
    rank = {name: row for row, names in enumerate(ORDER) for name in names}
    packages = {"__init__", "cells", "compose", "curvature", "derive", "engine"}
    packages |= {"feedback", "online", "shelf"}
    spine = {
        name: path
        for name, path in modules()
        if name.split(".")[0] not in ROOMS and name not in packages
    }
    assert set(spine) == set(rank)
    for name, path in spine.items():
        for imported in imports(name, path):
            assert rank[imported] < rank[name], f"{name} imports {imported}"


def test_rooms_stand_on_the_spine_and_never_on_each_other():
    for name, path in modules():
        room = name.split(".")[0]
        if room in ROOMS:
            met = {imported.split(".")[0] for imported in imports(name, path)}
            assert not met & (ROOMS - {room}), f"{name} imports {met & ROOMS}"


def test_the_houses_of_verify_never_import_each_other():
    for name, path in modules():
        room, _, inside = name.partition(".")
        if room != "verify" or inside in {"", "__main__"}:
            continue
        house = inside.split(".")[0]
        assert house in GROUND | HOUSES, f"{name} stands in no house"
        for imported in imports(name, path):
            room, _, inside = imported.partition(".")
            if room == "verify":
                allowed = GROUND if house in GROUND else GROUND | {house}
                assert inside.split(".")[0] in allowed, f"{name} imports {imported}"


def test_no_circle_of_imports():
    """At any depth: an import inside a function counts as one."""
    graph = {name: set(imports(name, path)) for name, path in modules()}
    for package in [name for name, path in modules() if path.name == "__init__.py"]:
        graph.pop(package)  # a package shows what its modules hold
    graphlib.TopologicalSorter(graph).prepare()


def test_the_public_face():
    named = {
        name
        for name, value in vars(sr).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert named == FACE


def test_public_functions_are_annotated_and_told():
    for name in FACE:
        value = getattr(sr, name)
        if inspect.isfunction(value):
            signature = inspect.signature(value)
            told = [p.annotation for p in signature.parameters.values()]
            assert inspect.Parameter.empty not in told, name
            assert signature.return_annotation is not inspect.Signature.empty, name
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, name


def test_importing_the_library_needs_no_extra():
    """Only jax and NumPy: optax, orbax and the rest belong to the rooms."""
    allowed = {"jax", "numpy", "scanrnn"}
    standard = set(__import__("sys").stdlib_module_names)
    for name, path in modules():
        if name.split(".")[0] in ROOMS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            found = []
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found = [node.module]
            for imported in found:
                assert imported.split(".")[0] in allowed | standard, (name, imported)
