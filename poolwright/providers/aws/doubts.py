"""Things that may exist although EC2 does not show them: for some seconds it hides what it has just made."""

import threading
from collections.abc import Callable
from typing import Final

_SECONDS: Final = 60.0


class Doubts:
    """What is in doubt, each for a minute from when the doubt began. Thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives seconds."""
        self._clock, self._lock = clock, threading.Lock()
        self._began_at: dict[str, float] = {}

    def begin(self, name: str) -> None:
        """It is in doubt from now on, or has been since it was first said."""
        with self._lock:
            self._began_at.setdefault(name, self._clock())

    def renew(self, name: str) -> None:
        """It is in doubt from now on, whatever was said before."""
        with self._lock:
            self._began_at[name] = self._clock()

    def remains(self, name: str) -> bool:
        """Whether it is still too early to take this for gone."""
        with self._lock:
            return self._clock() - self._began_at.get(name, float("-inf")) < _SECONDS

    def end(self, name: str) -> None:
        """EC2 has shown it."""
        with self._lock:
            self._began_at.pop(name, None)
