"""Is this derivative right, and if not: which leaf, which step, which mistake?

Five instruments. `check_vjp` compares a hand-written rule with a plain reference;
`check` audits a cell; `grade` judges a stranger's function and names the mistake;
`explain` does so from posted numbers alone; `prove` compares the two gradient programs
of a cell in exact arithmetic. From the command line:
``python -m scanrnn.verify check | grade | explain``.
"""

from .audit import assert_vjp as assert_vjp
from .audit import check as check
from .audit import check_vjp as check_vjp
from .grading import explain as explain
from .grading import grade as grade
from .proof import Proof as Proof
from .proof import prove as prove
from .report import Row as Row
from .report import Streams as Streams
from .report import Suspicion as Suspicion
from .report import Verdict as Verdict
