"""The shelf: one file per cell, forward and backward twins on one screen."""
