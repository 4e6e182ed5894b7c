"""The time as the pace of an account sees it, so that nobody waits in tests."""

import time


class Clock:
    """Runs as the real one does, and can be moved on."""

    def __init__(self, *, each_look_seconds: float = 0.0) -> None:
        """`each_look_seconds` go by at each look too: for accounts whose pace would be too slow for a test."""
        self._each_look_seconds = each_look_seconds
        self._ahead_seconds = 0.0

    def __call__(self) -> float:
        """The time in seconds."""
        self._ahead_seconds += self._each_look_seconds
        return time.monotonic() + self._ahead_seconds

    def advance(self, seconds: float) -> None:
        """Let so much time go by."""
        self._ahead_seconds += seconds
