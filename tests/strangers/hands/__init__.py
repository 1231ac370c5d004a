"""A file for each stranger."""
