"""One call that answers many."""

import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from poolwright.vendors.shared_read import SharedRead


class Vendor:
    """Things by name, and every call that asked for them. The first call is held until `go`."""

    def __init__(self, **things: int) -> None:
        self.things = things
        self.unseen_in_lists: set[str] = set()
        self.calls: list[object] = []
        self.go, self.held = threading.Event(), threading.Event()
        self.refuses = False

    def one(self, key: str) -> int | None:
        self._called(key)
        return self.things.get(key)

    def many(self, keys: frozenset[str]) -> Mapping[str, int]:
        self._called(keys)
        return {key: value for key, value in self.things.items() if key not in self.unseen_in_lists}

    def _called(self, what: object) -> None:
        self.calls.append(what)
        self.held.set()
        assert self.go.wait(10)
        if self.refuses:
            raise ConnectionError("down")


def read_together(vendor: Vendor, *keys: str) -> list["Future[int | None]"]:
    """Read the first; while that is held, the others."""
    shared = SharedRead(vendor.one, vendor.many)
    with ThreadPoolExecutor(len(keys)) as threads:
        futures = [threads.submit(shared.read, keys[0])]
        assert vendor.held.wait(10)
        futures += [threads.submit(shared.read, key) for key in keys[1:]]
        while len(shared._waiting) < len(keys) - 1:
            pass
        vendor.go.set()
    return futures


class TestAlone:
    def test_a_lone_reader_asks_for_its_own_thing(self) -> None:
        vendor = Vendor(a=1)
        vendor.go.set()
        shared = SharedRead(vendor.one, vendor.many)
        assert [shared.read("a"), shared.read("b")] == [1, None]
        assert vendor.calls == ["a", "b"]


class TestTogether:
    def test_all_that_come_meanwhile_share_the_next_call(self) -> None:
        vendor = Vendor(a=1, b=2, c=3)
        read = read_together(vendor, "a", "b", "c", "b", "c")
        assert [future.result() for future in read] == [1, 2, 3, 2, 3]
        assert vendor.calls == ["a", frozenset({"b", "c"})]

    def test_what_a_list_leaves_out_is_asked_for_by_itself(self) -> None:
        vendor = Vendor(a=1, b=2, c=3)
        vendor.unseen_in_lists = {"c"}
        read = read_together(vendor, "a", "b", "c", "d")
        assert [future.result() for future in read] == [1, 2, 3, None]

    def test_an_error_reaches_all_who_asked(self) -> None:
        vendor = Vendor(a=1, b=2)
        vendor.refuses = True
        for future in read_together(vendor, "a", "b", "c"):
            with pytest.raises(ConnectionError):
                future.result()

    def test_it_works_again_after_an_error(self) -> None:
        vendor = Vendor(a=1)
        vendor.go.set()
        vendor.refuses = True
        shared = SharedRead(vendor.one, vendor.many)
        with pytest.raises(ConnectionError):
            shared.read("a")
        vendor.refuses = False
        assert shared.read("a") == 1

    def test_many_threads_all_get_their_own(self) -> None:
        vendor = Vendor(**{f"k{n}": n for n in range(50)})
        vendor.go.set()
        shared = SharedRead(vendor.one, vendor.many)
        with ThreadPoolExecutor(16) as threads:
            assert list(threads.map(shared.read, [f"k{n % 50}" for n in range(2000)])) == [n % 50 for n in range(2000)]
        assert len(vendor.calls) <= 2000
