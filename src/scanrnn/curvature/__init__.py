"""Curvature of a loss, as linear maps that are called and never written out."""
