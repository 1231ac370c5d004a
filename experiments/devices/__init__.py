"""Accelerators: compiling for one that is not there, and reading what came out."""
