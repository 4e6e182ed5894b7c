"""What the exit codes of every command mean."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """How a command ended."""

    OK = 0
    FAILED = 1
    USAGE = 2
    DIFFERENCES = 3
    NOT_FOUND = 4
    REFUSED = 5
    UNREACHABLE = 6
    TIMED_OUT = 7


MEANINGS: Final[Mapping[ExitCode, str]] = {
    ExitCode.OK: "It is done.",
    ExitCode.FAILED: "The operation failed, or a check of a provider, DNS or directory found something.",
    ExitCode.USAGE: "The command line cannot be understood.",
    ExitCode.DIFFERENCES: "`diff` only: applying would change something.",
    ExitCode.NOT_FOUND: "There is nothing of this name.",
    ExitCode.REFUSED: "It would do harm or contradicts itself, so nothing was changed: a configuration with problems, "
    "a document in use, a server with people on it.",
    ExitCode.UNREACHABLE: "A server that is needed does not answer: Temporal, or the database.",
    ExitCode.TIMED_OUT: "What was waited for has not happened in time; it may still happen.",
}
"""Exit code -> its meaning, for people and scripts alike."""
