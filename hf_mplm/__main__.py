"""`python -m hf_mplm VERB`, so that `torchrun -m` and `accelerate launch -m` find it."""

from __future__ import annotations

import sys

from .cli.main import main


if __name__ == "__main__":
    sys.exit(main())
