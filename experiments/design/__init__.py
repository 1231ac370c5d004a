"""Inputs designed for a frozen network: for `input_design.py`.

`methods` moves inputs, by the gradient and by search; `trajectories` and `words` are
the two tasks; `programs` counts what a gradient by the inputs alone leaves out;
`pictures` draws.
"""
