"""What one process remembers of its droplets for a while. Losing it costs calls, never correctness."""

import threading
from typing import Final, Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

_KEPT: Final = 10_000


class Memory(Generic[Key, Value]):
    """The last 10,000 values by key, shared by threads."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._values: dict[Key, Value] = {}

    def put(self, key: Key, value: Value) -> None:
        """Remember it, and forget the oldest of too many."""
        with self._lock:
            self._values.pop(key, None)
            self._values[key] = value
            while len(self._values) > self._kept:
                del self._values[next(iter(self._values))]

    def get(self, key: Key) -> Value | None:
        """What was put there, or None."""
        with self._lock:
            return self._values.get(key)

    def take(self, key: Key) -> Value | None:
        """The same, and forget it."""
        with self._lock:
            return self._values.pop(key, None)
