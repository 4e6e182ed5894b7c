"""How a startup script becomes EC2's user data."""

import gzip
from typing import Final

from poolwright.providers.aws.settings import OperatingSystem
from poolwright.providers.errors import InvalidSettings

LIMIT_BYTES: Final = 16_384
"""Of user data before it is encoded in base64."""
_FRAME: Final = "<powershell>\n{}\n</powershell>"
_FRAMED: Final = ("<powershell", "<script", "<persist", "<runasloglevel", "version:")
"""How user data begins that EC2Launch understands as it is; the last is its YAML form."""


def script_limit_bytes(system: OperatingSystem) -> int | None:
    """The largest script that always fits. None for Linux, where a script that is larger is compressed."""
    return LIMIT_BYTES - len(_FRAME.format("")) if system is OperatingSystem.WINDOWS else None


def user_data_text(script: str, system: OperatingSystem) -> str:
    """What the guest gets to read: the script, for Windows in the frame that makes EC2Launch run it."""
    if system is OperatingSystem.LINUX or script.lstrip().lower().startswith(_FRAMED):
        return script
    return _FRAME.format(script) if script else ""


def user_data_bytes(script: str, system: OperatingSystem) -> bytes:
    """What is sent: compressed where it has to be and cloud-init undoes it.

    The same bytes for the same script, because EC2 compares repeated creations. Raises `InvalidSettings` when it does
    not fit.
    """
    plain = user_data_text(script, system).encode()
    if len(plain) <= LIMIT_BYTES:
        return plain
    if system is OperatingSystem.WINDOWS:
        raise InvalidSettings(
            f"the startup script has {len(plain)} bytes with its powershell tags, EC2 takes {LIMIT_BYTES}; shorten it, "
            "or have it fetch the rest"
        )
    packed = gzip.compress(plain, mtime=0)
    if len(packed) > LIMIT_BYTES:
        raise InvalidSettings(
            f"the startup script has {len(plain)} bytes, {len(packed)} when compressed, EC2 takes {LIMIT_BYTES}; "
            "shorten it, or have it fetch the rest"
        )
    return packed
