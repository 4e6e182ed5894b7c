"""What each recorded history asked Temporal for, against what was accepted: a change of order is seen."""

from difflib import unified_diff

import pytest

from tests.replay import histories
from tests.replay.fingerprints import accepted, fingerprint

EXPLANATION = """
{name} was recorded again, and asks Temporal for other things, or for the same in another order:

{changes}

Lives that began before this change replay their old history on the new code, and would be stuck.
- If a release holds the old history: take it back (git checkout), put the new path behind
  `if workflow.patched("a-name-that-says-what")`, keep the old path in the else branch, and record the new one as a play
  with a name of its own (tests/replay/lives.py, loops.py; then `make histories`).
- If no release holds it, or only the play has changed: `make histories ARGS=--accept` accepts the new order.
"""


class TestFingerprints:
    @pytest.mark.parametrize("name", histories.names())
    def test_a_history_asks_for_what_was_accepted(self, name: str) -> None:
        before, now = accepted().get(name, []), fingerprint(histories.read(name))
        changes = "\n".join(unified_diff(before, now, "accepted", "recorded", lineterm=""))
        assert not changes, EXPLANATION.format(name=name, changes=changes)

    def test_none_is_left_of_a_history_that_is_gone(self) -> None:
        gone = accepted().keys() - set(histories.names())
        assert not gone, (
            f"the histories of {', '.join(sorted(gone))} are gone: bring them back, or, if no life that they stand for "
            "can be running any more, accept that with `make histories ARGS=--accept`"
        )
