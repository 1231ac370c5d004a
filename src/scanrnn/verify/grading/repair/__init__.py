"""Repair: the change of somebody's own program that makes it right."""

from .told import with_repairs as with_repairs
