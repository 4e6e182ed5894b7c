from pathlib import Path

from tests.conformance.base import Account
from tests.conformance.harness import Fault, Feature, Harness, needs


class Cases(Account):
    """Three cases of different needs."""

    def test_always(self) -> None: ...

    @needs(Fault.QUOTA)
    def test_quota(self) -> None: ...

    @needs(Fault.QUOTA, Feature.PLACES)
    def test_quota_in_places(self) -> None: ...

    def make_harness(self, directory: Path) -> Harness:
        raise AssertionError("no case of these is run")


class Nothing(Cases):
    """Declares that nothing can be provoked."""

    abilities = frozenset()


class Quota(Cases):
    """Declares one ability of two."""

    abilities = frozenset({Fault.QUOTA})


class TestDeclaredAbilities:
    def test_leave_only_the_cases_that_are_possible(self) -> None:
        assert _cases(Cases) == {"test_always", "test_quota", "test_quota_in_places"}
        assert _cases(Nothing) == {"test_always"}
        assert _cases(Quota) == {"test_always", "test_quota"}


def _cases(cls: type[Account]) -> set[str]:
    return {name for name in dir(cls) if name.startswith("test_") and getattr(cls, name)}
