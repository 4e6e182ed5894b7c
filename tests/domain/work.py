"""How much work a function is, told without a clock: the same on every machine and at every hour."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

Answer = TypeVar("Answer")


def lines_of(call: Callable[[], Answer]) -> tuple[Answer, int]:
    """What the call answers, and how many lines of Python ran for it."""
    lines = 0

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        answer = call()
    finally:
        sys.settrace(before)
    return answer, lines
