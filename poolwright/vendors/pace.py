"""The pace of one account: how fast calls may follow each other, and how long all of them wait once it is throttled."""

import threading
import time
from collections.abc import Callable
from typing import Final

_SHORTEST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 60.0
_ROUNDING: Final = 1e-6


class TooFast(Exception):
    """This call was not made: the account has to go slower. The same call may be made after `retry_after_seconds`."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(f"the account has made too many calls; it goes on in {retry_after_seconds:.0f} s")
        self.retry_after_seconds = retry_after_seconds


class Pace:
    """A token bucket for one account's calls, shared by all threads of this worker.

    No call ever waits here: a thread that waits is a thread that another server lacks. A call that comes too early is
    refused with `TooFast`, and Temporal makes it again at the time that it names.
    """

    def __init__(
        self, calls_per_second: float, burst_calls: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`burst_calls` may be made at once after a rest; after that, `calls_per_second`. `clock` gives seconds."""
        self._rate, self._burst, self._clock = calls_per_second, float(burst_calls), clock
        self._lock = threading.Lock()
        self._left, self._counted_at = self._burst, clock()
        self._last_turn_at = self._resumes_at = 0.0
        self._pauses = 0

    def call(self) -> None:
        """Say that a call is about to be made. Raises `TooFast` when it must not be."""
        with self._lock:
            now = self._clock()
            if now < self._resumes_at:
                raise TooFast(self._resumes_at - now)
            self._left = min(self._burst, self._left + (now - self._counted_at) * self._rate)
            self._counted_at = now
            if self._left < 1 - _ROUNDING:
                # Each refusal gives away the next free moment, so that they do not all come back at once.
                free_at = now + (1 - self._left) / self._rate
                self._last_turn_at = max(free_at, self._last_turn_at + 1 / self._rate)
                raise TooFast(self._last_turn_at - now)
            self._left -= 1

    def throttled(self, retry_after_seconds: float | None = None) -> float:
        """Say that the vendor refused a call as one too many. Returns how many seconds all calls pause now.

        `retry_after_seconds` is what the vendor asked for. Where it said nothing, each refusal in a row doubles the
        pause, from 1 to 60 seconds.
        """
        with self._lock:
            now = self._clock()
            if now >= self._resumes_at:
                # Calls that were on their way when the pause began are one refusal, not many.
                self._pauses += 1
            doubled = min(_LONGEST_PAUSE_SECONDS, _SHORTEST_PAUSE_SECONDS * 2.0 ** (self._pauses - 1))
            pause = doubled if retry_after_seconds is None else retry_after_seconds
            self._resumes_at = max(self._resumes_at, now + pause)
            return self._resumes_at - now

    def answered(self) -> None:
        """Say that the vendor answered a call: the next refusal is the first in a row."""
        with self._lock:
            self._pauses = 0
