"""The benchmark computes what it times, and decides its targets by their arithmetic.

No time is asserted here. The peers are not in the extra `test`: what is installed is
compared, what is missing must be skipped by name.
"""

import sys

import bench.grid
import bench.options
import bench.plots
import bench.scaling
import bench.training
import benchmark
import jax
import numpy as np
import pytest
import typer
from bench.cases import GRID, Answer, Case, draw, error_of, truth
from bench.contestants import Layout, Ready
from bench.grid import Plan
from bench.options import cases_of, factors_of, names_of
from bench.ours import WAYS
from bench.report import Measured, Point, Report, Row, merge, read, write
from bench.scans import scan
from bench.timing import spread_of, take_turns
from bench.verdict import geometric_mean, verdicts

TINY = (7, 4, 3, 5)
PLAN = Plan(seconds=0.0, rounds=1, unrolls=(1, 2))
LIBRARIES = ("flax", "haiku", "equinox", "keras", "torch")


@pytest.fixture(autouse=True)
def quick(monkeypatch, request):
    """The rate of a large product is the machine's; caches may serve the next test.

    Peers, which may be installed, take part in what is exhaustive.
    """
    if not request.node.get_closest_marker("exhaustive"):
        for name in LIBRARIES:
            monkeypatch.setitem(sys.modules, name, None)
    for module in (bench.grid, bench.training):
        monkeypatch.setattr(module, "product_rate", lambda: 1.0)
    monkeypatch.setattr(jax, "clear_caches", lambda: None)


@pytest.mark.filterwarnings("ignore")  # what peers warn of is theirs
@pytest.mark.parametrize(
    "case",
    [
        Case("rnn", *TINY),
        *(
            pytest.param(case, marks=pytest.mark.exhaustive)
            for case in (
                Case("gru", *TINY),
                Case("lstm", *TINY),
                Case("lstm", *TINY, tokens=True),
            )
        ),
    ],
    ids=lambda case: case.key,
)
def test_everybody_computes_the_same_gradients(case):
    candidates, _ = bench.grid.find(case, PLAN)
    candidates += [
        scan(case, hoisted=False),
        scan(case, hoisted=True, unroll=2),
        scan(case, hoisted=False, layout=Layout(2)),
        scan(case, hoisted=True, layout=Layout(2, mapped=True)),
        bench.grid.ours(case, Layout(2))[0],
    ]
    built = bench.grid.build(candidates, draw(case), {}, PLAN)
    assert built.failed == {}
    assert built.errors.keys() == {one.name for one in candidates}
    assert {"Stored", "Checkpointed, 2 devices by shard_map"} < built.errors.keys()
    assert "scan, hoisted, unroll 1, 2 devices by shard_map" in built.errors
    assert max(built.errors.values()) < 1e-5
    assert min(built.errors.values()) > 0  # float32 is not float64


@pytest.mark.parametrize(
    "case",
    [Case("gru", *TINY), Case("lstm", *TINY, tokens=True)],
    ids=lambda case: case.key,
)
def test_a_plain_scan_has_the_equations_of_our_cell(case):
    one = scan(case, hoisted=True)
    built = bench.grid.build([one], draw(case), {}, PLAN)
    assert built.failed == {}
    assert built.errors[one.name] < 1e-5


@pytest.fixture
def two_ways(monkeypatch):
    """Only Stored and Autodiff; the others are `exhaustive`."""
    for name in ("Recomputed", "Checkpointed"):
        monkeypatch.delitem(WAYS, name)


def train_everybody():
    case = Case("lstm", *TINY, tokens=True)
    row, _ = bench.training.run_training(case, PLAN)
    assert row.failed == {}
    assert max(m.error for m in row.results.values()) < 1e-5
    return row.results.keys()


@pytest.mark.filterwarnings("ignore")
def test_ours_and_autodiff_train_the_same_model(two_ways):
    assert {
        "Stored",
        "Autodiff",
        "Autodiff, 2 devices by shard_map",
    } < train_everybody()


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore")
def test_everybody_trains_the_same_model():
    mapped = {f"{name}, 2 devices by shard_map" for name in WAYS}
    assert {*WAYS} | mapped <= train_everybody()


def test_a_missing_peer_is_skipped_by_name():
    case = Case("lstm", *TINY)
    candidates, missing = bench.grid.find(case, PLAN)
    named = {"flax linen", "flax nnx", "haiku", "equinox", "keras", "torch"}
    assert named < missing.keys()
    assert {one.group for one in candidates} == {"ours", "scan"}


def test_who_fails_is_named_and_the_others_go_on():
    case = Case("rnn", *TINY)
    good, bad = bench.grid.scans_of(case, PLAN)[:2]

    def fail(problem):
        raise MemoryError("too much")

    built = bench.grid.build([bad._replace(build=fail), good], draw(case), {}, PLAN)
    assert built.failed == {bad.name: "MemoryError: too much"}
    assert list(built.ready) == [good.name]


def test_a_wrong_gradient_shows_in_the_error():
    problem = draw(Case("gru", *TINY))
    right = truth(problem, bench.grid.ours(problem.case)[0].cell)
    wrong = right._replace(d_params=right.d_params._replace(b_hn=right.d_params.b))
    assert error_of(right, right) == 0
    assert error_of(Answer(right.loss, right.d_params, 2 * right.d_xs), right) == 1
    with pytest.raises(ValueError, match="broadcast"):
        error_of(wrong, right)
    assert error_of(wrong, right, lacks=("b_hn",)) == 0


def test_of_each_plain_scan_the_best_unroll_factor_is_kept_and_as_it_comes():
    case = Case("rnn", *TINY)
    racing = bench.grid.build(bench.grid.scans_of(case, PLAN), draw(case), {}, PLAN)
    assert len(racing.ready) == 4
    found = bench.grid.best_scans(racing, case, PLAN)
    for kind in ("scan, naive", "scan, hoisted"):
        alone, mapped, *rest = (one for one in found if kind in one.name)
        assert alone.name[:-1] == f"{kind}, unroll "
        assert mapped.name == f"{alone.name}, 2 devices by shard_map"
        comes = [one.name for one in (alone, *rest) if one.as_it_comes]
        assert comes == [f"{kind}, unroll 1"]


def test_over_long_sequences_the_batch_is_spread_by_jit_too():
    short, long = Case("rnn", 999, 4, 3, 5), Case("rnn", 1000, 4, 3, 5)
    one, mapped, by_jit = Layout(), Layout(2, mapped=True), Layout(2)
    assert bench.grid.layouts(short, PLAN) == [one, mapped]
    assert bench.grid.layouts(long, PLAN) == [one, mapped, by_jit]
    assert bench.grid.layouts(short, PLAN, is_ours=True) == [one, mapped, by_jit]
    assert bench.grid.layouts(long._replace(B=3), PLAN) == [one]


def test_everybody_has_the_same_number_of_turns_in_another_order_each_time():
    calls = []
    ready = {n: Ready(lambda n=n: calls.append(n), None, None, None) for n in "abc"}
    order = []
    spreads = take_turns(ready, seconds=0.0, rounds=3, report=order.append)
    assert "".join(order) == "abcbcacab"
    assert set(calls) == set("abc")
    assert all(spread.calls >= 3 for spread in spreads.values())


def test_a_spread_is_the_median_and_the_quartiles():
    assert spread_of([0.005, 0.001, 0.003, 0.002, 0.004]) == (3.0, 2.0, 4.0, 5)
    assert spread_of([0.001]) == (1.0, 1.0, 1.0, 1)


def by(group, ms, megabytes=1.0, devices=1, differs="", **others):
    m = Measured(group, devices, ms, ms, ms, 5, 1e-7, 1.0, megabytes, differs)
    return m._replace(**others)


def made_up(case, **results):
    """A row; the rate is such that a call of 1 ms reaches half of it."""
    return Row(case, 2 * case.flop / 1e-3, results, {})


RNN, LSTM = Case("rnn", 100, 1, 32, 64), Case("lstm", 1000, 16, 64, 512)
REPORT = Report(
    about={"command": "made up"},
    skipped={"keras": "none"},
    rows=(
        made_up(
            RNN,
            Stored=by("ours", 1.0, as_it_comes=True),
            cheat=by("peer", 0.1, differs="relu"),
            flax=by("peer", 4.0, as_it_comes=True),
            scan=by("scan", 5.0),
            torch=by("torch", 1.4, None, as_it_comes=True),
        ),
        made_up(
            LSTM,
            Stored=by("ours", 2.0, 25.0),
            Recomputed=by("ours", 2.2, 4.0, as_it_comes=True),
            Checkpointed=by("ours", 4.0, 1.0),
            Stored2=by("ours", 0.5, 25.0, devices=2, as_it_comes=True),
            Recomputed2=by("ours", 0.6, 4.0, devices=2),
            Stored2mapped=by("ours", 1.0, 25.0, devices=2, mapped=True),
            naive2=by("scan", 3.0, 20.0, devices=2),
            naive2mapped=by("scan", 2.0, 20.0, devices=2, mapped=True),
            naive=by("scan", 9.0, 20.0),
            hoisted=by("scan", 2.0, 30.0),
            torch=by("torch", 1.0, None, as_it_comes=True),
        ),
    ),
    training=(
        made_up(
            LSTM,
            Stored=by("ours", 2.0),
            Stored2=by("ours", 1.0, devices=2, mapped=True),
            flax=by("peer", 3.0),
            torch=by("torch", 1.0),
        ),
    ),
    scaling=tuple(
        Point(name, T, T / 10, T * size, 0.5)
        for T in (64, 256)
        for name, size in (("Stored", 1.0), ("Autodiff", 2.0))
    ),
    compiling=(
        Point("Autodiff", 100, None, 1.0, 1.0),
        Point("Autodiff", 1000, None, 1.0, 1.0),
        Point("Stored", 100, None, 1.0, 0.5),
        Point("Stored", 1000, None, 1.0, 0.9),
    ),
    final=(
        Point("scan, naive", 1000, None, 10.0, 1.0),
        Point("scan, hoisted", 1000, None, 20.0, 1.0),
        Point("Recomputed", 1000, None, 2.5, 1.0),
        Point("Checkpointed", 1000, None, 0.5, 1.0),
    ),
)


def test_the_targets_are_decided_by_their_arithmetic():
    found = {v.target: (v.measured.split()[0], v.met) for v in verdicts(REPORT)}
    assert found == {
        # 4 / 1 and 2 / 2.2, 1 / 2.2 with nothing set
        "0 nothing set, JAX peers: geometric mean >= 1.5": ("1.91,", True),
        "0 nothing set, JAX peers: every case >= 1.0": ("0.909", False),
        "0 nothing set, torch LSTM: geometric mean >= 1.0": ("0.455,", False),
        "0 nothing set, torch LSTM: every case >= 0.9": ("0.455", False),
        "2 torch: LSTM by on_all_cores >= 1.1": ("2", True),
        # 4 / 1 and 2 / 2 on one device, 4 / 1 and 2 / 0.5 on all
        "1 JAX peers, one device: geometric mean >= 1.5": ("2,", True),
        "1 JAX peers, one device: every case >= 1.0": ("1", True),
        "1 JAX peers, one device: RNN, B <= 16 >= 2": ("4", True),
        "1 JAX peers, all devices: geometric mean >= 1.5": ("4,", True),
        "1 JAX peers, all devices: every case >= 1.0": ("4", True),
        "1 JAX peers, all devices: RNN, B <= 16 >= 2": ("4", True),
        "2 torch: RNN and GRU >= 1.5": ("1.4", False),
        "2 torch: LSTM >= 1.0": ("2", True),
        "3 share of the product rate, H >= 512: >= 0.6": ("1", True),
        "4 Recomputed <= 1/5 of autodiff's bytes": ("0.2", True),
        "4 Recomputed <= 1.15 of Stored's time": ("1.1", True),
        "4 Checkpointed <= 1/15 of autodiff's bytes": ("0.05", True),
        "4 Checkpointed <= 1.5 of Stored's time": ("2", False),
        "4 Stored <= 1.25 of autodiff's bytes": ("1.25", True),
        "4 loss of the final state: Recomputed <= 1/5 of autodiff's bytes": (
            "0.25",
            False,
        ),
        "4 loss of the final state: Checkpointed <= 1/15 of autodiff's bytes": (
            "0.05",
            True,
        ),
        "5 against autodiff sharded alike, by jit, T >= 1000: >= 5": ("6", True),
        "5 against autodiff sharded alike, by shard_map, T >= 1000: >= 5": (
            "2",
            False,
        ),
        "6 compile time <= autodiff's": ("0.9", True),
        "6 compile time flat, T=100 to 1000: <= 1.25": ("1.8", False),
        "7 training step against the JAX peers, one device: >= 1.5": ("1.5", True),
        "7 training step against the JAX peers, all devices: >= 1.5": ("3", True),
        "7 training step against torch >= 1.0": ("1", True),
    }


def test_nothing_measured_decides_nothing():
    assert {v.met for v in verdicts(Report({}, {}))} == {None}


def test_a_geometric_mean():
    assert geometric_mean([1.0, 2.0, 4.0]) == pytest.approx(2.0)


def test_json_brings_back_what_was_written(tmp_path):
    path = tmp_path / "deep" / "benchmark.json"
    write(path, REPORT)
    assert read(path) == REPORT


def test_a_later_run_replaces_what_it_measured_and_keeps_the_rest():
    again = made_up(RNN, Stored=by("ours", 7.0))
    merged = merge(REPORT, Report({"command": "later"}, {"torch": "none"}, (again,)))
    assert merged.rows == (again, REPORT.rows[1])
    assert merged.training == REPORT.training
    assert merged.scaling == REPORT.scaling
    assert merged.skipped == {"keras": "none", "torch": "none"}
    assert merged.about == {"command": "later"}


def test_the_pictures_are_drawn(tmp_path):
    paths = bench.plots.pictures(REPORT, tmp_path)
    assert [path.name for path in paths] == ["benchmark.png", "scaling.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    assert bench.plots.pictures(Report({}, {}), tmp_path) == []


def test_a_run_from_end_to_end(tmp_path, monkeypatch, capsys, two_ways):
    case = Case("rnn", *TINY)
    monkeypatch.setattr(benchmark, "set_up", lambda *settings: None)
    monkeypatch.setattr(bench.options, "GRID", (case, case._replace(dtype="bfloat16")))
    monkeypatch.setattr(bench.scaling, "case_of", lambda T: case._replace(T=T))
    monkeypatch.setattr(bench.scaling, "LENGTHS", (4,))
    monkeypatch.setattr(bench.scaling, "COMPILED_LENGTHS", (4, 8))
    monkeypatch.setattr(bench.scaling, "FINAL_LENGTHS", (4,))
    options = {"quick": True, "sizes": case.size, "only": "Stored,naive"}
    out = tmp_path / "found.json"
    main = {"out": out, "folder": tmp_path, **options}
    benchmark.main(parts="grid,scaling,compiling,final", **main)
    report = read(out)
    assert [row.case for row in report.rows] == [case]
    assert {"Stored", "Stored, 2 devices by shard_map"} < report.rows[0].results.keys()
    assert [{p.T for p in part} for part in (report.scaling, report.compiling)] == [
        {4},
        {4, 8},
    ]
    assert all(p.megabytes > 0 for p in report.compiling + report.final)
    assert {p.name for p in report.final} == {*WAYS, "scan, naive", "scan, hoisted"}
    assert report.skipped["bfloat16"] == "measured on a GPU only"
    text = capsys.readouterr().out
    assert case.key in text
    assert "1 JAX peers, one device: geometric mean" in text
    benchmark.main(show=True, **main)
    assert read(out) == report
    assert (tmp_path / "scaling-2.png").exists()


def test_the_grid_is_the_one_that_was_announced():
    sizes = [case for case in GRID if case.dtype == "float32"]
    assert len(sizes) == 3 * (8 + 3)
    assert len({case.key for case in GRID}) == len(GRID)
    assert Case("lstm", 100, 32, 65, 128, tokens=True) in GRID


def test_the_operations_are_those_of_the_formula():
    assert Case("gru", 2, 3, 5, 7).flop == 6 * 3 * 2 * 3 * 7 * (5 + 7)
    assert Case("gru", 2, 3, 5, 7, tokens=True).flop == 6 * 3 * 2 * 3 * 7 * 7


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (names_of, ("rnn,gro", ("rnn", "gru"), "cells"), "of rnn, gru"),
        (names_of, ("", ("rnn",), "cells"), "--cells"),
        (cases_of, (["rnn"], "1x2x3x4", False), "100x1x32x64"),
        (factors_of, ("1,0",), "positive integers"),
        (factors_of, ("",), "positive integers"),
    ],
)
def test_a_bad_option_gives_an_error_that_helps(function, arguments, message):
    with pytest.raises(typer.BadParameter, match=message):
        function(*arguments)


def test_only_must_name_somebody():
    plan = PLAN._replace(only=("nobody at all",))
    kept = []
    with pytest.raises(typer.BadParameter, match="nobody at all"):
        benchmark.run([Case("rnn", *TINY)], plan, ["grid"], True, kept.append)
    assert kept == []


def test_show_needs_results(tmp_path):
    with pytest.raises(typer.BadParameter, match="earlier run"):
        benchmark.main(show=True, out=tmp_path / "none.json")


def test_float64_is_the_truth():
    problem = draw(Case("lstm", *TINY))
    found = truth(problem, bench.grid.ours(problem.case)[0].cell)
    assert found.d_xs.dtype == np.float64
    assert found.d_params.w_h.dtype == np.float64
