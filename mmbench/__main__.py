"""`python -m mmbench` is `mmbench`; `torchrun -m mmbench train ...` trains in several processes."""

import os
import sys

from mmbench.cli import main

if __name__ == "__main__":
    # Of its warnings in C++ there is one in every process, about layers that could have had no gradient and have one.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    sys.exit(main())
