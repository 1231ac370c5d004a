"""Somebody's file or notebook: its functions are found, run in a child, and judged."""

from .program import Options as Options
from .program import Result as Result
from .program import grade_file as grade_file
from .sources import any_text as any_text
from .sources import printed as printed
from .sources import read_source as read_source
from .table import table as table
