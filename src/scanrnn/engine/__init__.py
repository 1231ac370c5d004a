"""What the verbs are made of; no user imports from here.

The way there is `scan.py`, the way back `backward.py` with what differs between the
ways in `ways.py`, both in blocks of time (`blocks.py`, `sizes.py`); `windows.py` is the
way back of truncation. Below them stand the products of all cells (`products.py`),
the mesh (`mesh.py`) and what is done to every leaf (`trees.py`); beside them the errors
at the border (`checks.py`) and the bytes of each way back (`memory.py`).
"""
