"""What is written to a person's terminal."""

import re
from typing import Final

_STEERING: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: object) -> str:
    """The text with what would steer a terminal made visible: VMs, brokers and providers write texts that we print."""
    return _STEERING.sub(lambda found: f"\\x{ord(found[0]):02x}", str(text).replace("\r\n", "\n"))
