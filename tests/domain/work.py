"""How much work a function is, told without a clock: the same on every machine and at every hour."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import poolwright

Answer = TypeVar("Answer")
OURS = str(Path(poolwright.__file__).parent)


def lines_of(call: Callable[[], Answer]) -> tuple[Answer, int]:
    """What the call answers, and how many lines of Poolwright ran for it.

    Lines of others are not counted: what the garbage collector calls, for one, comes when it likes.
    """
    lines = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal lines
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        answer = call()
    finally:
        sys.settrace(before)
    return answer, lines
