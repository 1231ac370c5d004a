"""The public test set of the grading, written by another hand than the catalogue."""
