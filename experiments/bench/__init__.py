"""The parts of `benchmark.py`, each with one reason to change.

`cases` draws what everybody computes; `contestants` are ours and the plain scans, those
of `nets`, `flax`, `peers` and `torch` the others; `timing` lets them take turns;
`grid`, `training` and `scaling` measure; `report`, `verdict` and `plots` tell.
"""
