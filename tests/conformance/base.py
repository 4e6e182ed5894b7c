"""What all cases of the suite share: the account of the case, what is asked of it, and waiting."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest

from poolwright.domain.identities import OwnerMark
from poolwright.providers.base import VM, Provider, VMState
from poolwright.providers.errors import NotFound
from tests.conformance.harness import Fault, Feature, Harness, needed_by
from tests.conformance.specs import OURS

TRIES = 400

Answer = TypeVar("Answer")


class Account(ABC):
    """Base of all cases: each has an empty account, and a provider on it that is controller `OURS`."""

    abilities: ClassVar[frozenset[Fault | Feature]] = frozenset()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "abilities" in vars(cls):
            _drop_impossible_cases(cls)

    @abstractmethod
    def make_harness(self, directory: Path) -> Harness:
        """An empty account; `directory` is empty and for this case alone."""

    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[Harness]:
        harness = self.make_harness(tmp_path)
        yield harness
        harness.close()

    @pytest.fixture
    def provider(self, harness: Harness) -> Provider:
        return harness.open(OURS)


def until(harness: Harness, ask: Callable[[], Answer]) -> Answer:
    """The first answer that is true; time passes between the questions."""
    for _ in range(TRIES):
        if answer := ask():
            return answer
        harness.pass_time()
    raise AssertionError(f"no answer after {TRIES} questions")


def until_running(harness: Harness, provider: Provider, vm: VM) -> VM:
    """The VM once it runs and its address is told."""

    def running() -> VM | None:
        # What was just created may not be there for every reader yet.
        with suppress(NotFound):
            seen = provider.get(vm.reference)
            return seen if seen.state is VMState.RUNNING and seen.address else None
        return None

    found = until(harness, running)
    assert found is not None
    return found


def until_found(harness: Harness, provider: Provider, mark: OwnerMark) -> VM:
    """The VM with this mark once a search sees it."""
    found = until(harness, lambda: provider.find(mark))
    assert found is not None
    return found


def until_gone(harness: Harness, provider: Provider, mark: OwnerMark, reference: str | None = None) -> None:
    """Delete the VM until the provider has proven that it is gone."""
    until(harness, lambda: provider.delete(mark, reference))


def _drop_impossible_cases(cls: type[Account]) -> None:
    for name in dir(cls):
        if name.startswith("test_") and needed_by(getattr(cls, name)) - cls.abilities:
            setattr(cls, name, None)
