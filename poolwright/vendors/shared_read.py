"""One call to a vendor that answers many threads at once."""

import threading
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(slots=True, eq=False)
class _Reader(Generic[Key, Value]):
    """One thread that waits for one thing, until it has it or is told to ask for a batch."""

    key: Key
    answer: "Future[Value | None]" = field(default_factory=Future)
    turn: "Future[list[_Reader[Key, Value]] | None]" = field(default_factory=Future)
    """What this thread has to ask for, itself included; None once its answer is there."""


class SharedRead(Generic[Key, Value]):
    """Reads of single things, answered together while a call is under way.

    The first reader asks for its own thing. Whoever comes meanwhile waits, and when that call is back, one of them asks
    for all of theirs. An answer is therefore never older than its question, and a lone reader pays for one thing only.
    """

    def __init__(
        self,
        one: Callable[[Key], Value | None],
        many: Callable[[frozenset[Key]], Mapping[Key, Value]],
    ) -> None:
        """`one` reads one thing: None if the vendor says that there is none. `many` reads several in as few calls as
        it can; it may leave out what it does not see (each of these is then read by itself), and may return more."""
        self._one, self._many = one, many
        self._lock = threading.Lock()
        self._busy = False
        self._waiting: list[_Reader[Key, Value]] = []

    def read(self, key: Key) -> Value | None:
        """The thing, or None if there is none. Raises what the calls raise."""
        reader: _Reader[Key, Value] = _Reader(key)
        with self._lock:
            if self._busy:
                self._waiting.append(reader)
            else:
                self._busy = True
                reader.turn.set_result([reader])
        batch = reader.turn.result()
        if batch is not None:
            try:
                self._ask(reader, batch)
            finally:
                self._hand_over()
        return reader.answer.result()

    def _hand_over(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting, []
            self._busy = bool(batch)
        if batch:
            batch[0].turn.set_result(batch)

    def _ask(self, asking: _Reader[Key, Value], batch: list[_Reader[Key, Value]]) -> None:
        try:
            found = self._found(frozenset(reader.key for reader in batch))
        except BaseException as error:  # noqa: BLE001 (it is raised in each thread that asked)
            for reader in batch:
                reader.answer.set_exception(error)
        else:
            for reader in batch:
                self._tell(reader, found)
        for reader in batch:
            if reader is not asking:
                reader.turn.set_result(None)

    def _found(self, keys: frozenset[Key]) -> Mapping[Key, Value | None]:
        return self._many(keys) if len(keys) > 1 else {key: self._one(key) for key in keys}

    def _tell(self, reader: _Reader[Key, Value], found: Mapping[Key, Value | None]) -> None:
        try:
            reader.answer.set_result(found[reader.key] if reader.key in found else self._one(reader.key))
        except BaseException as error:  # noqa: BLE001
            reader.answer.set_exception(error)
