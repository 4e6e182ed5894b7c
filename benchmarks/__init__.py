"""Benchmarks: `python -m benchmarks.NAME` each. What they found is in `docs/measurements.md`."""

import os
import sys

# As on a person's machine. Temporal's sandbox imports a workflow's modules for each run of it, and programs start by
# importing theirs: without bytecode files all of that would be compiled each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
