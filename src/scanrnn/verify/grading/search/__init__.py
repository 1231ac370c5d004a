"""The search for the slip that gave some numbers: fingerprints, pairs, patterns."""
