"""Runs the benchmarks one after the other, each in a process of its own: `python -m benchmarks [NAME ...]`."""

from __future__ import annotations

import argparse
import importlib.util
import pkgutil
import subprocess
import sys

import benchmarks


NAMES = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_"))
# What some need beyond the package; they are left out, and named, where it is not installed.
NEEDS = {"encoding": "sentence_transformers", "export": "onnxruntime"}


def main() -> int:
    """Run the named benchmarks, or all of them; the status counts those that failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], metavar="NAME", help=", ".join(NAMES))
    names = parser.parse_args().names or NAMES
    failed = []
    for name in names:
        if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
            print(f"\n{name}: left out, it needs {NEEDS[name]}", flush=True)
        elif subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
