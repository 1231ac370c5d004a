"""Layers: a cell unrolled over a sequence, and what is built of layers.

A combinator takes layers and returns a layer. It composes whole sequences and not
steps: a stack of cells would drag the input products of the upper cells into the loop
over time.
"""
