"""Whether the settings of the local provider can work on this computer."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

from poolwright.domain.findings import Finding
from poolwright.providers.local.settings import Settings

_SHELL_SECONDS: Final = 5.0


def check(settings: Settings) -> Sequence[Finding]:
    """All that is wrong: the directory, the shell and the addresses are tried for real."""
    findings = (
        _check_directory(settings.directory.absolute()),
        _check_shell(settings.shell),
        _check_address_range(settings.address_range),
    )
    return [finding for finding in findings if finding]


def _check_directory(directory: Path) -> Finding | None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return None
    except OSError as error:
        return Finding(
            setting="directory",
            problem=f"{directory} cannot be written: {error}",
            remedy="name a directory that this user may write to",
        )


def _check_shell(name: str) -> Finding | None:
    shell = shutil.which(name)
    if shell and _is_bash(shell):
        return None
    return Finding(
        setting="shell",
        problem=f"{name!r} is {'not bash' if shell else 'no program on this computer'}",
        remedy="install bash, or name its path",
    )


def _is_bash(shell: str) -> bool:
    try:
        asked = subprocess.run(
            [shell, "-c", 'test -n "$BASH_VERSION"'],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SHELL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def _check_address_range(address_range: IPv4Network) -> Finding | None:
    address = address_range[1]
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.bind((str(address), 0))
            return None
    except OSError as error:
        return Finding(
            setting="address_range",
            problem=f"{address} cannot be used: {error}",
            remedy="set up the addresses of the range on the loopback interface",
        )
