"""A stranger's function, or numbers alone: what is wrong, and which mistake it is."""

from .explain import explain as explain
from .grade import grade as grade
