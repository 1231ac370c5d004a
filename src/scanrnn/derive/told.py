"""What of the residuals the states tell, or the params: none of it is kept on a tape.

The derivative of a tanh is 1 − h² of the state after the step: arithmetic that costs
less than to keep its result. What takes more than that, a division or a function, is
kept.
"""

from collections.abc import Sequence
from typing import Any

from .flat import is_literal

# Exact to a rounding, and a small part of a product's time. No comparison: a state that
# is kept in 16 bits may lie on the other side of it.
CHEAP = {
    *("add", "sub", "mul", "neg", "integer_pow", "square", "one_minus_square", "copy"),
    *("convert_element_type", "broadcast_in_dim", "reshape", "squeeze"),
}


def sources_of(
    equations: Sequence[Any], given: set[Any], told: set[Any], variable: Any
) -> set[Any] | None:
    """The states from which it follows by cheap arithmetic; None if it does not.

    Args:
        given: what params alone make, however dear.
        told: the variables of the states before and after the step.
    """
    made_by = {v: e for e in equations for v in e.outvars}

    def visit(variable: Any) -> set[Any] | None:
        if is_literal(variable) or variable in given:
            return set()
        if variable in told:
            return {variable}
        equation = made_by.get(variable)
        if equation is None or equation.primitive.name not in CHEAP:
            return None
        found: set[Any] = set()
        for operand in equation.invars:
            sources = visit(operand)
            if sources is None:
                return None
            found |= sources
        return found

    return visit(variable)


def needed_between(
    equations: Sequence[Any], known: set[Any], wanted: Sequence[Any]
) -> list[Any]:
    """Those equations that lead from the known variables to the wanted ones."""
    alive = {v for v in wanted if not is_literal(v)} - known
    kept = []
    for equation in reversed(equations):
        if any(v in alive for v in equation.outvars):
            kept.append(equation)
            alive.update(v for v in equation.invars if not is_literal(v))
            alive -= known
    return kept[::-1]
