"""What keeps an operation of several calls from never ending at an account that is busy."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

LONGEST_WAIT_SECONDS: Final = 30.0


class Patience:
    """Lets an operation be refused for its account's pace at its first call only.

    Where every call costs all there is to spend, one that is refused in its middle would begin anew each time, spend
    its turn on the first call again, and never come to an end. So from the second call on it waits for its turn, which
    is the exception to the rule that nothing waits. Threads have an operation each.
    """

    def __init__(self, *, sleep: Callable[[float], None] | None = None) -> None:
        """`sleep` takes seconds."""
        self._sleep = sleep
        self._thread = threading.local()

    @contextmanager
    def operation(self, *, begun: bool = False) -> Iterator[None]:
        """Around an operation. `begun`: others wait for its calls, so that none of them is to be refused."""
        before = self._begun
        self._thread.begun = before or begun
        try:
            yield
        finally:
            self._thread.begun = before

    def made(self) -> None:
        """Say that a call was made."""
        self._thread.begun = True

    def waited(self, retry_after_seconds: float | None) -> bool:
        """Wait for the next turn of a call that came too fast; False: without waiting, since it is to be refused."""
        if not self._begun or retry_after_seconds is None or retry_after_seconds > LONGEST_WAIT_SECONDS:
            return False
        (self._sleep or time.sleep)(retry_after_seconds)
        return True

    @property
    def _begun(self) -> bool:
        return getattr(self._thread, "begun", False)
