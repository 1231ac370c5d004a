"""Is this derivative right, and if not: which leaf, which step, which mistake?

Five instruments. `check_vjp` compares a hand-written rule with a plain reference;
`check` audits a cell; `grade` judges a stranger's function and names the mistake;
`explain` does so from posted numbers alone; `prove` compares the two gradient programs
of a cell in exact arithmetic. From the command line:
``python -m scanrnn.verify check | grade | explain``.
"""

from .check import check as check
from .explain import explain as explain
from .grade import grade as grade
from .proof import Proof as Proof
from .prove import prove as prove
from .report import Row as Row
from .report import Streams as Streams
from .report import Suspicion as Suspicion
from .report import Verdict as Verdict
from .vjp import assert_vjp as assert_vjp
from .vjp import check_vjp as check_vjp
