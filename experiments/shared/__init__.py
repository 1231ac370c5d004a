"""What several experiments share; each script says which of it."""
