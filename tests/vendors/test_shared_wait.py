"""One call that tells all who wait how far their things are."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from poolwright.vendors.shared_wait import HOLDS_SECONDS, SharedWait


class Vendor:
    """Things by name, each "coming" until it is "ready", on a clock of their own; and every call for them."""

    def __init__(self, **things: str) -> None:
        self.things = things
        self.now = 1000.0
        self.unseen_in_lists: set[str] = set()
        self.calls: list[object] = []
        self.refuses = False
        self.go = threading.Event()
        self.held = threading.Event()
        self.go.set()
        self.waiting = SharedWait(self.one, self.many, is_awaited=lambda thing: thing == "coming", clock=self.clock)

    def clock(self) -> float:
        return self.now

    def one(self, key: str) -> str | None:
        self._called(key)
        return self.things.get(key)

    def many(self, keys: frozenset[str]) -> Mapping[str, str]:
        self._called(keys)
        return {key: thing for key, thing in self.things.items() if key in keys and key not in self.unseen_in_lists}

    def read(self, *keys: str) -> list[str | None]:
        return [self.waiting.read(key) for key in keys]

    def _called(self, what: object) -> None:
        self.calls.append(what)
        self.held.set()
        assert self.go.wait(10)
        if self.refuses:
            raise ConnectionError("down")


class TestWhoeverWaitsAlone:
    def test_asks_for_his_own_thing(self) -> None:
        vendor = Vendor(a="coming", b="coming")
        for _ in range(3):
            assert vendor.read("a") == ["coming"]
            vendor.now += HOLDS_SECONDS
        assert vendor.calls == ["a"] * 3


class TestManyWhoWait:
    def test_are_all_told_by_one_call_in_two_seconds(self) -> None:
        vendor = Vendor(a="coming", b="coming", c="coming")
        vendor.read("a", "b", "c")
        vendor.calls.clear()
        vendor.now += HOLDS_SECONDS
        assert vendor.read("c", "a", "b", "a") == ["coming"] * 4
        assert vendor.calls == [frozenset("abc")]

    def test_see_what_has_changed_once_two_seconds_are_over(self) -> None:
        vendor = Vendor(a="coming", b="coming")
        vendor.read("a", "b")
        vendor.things["a"] = "ready"
        vendor.now += HOLDS_SECONDS - 0.1
        assert vendor.read("b", "a") == ["coming", "coming"]
        vendor.now += 0.1
        assert vendor.read("b", "a") == ["coming", "ready"]

    def test_are_told_from_the_beginning_by_the_call_that_made_the_thing(self) -> None:
        vendor = Vendor(a="coming", b="coming")
        vendor.waiting.tell("a", "coming")
        assert vendor.read("a") == ["coming"]
        assert vendor.calls == []
        assert vendor.read("b") == ["coming"]
        assert vendor.calls == [frozenset("ab")]

    def test_do_not_ask_on_for_what_is_ready(self) -> None:
        vendor = Vendor(a="ready", b="coming", c="coming")
        vendor.read("b", "c", "a")
        vendor.now += HOLDS_SECONDS
        vendor.calls.clear()
        vendor.read("b")
        assert vendor.calls == [frozenset("bc")]

    def test_do_not_ask_on_for_what_nobody_has_asked_for_in_a_minute(self) -> None:
        vendor = Vendor(a="coming", b="coming", c="coming")
        vendor.read("a", "b")
        vendor.now += 60
        vendor.calls.clear()
        vendor.read("b", "c")
        assert vendor.calls == ["b", frozenset("bc")]

    def test_share_the_call_that_is_under_way(self) -> None:
        vendor = Vendor(a="coming", b="coming", c="coming")
        vendor.read("a", "b", "c")
        vendor.now += HOLDS_SECONDS
        vendor.calls.clear()
        vendor.held.clear()
        vendor.go.clear()
        with ThreadPoolExecutor(3) as threads:
            first = threads.submit(vendor.waiting.read, "a")
            assert vendor.held.wait(10)
            others = [threads.submit(vendor.waiting.read, key) for key in "bc"]
            while len(vendor.waiting._waiting) < len(others):
                pass
            vendor.go.set()
        assert [future.result() for future in (first, *others)] == ["coming"] * 3
        assert vendor.calls == [frozenset("abc")]


class TestWhatIsNotThere:
    def test_is_asked_for_each_time(self) -> None:
        vendor = Vendor(a="coming")
        assert vendor.read("b", "b") == [None, None]
        assert vendor.calls == ["b", "b"]

    def test_is_asked_for_by_itself_when_a_list_lacks_it(self) -> None:
        vendor = Vendor(a="coming", b="coming")
        vendor.unseen_in_lists = {"b"}
        assert vendor.read("a", "b") == ["coming", "coming"]
        assert vendor.calls == ["a", frozenset("ab"), "b"]


class TestErrors:
    def test_reach_whoever_asked_and_spoil_nothing(self) -> None:
        vendor = Vendor(a="coming", b="coming")
        vendor.read("a", "b")
        vendor.now += HOLDS_SECONDS
        vendor.refuses = True
        with pytest.raises(ConnectionError):
            vendor.read("a")
        vendor.refuses = False
        vendor.calls.clear()
        assert vendor.read("b", "a") == ["coming", "coming"]
        assert vendor.calls == [frozenset("ab")]


class TestWhatIsToldWhileACallIsUnderWay:
    def test_is_not_forgotten(self) -> None:
        vendor = Vendor(a="coming")
        vendor.held.clear()
        vendor.go.clear()
        with ThreadPoolExecutor(1) as threads:
            reading = threads.submit(vendor.waiting.read, "a")
            assert vendor.held.wait(10)
            vendor.now += 0.1
            vendor.waiting.tell("b", "coming")
            vendor.go.set()
            assert reading.result() == "coming"
        vendor.calls.clear()
        assert vendor.read("b") == ["coming"]
        assert vendor.calls == []
