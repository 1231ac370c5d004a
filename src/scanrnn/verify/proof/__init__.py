"""Two gradient programs compared in exact arithmetic."""

from .prove import prove as prove
from .report import Proof as Proof
