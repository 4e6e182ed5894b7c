"""Tells what will run a startup script."""

from pathlib import PurePosixPath
from typing import Final, Literal

Shell = Literal["bash", "powershell", "cmd", "cloud-config", "unknown"]

_FIRST_LINES: Final[tuple[tuple[str, Shell], ...]] = (
    ("<powershell", "powershell"),
    ("#ps1", "powershell"),
    ("#requires ", "powershell"),
    ("<script", "cmd"),
    ("rem cmd", "cmd"),
    ("@echo off", "cmd"),
)
_INTERPRETERS: Final[dict[str, Shell]] = {
    "bash": "bash",
    "sh": "bash",
    "dash": "bash",
    "ksh": "bash",
    "zsh": "bash",
    "pwsh": "powershell",
    "powershell": "powershell",
}


def shell_of(script: str) -> Shell:
    """What the first line says will run `script`. All POSIX shells count as `bash`.

    `unknown` for another interpreter and for a first line that does not say, as in a bare PowerShell script.
    """
    first_line = script.partition("\n")[0].rstrip()
    if first_line.startswith("#!"):
        return _INTERPRETERS.get(_interpreter(first_line), "unknown")
    if first_line == "#cloud-config":
        return "cloud-config"
    lowered = first_line.lower()
    return next((shell for beginning, shell in _FIRST_LINES if lowered.startswith(beginning)), "unknown")


def _interpreter(first_line: str) -> str:
    """`bash` for `#!/bin/bash -e` and for `#!/usr/bin/env -S bash -e`."""
    words = [PurePosixPath(word).name for word in first_line.removeprefix("#!").split() if not word.startswith("-")]
    if words[:1] == ["env"]:
        words = [word for word in words[1:] if "=" not in word]
    return words[0] if words else ""
