"""Are right passes ever rejected? Many forms, sizes, dtypes and scales.

    python experiments/verification/false_alarms.py [--number 1000]

Prints every alarm, and how near the nearest right pass came to one.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from right_passes import trials  # type: ignore[import-not-found]

from scanrnn.verify.grading.judge import judge


def main(number: int, seed: int) -> None:
    """Judges random right passes."""
    alarms, nearest, compared = 0, 0.0, 0
    for name, function, case, dtype in trials(number, seed):
        rows = judge(function, case, dtype)
        for row in rows:
            compared += 1
            nearest = max(nearest, row.error / row.allowed if row.allowed else 0.0)
            if not row.passed:
                print(f"{name}, {case.name}: {row.leaf} {row.error} {row.allowed}")
        alarms += not all(row.passed for row in rows)
    print(
        f"{number} right passes, {compared} leaves: {alarms} false alarms; "
        f"the largest error was {nearest:.0%} of what is allowed"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    main(options.number, options.seed)
