"""Is this derivative right, and if not: which leaf, which step, which mistake?"""

from .check import check as check
from .explain import explain as explain
from .grade import grade as grade
from .report import Row as Row
from .report import Streams as Streams
from .report import Suspicion as Suspicion
from .report import Verdict as Verdict
from .vjp import assert_vjp as assert_vjp
from .vjp import check_vjp as check_vjp
