"""What `import hf_mplm` adds to `from transformers import AutoModelForMaskedLM`: `python -m benchmarks.import_time`.

Both orders are timed in fresh processes, in turn.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

from benchmarks._report import report


TIMED = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
ALONE = "from transformers import AutoModelForMaskedLM"
BOTH = "from transformers import AutoModelForMaskedLM; import hf_mplm"


def seconds(statement: str) -> float:
    """Seconds that a statement takes in a process of its own."""
    done = subprocess.run([sys.executable, "-c", TIMED.format(statement)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Time both and report the difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    seconds(BOTH)  # files into the page cache
    pairs = [(seconds(ALONE), seconds(BOTH)) for _ in range(repeats)]
    report(
        "import_time",
        [
            {
                "transformers alone (s)": statistics.median(alone for alone, _ in pairs),
                "with hf_mplm (s)": statistics.median(both for _, both in pairs),
                "added (s), median of differences": statistics.median(both - alone for alone, both in pairs),
                "repeats": repeats,
            }
        ],
    )


if __name__ == "__main__":
    main()
