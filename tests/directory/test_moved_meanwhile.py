"""Records that somebody moves between our look and our change: the GUID is what stays."""

from collections.abc import Callable
from typing import Any

import pytest

from poolwright.directory import changes
from poolwright.directory.active_directory import ComputerDirectory
from poolwright.domain.identities import OwnerMark
from tests.directory.administrator import COMPUTER_CLASSES
from tests.directory.conftest import Site

pytestmark = pytest.mark.slow


def before(monkeypatch: pytest.MonkeyPatch, change: str, step: Callable[[], object]) -> None:
    """Let this happen once, just before the next change of this kind."""
    steps, real = [step], getattr(changes, change)

    def changed(*arguments: Any) -> None:
        if steps:
            steps.pop()()
        real(*arguments)

    monkeypatch.setattr(changes, change, changed)


@pytest.mark.parametrize("change", ["delete", "delete_tree"])
@pytest.mark.parametrize("by_guid", [False, True])
def test_a_record_is_deleted_where_it_is_by_then(
    site: Site,
    directory: ComputerDirectory,
    mark: OwnerMark,
    hostname: str,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
    by_guid: bool,
) -> None:
    record = directory.create_or_reset(mark, hostname, site.ou)
    if change == "delete_tree":
        site.administrator.add_child(record.dn, "SCP")
    before(monkeypatch, change, lambda: site.administrator.move(record.dn, site.difficult_ou))
    assert directory.delete(mark, record.object_guid if by_guid else None, recursive=True) is True
    assert directory.find(mark) is None


def test_a_strangers_object_in_its_place_stays(
    site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = directory.create_or_reset(mark, hostname, site.ou)

    def swap() -> None:
        site.administrator.move(record.dn, site.difficult_ou)
        site.administrator.add(record.dn, COMPUTER_CLASSES, {"sAMAccountName": f"{hostname}-S$"})

    before(monkeypatch, "delete", swap)
    assert directory.delete(mark, record.object_guid, recursive=False) is True
    assert directory.find(mark) is None
    assert site.administrator.exists(record.dn)


def test_a_password_is_reset_where_the_record_is_by_then(
    site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_the_move = directory.create_or_reset(mark, hostname, site.ou)

    def swap() -> None:
        site.administrator.move(before_the_move.dn, site.difficult_ou)
        site.administrator.add(before_the_move.dn, COMPUTER_CLASSES, {"sAMAccountName": f"{hostname}-S$"})

    before(monkeypatch, "replace", swap)
    record = directory.create_or_reset(mark, hostname, site.ou)
    assert record.object_guid == before_the_move.object_guid
    account = f"{hostname.upper()}$"
    assert site.domain_controller.kinit(account, record.join_password.get_secret_value())
    assert directory.delete(mark, record.object_guid, recursive=False)
