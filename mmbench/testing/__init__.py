"""Conformance suites for what users write: `check_fusion` and `check_model`."""

from mmbench.testing.fusion import check_fusion
from mmbench.testing.model import check_model

__all__ = ["check_fusion", "check_model"]
