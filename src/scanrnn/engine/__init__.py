"""What the verbs are made of; no user imports from here.

Read `scan.py` for the way there and `backward.py` for the way back. Below them stand
the products of all cells (`products.py`) and the mesh (`mesh.py`); beside them the
errors at the border (`checks.py`) and the bytes of each way back (`memory.py`).
"""
