"""What a step launches is read off a compiled program."""

import os
import subprocess
import sys

import accelerators
import pytest
from devices import target
from devices.counting import counted
from devices.launches import loops

# As XLA prints a program: a loop there within another one, a loop back. The names and
# the shapes tell what is launched; most of what it prints beside them is left out.
HLO = """HloModule jit_loss

%steps (p: (s32[], f32[2,3], f32[5,2,3])) -> (s32[], f32[2,3], f32[5,2,3]) {
  %p = (s32[], f32[2,3]{1,0}, f32[5,2,3]{2,1,0}) parameter(0)
  %h = f32[2,3]{1,0} get-tuple-element(%p), index=1
  %gemm.1 = f32[2,12]{1,0} fusion(%h, %w), kind=kCustom, calls=%gemm_computation
  %both.2 = (f32[2,3]{1,0}, /*index=1*/f32[2,3]{1,0}) fusion(%gemm.1), kind=kLoop
  %loop_dynamic_update_slice_fusion = f32[5,2,3]{2,1,0} fusion(%r, %h), kind=kCustom
  %loop_dynamic_update_slice_fusion.1 = f32[5,2,3]{2,1,0} fusion(%r, %h), kind=kLoop
  %next.3 = s32[] fusion(%i), kind=kLoop
  ROOT %t = (s32[], f32[2,3]{1,0}, f32[5,2,3]{2,1,0}) tuple(%next.3, %h, %r)
}

%blocks (q: (s32[])) -> (s32[]) {
  %inner = (s32[]) while(%q), condition=%c, body=%steps
  %add.1 = s32[] fusion(%i), kind=kLoop
}

%back (p: (s32[], f32[2,3])) -> (s32[], f32[2,3]) {
  %copy.1 = f32[12,3]{1,0} copy(%w), metadata={op_name="transpose(jvp())/while/body"}
  %delta = f32[2,12]{1,0} fusion(%h), kind=kInput, calls=%fused
}

ENTRY %main (a: f32[2,3]) -> f32[2,3] {
  %there = (s32[]) while(%a), condition=%c, body=%blocks
  %home = (s32[]) while(%a), condition=%c, body=%back
}
"""


def test_kernels_and_copies_of_the_innermost_loops_are_told_apart():
    there, back = loops(HLO)
    assert [there.back, back.back] == [False, True]
    assert (there.kernels, there.copies) == (4, 1)
    assert (back.kernels, back.copies) == (1, 1)
    assert [x.shape for x in there.launches][:2] == [
        "f32[2,12]",
        "(f32[2,3], f32[2,3])",
    ]
    one = counted(HLO, 3, 4)
    assert one.copies_weights  # the transpose of W, in the loop back
    assert not there.copied(3, 12)


def test_a_program_without_loops_is_an_error():
    with pytest.raises(ValueError, match="a loop there and one back, got 0"):
        counted("ENTRY %main {\n}", 3, 4)


def rows_counted(*options):
    """The rows of the table, by cell and way; in a process with flags of its own."""
    command = [sys.executable, accelerators.__file__, "count", *options]
    flags = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    done = subprocess.run(command, env=flags, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [line.split("│")[1:-1] for line in done.stdout.splitlines() if "│" in line]
    return {(cell.strip(), way.strip()): told for cell, _, way, *told in rows}


# As a TPU's compiler prints a step: estimates of what it estimates, of others none.
OF_TPU = """
%steps (p: (s32[], f32[2,3], f32[5,2,3])) -> (s32[], f32[2,3], f32[5,2,3]) {
  %constant_dynamic-slice_fusion.1 = f32[1,2,3]{2,0,1:T(1,128)S(1)} fusion(%r, %i), \
backend_config={"estimated_cycles":"4012","iteration_bounds":["1"]}
  %fusion.62 = f32[2,12]{1,0} fusion(%x, %w), kind=kOutput, "estimated_cycles":"288"
  %dynamic_update_slice.2 = f32[5,2,3]{2,0,1} dynamic-update-slice(%r, %h, %i)
}

%back (p: (s32[], f32[2,3])) -> (s32[], f32[2,3]) {
  %dynamic_slice.104 = s32[1]{0} dynamic-slice(%n, %i), "estimated_cycles":"1829"
  %f = f32[2,3]{1,0} fusion(%x), metadata={op_name="transpose(jvp())/while/body"}
}

ENTRY %main (a: f32[2,3]) -> f32[2,3] {
  %there = (s32[]) while(%a), condition=%c, body=%steps
  %home = (s32[]) while(%a), condition=%c, body=%back
}
""".replace("\\\n", "")


def test_the_cycles_that_a_compiler_expects_are_added_up():
    one = counted(OF_TPU, 3, 4)
    assert one.cycles(1) == ["4300", "4012", "2", "1829", "1829", "1"]
    assert one.cycles(2)[0] == "2150"


@pytest.mark.skipif(not target.is_installed("tpu"), reason="needs pip install libtpu")
def test_cycles_of_a_step_on_a_v5e():
    options = ("--platform", "tpu", "--dtypes", "float32", "--cells", "rnn")
    found = rows_counted(*options, "--ways", "Autodiff,Stored")
    assert found.keys() == {("rnn", "Autodiff"), ("rnn", "Stored")}
    for there, slices, parts, back, _, _, copied in found.values():
        assert int(there) > int(slices) >= 0 < int(parts)
        assert int(back) > 0
        assert copied.strip() == "no"


@pytest.mark.skipif(
    not target.is_installed("gpu"), reason='needs pip install "jax[cuda12]"'
)
def test_kernels_of_a_step_on_an_h100():
    """What the ways by hand launch there, with no copy of a weight in a loop.

    Back, the product's sum over the parts in which XLA cuts it is one of them.
    """
    found = rows_counted("--dtypes", "float32", "--ways", "Stored,Recomputed")
    assert len(found) == 6
    for (cell, way), (there, _, back, _, copied) in found.items():
        assert int(there) <= (4 if way == "Stored" else 3), cell
        assert int(back) <= (5 if cell == "lstm" else 4), cell
        assert copied.strip() == "no"
