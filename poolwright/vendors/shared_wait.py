"""One call to a vendor that tells many threads how far the things are that they wait for."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from poolwright.vendors.shared_read import Key, SharedRead, Value

HOLDS_SECONDS: Final = 2.0
"""The shortest pause between two looks at one thing, so that nobody who waits alone sees anything twice."""
_AWAITED_SECONDS: Final = 60.0
"""Longer than the longest pause between two looks: after it nobody waits any more."""


class SharedWait(SharedRead[Key, Value]):
    """Reads for those who wait: for everything that is waited for together, one call in two seconds.

    An answer may be two seconds older than its question: good for "is it ready yet?", and for nothing that depends on
    what was written meanwhile. That a thing is not there is only said by a call that began after the question.
    """

    def __init__(
        self,
        one: Callable[[Key], Value | None],
        many: Callable[[frozenset[Key]], Mapping[Key, Value]],
        *,
        is_awaited: Callable[[Value], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`one` and `many` as in `SharedRead`. `is_awaited`: whether whoever was told this will ask again. `clock`
        gives seconds."""
        super().__init__(one, many)
        self._is_awaited, self._clock = is_awaited, clock
        self._asked_at: dict[Key, float] = {}
        self._told: dict[Key, tuple[float, Value]] = {}
        """What was told of each thing by a call that began at this time."""

    def tell(self, key: Key, value: Value) -> None:
        """Say what another call has just told of a thing, such as the one that made it."""
        with self._lock:
            now = self._forget_old()
            self._told[key] = now, value
            if self._is_awaited(value):
                self._asked_at[key] = now

    def read(self, key: Key) -> Value | None:
        """The thing as it was at most two seconds ago, or None if there is none now. Raises what the calls raise."""
        with self._lock:
            self._asked_at[key] = self._clock()
            value = self._held(key)
        if value is None:
            value = super().read(key)
        if value is None or not self._is_awaited(value):
            with self._lock:
                self._asked_at.pop(key, None)
        return value

    def _found(self, keys: frozenset[Key]) -> Mapping[Key, Value | None]:
        with self._lock:
            # The call that was under way when these were asked for may have told of them.
            held = {key: value for key in keys if (value := self._held(key)) is not None}
            if len(held) == len(keys):
                return held
            began_at = self._forget_old()
            wanted = keys | self._asked_at.keys()
        found = super()._found(wanted)
        with self._lock:
            younger = {key: told for key, told in self._told.items() if told[0] > began_at}
            self._told = {key: (began_at, value) for key, value in found.items() if value is not None} | younger
        return {**held, **found}

    def _held(self, key: Key) -> Value | None:
        told_at, value = self._told.get(key, (float("-inf"), None))
        return value if self._clock() - told_at < HOLDS_SECONDS else None

    def _forget_old(self) -> float:
        """Returns the time."""
        now = self._clock()
        self._told = {key: told for key, told in self._told.items() if now - told[0] < HOLDS_SECONDS}
        self._asked_at = {key: at for key, at in self._asked_at.items() if now - at < _AWAITED_SECONDS}
        return now
