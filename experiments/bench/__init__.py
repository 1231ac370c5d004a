"""The parts of `benchmark.py`, each with one reason to change.

`cases` draws what everybody computes; `contestants` tells what takes part: `ours`, the
plain `scans`, and those of `nets`, `flax`, `peers` and `torch`; `timing` lets them take
turns; `grid`, `training` and `scaling` measure; `report`, `verdict` and `plots` tell;
`options` reads what was asked for.
"""
