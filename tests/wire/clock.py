"""The time as the pace of an account sees it, so that nobody waits in tests."""

import time


class Clock:
    """Runs as the real one does, and can be moved on."""

    def __init__(self, *, each_look_seconds: float = 0.0, stands_still: bool = False) -> None:
        """`each_look_seconds` go by at each look too: for accounts whose pace would be too slow for a test.
        `stands_still`: it only moves when it is moved, so that a slow machine is no rest for an account."""
        self._stands_at = time.monotonic() if stands_still else None
        self._each_look_seconds = each_look_seconds
        self._ahead_seconds = 0.0

    def __call__(self) -> float:
        """The time in seconds."""
        self._ahead_seconds += self._each_look_seconds
        now = time.monotonic() if self._stands_at is None else self._stands_at
        return now + self._ahead_seconds

    def advance(self, seconds: float) -> None:
        """Let so much time go by."""
        self._ahead_seconds += seconds
