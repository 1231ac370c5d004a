"""The measurement for accelerators runs its whole path on a CPU; no time is asserted.

What starts processes and compiles is tiny; what decides about them is tested with made
up workers and rows.
"""

import math
import sys

import accelerators
import devices.contest
import devices.found as results
import pytest
from bench.cases import Case
from bench.report import Measured, Row
from devices import contest, peaks, pieces, roofline
from devices.grid import INPUTS, Grid
from devices.peaks import Peaks
from typer.testing import CliRunner

TINY = ("--cells", "rnn", "--hidden", "4", "--batches", "2", "--dtypes", "float32")
QUICK = ("--seconds", "0", "--rounds", "1", "--only", "default,cuDNN,torch")
ABOUT = {"versions": {"jax": "1"}, "device": "1 x made up"}
PEAKS = Peaks({"float32": 1e12, "bfloat16": 2e12}, 1e11, 1e-6)


def invoked(*arguments):
    done = CliRunner().invoke(accelerators.app, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    return done.output


def test_a_run_from_end_to_end_and_one_that_goes_on(tmp_path):
    here = ("--folder", tmp_path)
    invoked("measure", *TINY, *QUICK, *here, "--lengths", "6")
    file = tmp_path / "accelerators-cpu.json"
    first = results.read(file)
    assert first.rows.keys() == first.peaks.keys() == {"plain"}
    assert first.skipped == {"graphs": "only on a GPU"}
    (row,) = first.rows["plain"]
    assert row.case == Case("rnn", 6, 2, INPUTS, 4)
    assert [name for name in row.results if name.startswith("default, ")]
    assert row.failed == {
        "cuDNN": "jax.experimental.rnn has the LSTM in float32 alone",
        "torch": row.failed["torch"],
    }
    both = ("--lengths", "6,7", "--settings", "graphs,plain")
    told = invoked("measure", *TINY, *QUICK, *here, *both)
    again = results.read(file)
    assert again.rows["plain"][0] == row  # not measured once more
    for setting in ("plain", "graphs"):
        assert [row.case.T for row in again.rows[setting]] == [6, 7]
    assert again.skipped == {}
    assert "plain: 2 cases measured, asked for 2" in told
    assert "| rnn 7x2x64x4" in told
    assert "plain: torch: " in told
    for name in ("accelerators-cpu.png", "accelerators-cpu-2.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert "| rnn 7x2x64x4" in invoked("show", *here)


def test_the_first_cases_are_spread():
    cases = Grid().cases()
    assert len(cases) == len(set(cases)) == 288
    assert {case.cell for case in cases[:5]} == {"lstm"}
    assert cases[0] == Case("lstm", 128, 32, INPUTS, 128)
    first = cases[:16]
    assert {case.dtype for case in first} == {"float32", "bfloat16"}
    assert {case.T for case in first} == {128, 1024}
    assert len({case.H for case in first}) >= 4
    assert len({case.B for case in first}) >= 3
    assert {case.cell for case in cases[:48]} == {"lstm", "gru"}
    assert Grid(hidden=(8,), cells=("rnn",)).cases()[0].H == 8


def test_everybody_is_asked_and_who_cannot_run_is_named():
    case = Case("lstm", 8, 2, 3, 4)
    found, missing = contest.contestants(case)
    names = [one.name for one in found]
    (default,) = (name for name in names if name.startswith("default, "))
    assert default.removeprefix("default, ") not in names
    for name in ("Stored", "Recomputed, unroll 8", "scan, hoisted, unroll 8"):
        assert name in names
    assert [name for name in names if name.startswith("linen")]
    assert missing.keys() == {"cuDNN", "torch"}
    assert missing["cuDNN"] == "needs a GPU"
    _, missing = contest.contestants(case._replace(dtype="bfloat16"))
    assert missing["cuDNN"] == "jax.experimental.rnn has the LSTM in float32 alone"


def test_who_is_wrong_is_marked_and_counts_in_no_ratio(monkeypatch):
    case = Case("gru", 6, 2, 3, 4, dtype="bfloat16")
    options = {"rate": 1.0, "seconds": 0.0, "rounds": 1}
    row = contest.measured(case, **options, only=("default", "hoisted"))
    for name in ("default", "scan"):
        assert results.side_of(row, name) is not None, row
    assert {m.differs for m in row.results.values()} == {""}
    monkeypatch.setattr(devices.contest, "tolerance", lambda case, platform: -1.0)
    marked = contest.measured(case, **options, only=("default",))
    (one,) = marked.results.values()
    assert one.differs == f"error {one.error:.0e}, allowed -1e+00"
    assert results.side_of(marked, "default") is None


def test_a_truth_that_cannot_be_had_is_told(monkeypatch):
    def truth(problem, cell, dtype):
        raise RuntimeError("RESOURCE_EXHAUSTED: too large")

    monkeypatch.setattr(devices.contest, "truth", truth)
    row = contest.measured(Case("rnn", 8, 2, 3, 4), rate=1.0, seconds=0.0)
    assert row.results == {}
    assert row.failed["everybody"].endswith("RESOURCE_EXHAUSTED: too large")


def test_the_tolerance_grows_with_length_and_with_the_rounding_of_products():
    case = Case("rnn", 144, 2, 3, 4)
    assert contest.tolerance(case, "cpu") == 32 * 2.0**-23
    assert contest.tolerance(case, "gpu") == 32 * 2.0**-10
    half = case._replace(dtype="bfloat16")
    assert contest.tolerance(half, "gpu") == contest.tolerance(case, "tpu") == 0.25
    assert contest.tolerance(case._replace(T=1024), "cpu") == 72 * 2.0**-23


def test_the_bounds_are_those_of_their_formulas():
    case = Case("gru", 10, 2, 3, 4)
    assert peaks.least_bytes(case) == 4 * (10 * 2 * (9 + 12) + 3 * 12 * (3 + 4 + 1))
    slow = Peaks({"float32": 1.0}, 1e9, 1e-6)
    assert peaks.bound_ms(case, slow) == 1e3 * case.flop
    fast = slow._replace(flop={"float32": 1e18})
    assert math.isclose(peaks.bound_ms(case, fast), peaks.least_bytes(case) / 1e6)
    assert math.isclose(peaks.launches_ms(case, slow), 20e-3)
    assert slow.best(fast._replace(step_s=2e-6)) == fast


class MadeUp:
    """A worker that takes a second for a case, and ends at one of them."""

    ends_at, begins, asked = None, True, []

    def __init__(self, setting, options):
        self.setting, self.is_there = setting, True

    def __enter__(self):
        return self

    def __exit__(self, *args):
        pass

    def hear(self):
        if not self.begins:
            raise pieces.Ended("no such flag")
        return {
            "kind": "Made up (1)",
            "platform": "gpu",
            "about": ABOUT,
            "peaks": PEAKS._asdict(),
        }

    def measured(self, case):
        MadeUp.asked.append((self.setting, case.H))
        Clock.now += 1.0
        self.is_there = self.ends_at != case.H
        return Row(case, 1.0, {}, {} if self.is_there else {"everybody": "gone"})


class Clock:
    now = 0.0

    @staticmethod
    def monotonic():
        return Clock.now


@pytest.fixture
def by_made_up(monkeypatch, tmp_path):
    """Measures H = 1 to 5 for so many seconds; returns the file and who was asked."""
    monkeypatch.setattr(pieces, "Worker", MadeUp)
    monkeypatch.setattr(pieces, "time", Clock)
    cases = [Case("rnn", 2, 1, 1, H) for H in range(1, 6)]

    def measure(seconds, settings=None, cases=cases):
        asked = pieces.Asked(cases, settings, tmp_path, lambda setting, row: None)
        MadeUp.asked = []
        options = pieces.Options(0.0, 1, ("float32",), "made up")
        return pieces.measure(asked, options, seconds / 60), MadeUp.asked

    return measure


def test_settings_share_the_time_and_a_later_call_goes_on(by_made_up):
    path, asked = by_made_up(4)
    assert path.name == "accelerators-made-up-1.json"
    assert asked == [("plain", 1), ("plain", 2), ("graphs", 1), ("graphs", 2)]
    _, asked = by_made_up(60)
    assert asked == [(s, H) for s in ("plain", "graphs") for H in (3, 4, 5)]
    assert by_made_up(60)[1] == []
    assert [row.case.H for row in results.read(path).rows["graphs"]] == [1, 2, 3, 4, 5]


def test_a_process_that_ends_costs_its_case_alone(by_made_up, monkeypatch):
    monkeypatch.setattr(MadeUp, "ends_at", 2)
    path, asked = by_made_up(60, ("plain",))
    assert [H for _, H in asked] == [1, 2, 3, 4, 5]
    rows = results.read(path).rows["plain"]
    assert [row.failed for row in rows] == [{}, {"everybody": "gone"}, {}, {}, {}]
    assert "plain: everybody: gone (1 of 5 cases)" in results.absent(results.read(path))


def test_a_setting_that_cannot_begin_is_told(by_made_up, monkeypatch):
    path, _ = by_made_up(60, ("plain",))
    monkeypatch.setattr(MadeUp, "begins", False)
    with pytest.raises(ValueError, match="plain: cannot begin: no such flag"):
        by_made_up(60)
    hear = MadeUp.hear
    monkeypatch.setattr(
        MadeUp,
        "hear",
        lambda self: (
            {**hear(type("", (), {"begins": True})())}
            if self.setting == "plain"
            else hear(self)
        ),
    )
    by_made_up(60)
    assert results.read(path).skipped == {"graphs": "no such flag"}


def test_results_of_other_versions_are_not_added_to(by_made_up, monkeypatch):
    by_made_up(60, ("plain",))
    monkeypatch.setitem(ABOUT, "versions", {"jax": "2"})
    with pytest.raises(ValueError, match="move the file away"):
        by_made_up(60, ("plain",))


@pytest.mark.parametrize(
    ("script", "limit", "reason"),
    [
        ("import sys; sys.exit('out of memory')", 60.0, "ended with 1: out of memory"),
        ("import time; time.sleep(60)", 0.2, "not done in 0 s"),
    ],
)
def test_why_a_process_ended_is_told(monkeypatch, tmp_path, script, limit, reason):
    program = tmp_path / "python"
    program.write_text(f"#!{sys.executable}\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(pieces.sys, "executable", str(program))
    options = pieces.Options(0.0, 1, ("float32",), "made up", limit_s=limit)
    with pieces.Worker("plain", options) as worker:
        row = worker.measured(Case("rnn", 2, 1, 1, 1))
        assert row.failed["everybody"].endswith(reason)
        assert not worker.is_there


def made_up(case, **ms):
    groups = {"default": "ours", "Stored": "ours", "scan": "scan", "torch": "torch"}
    found = {
        name: Measured(groups.get(name, "peer"), 1, m, m, m, 3, 1e-7, 1.0, 1.0)
        for name, m in ms.items()
    }
    return Row(case, 1e12, found, {})


FOUND = results.Found(
    ABOUT,
    {"plain": PEAKS, "graphs": PEAKS._replace(bytes=2e11, step_s=5e-7)},
    {
        "plain": (
            made_up(
                Case("lstm", 100, 8, 64, 64),
                **{"default": 4.0, "Stored": 3.0, "scan": 8.0},
                **{"linen": 9.0, "cuDNN": 2.0, "torch": 6.0},
            ),
            made_up(Case("lstm", 100, 8, 64, 64, dtype="bfloat16"), default=1.0),
        ),
        "graphs": (made_up(Case("lstm", 100, 8, 64, 64), default=2.0, scan=2.0),),
    },
    {},
)


def test_ratios_of_sides_and_of_settings():
    told = results.means(FOUND)
    assert "plain: scan/default 2.00 (2.00 to 2.00 in 1 cases)" in told
    assert "plain: cuDNN/default 0.50 (0.50 to 0.50 in 1 cases)" in told
    assert "graphs: scan/default 1.00 (1.00 to 1.00 in 1 cases)" in told
    assert "plain/graphs: scan 4.00 (4.00 to 4.00 in 1 cases)" in told
    assert not [line for line in told if "graphs: linen" in line]


def test_the_table_and_the_rates(tmp_path):
    peaks = results.peaks_of(FOUND, "graphs")
    assert peaks == Peaks(PEAKS.flop, 2e11, 5e-7)
    table = results.times_table(FOUND.rows["plain"], peaks)
    cells = {str(c.header): list(c.cells) for c in table.columns}
    assert cells["others/default"] == ["0.50", ""] or cells["others/default"] == [
        "",
        "0.50",
    ]
    assert "3 (Stored)" in cells["ours"]
    assert set(cells["launches"]) == {"0.1"}
    path = tmp_path / "deep" / "found.json"
    results.write(path, FOUND)
    assert results.read(path) == FOUND
    assert results.read(tmp_path / "none.json") == results.EMPTY
    drawn = roofline.draw(FOUND, tmp_path / "one.png")
    assert drawn.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("measure", "--hidden", "4,x"), "--hidden such as"),
        (("measure", "--settings", "fast"), "plain, graphs"),
        (("count", "--platform", "cpu"), "--platform of gpu, tpu"),
        (("show", "--folder", "/nowhere"), "an earlier measure"),
    ],
)
def test_a_bad_option_gives_an_error_that_helps(arguments, message):
    done = CliRunner().invoke(accelerators.app, arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.output.replace("│", " ").split())
