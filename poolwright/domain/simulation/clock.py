"""The time of a simulation."""

from datetime import datetime, timedelta
from typing import Final

SECOND: Final = 1_000_000


def microseconds(seconds: float) -> int:
    """A length of time as the clock counts."""
    return round(seconds * SECOND)


class Clock:
    """The time in a simulation: whole microseconds since its beginning, which compare and add up without rounding."""

    def __init__(self, begin: datetime) -> None:
        self._begin = begin

    def instant(self, moment: datetime) -> int:
        """Microseconds from the beginning to this moment."""
        since = moment - self._begin
        return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds

    def moment(self, instant: int) -> datetime:
        """The other way."""
        return self._begin + timedelta(microseconds=instant)
