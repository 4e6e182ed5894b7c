"""What is going to happen, in order, and who is told of it."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, NamedTuple

from poolwright.domain.simulation.clock import Clock

Handler = Callable[[Any], None]


class Happening(NamedTuple):
    """Something that happened to a server or a session, for those who watch."""

    at: int
    """Microseconds since the beginning."""
    what: str
    """Servers: `created`, `running`, `failed`, `draining`, `undrained`, `deleting`, `deleted`. Sessions: `requested`,
    `assigned`, `ended`, `refused`."""
    server: str | None = None
    session: int | None = None


Watch = Callable[[Happening], None]


class Timeline:
    """The events to come, and the present instant."""

    def __init__(self, clock: Clock, watch: Watch | None = None) -> None:
        self.clock = clock
        self.now = 0
        self.events = 0
        """Handled so far."""
        self.watched = watch is not None
        self._watch = watch
        self._heap: list[tuple[int, int, Handler, Any]] = []
        self._pushed = 0

    def at(self, instant: int, handler: Handler, subject: Any) -> None:
        """Call the handler then. Events of one instant come in the order in which they were given."""
        self._pushed += 1
        heappush(self._heap, (instant, self._pushed, handler, subject))

    def next_instant(self) -> int | None:
        """When the next event is due."""
        return self._heap[0][0] if self._heap else None

    def handle_due(self) -> None:
        """Handle every event of the present instant, those included that these bring about at once."""
        heap, now = self._heap, self.now
        while heap and heap[0][0] <= now:
            _, _, handler, subject = heappop(heap)
            self.events += 1
            handler(subject)

    def tell(self, what: str, server: str | None = None, session: int | None = None) -> None:
        """Tell who watches, if anybody does."""
        if self._watch is not None:
            self._watch(Happening(self.now, what, server, session))
