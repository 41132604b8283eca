"""What `mmbench bisect` tells while it searches: a line for each commit that was measured."""

from mmbench.cli.gate_lines import GateLines
from mmbench.gate.bisect import BisectProgress, Step
from mmbench.gate.checkout import short_name


class BisectLines(GateLines, BisectProgress):
    """Prints each step, and shows on a terminal how many commits are left."""

    def left(self, commits: int) -> None:
        """Show it on a terminal."""
        self.tell(f"{commits} commits left")

    def step(self, step: Step) -> None:
        """Print it."""
        self.line(told_step(step))


def told_step(step: Step) -> str:
    """A step in one line."""
    name = short_name(step.commit)
    if step.change is None:
        return f"{name}: passed over, {step.reason}"
    change = step.change
    bounds = f"{change.value:+.1%} [{change.low:+.1%}, {change.high:+.1%}]"
    if step.confidence is None:
        return f"{name}: {bounds}, {step.reason}"
    return f"{name}: {bounds}, {'bad' if step.bad else 'good'}, confidence {step.confidence:.1%}"
