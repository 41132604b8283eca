"""Malloc that keeps what is freed, in processes of their own: page faults as the kernel counts them."""

import subprocess
import sys

import pytest

from mmbench.profile.malloc import _glibc

PROGRAM = """
import resource, sys
import numpy as np
from mmbench.profile.malloc import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()


def step():  # what a layer and the next take together, and give back
    return [np.ones(20 * 2**20, dtype=np.uint8) for _ in range(6)]


def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


for _ in range(3):
    step()
before = faults()
for _ in range(10):
    step()
print((faults() - before) // 10)
"""


def faults(word):
    done = subprocess.run([sys.executable, "-c", PROGRAM, word], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(_glibc() is None, reason="another malloc than glibc's")
def test_what_is_freed_is_kept_and_costs_no_page_faults():
    assert faults("keep") < faults("as it is") / 20
