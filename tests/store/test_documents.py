"""What admins declared comes back as it was, and its secrets are nowhere to be read."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import select

from poolwright.domain.autoscale import DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.resources import LDAPConfig, VMProviderConfig, Zone
from poolwright.store import documents
from poolwright.store.documents import UnknownDocument
from poolwright.store.engine import Store
from poolwright.store.secrets import delete_secrets, get_secret
from poolwright.store.tables import DocumentRow, SecretRow
from tests.installations import new_store, save
from tests.store.scenes import AGENTS, AUTOSCALE, NOW, at_once

WORD = "correct-horse-battery-staple"

NESTED: dict[str, Any] = {
    "region": "north",
    "token": SecretStr(WORD),
    "accounts": [
        {"name": "first", "key": SecretStr(WORD + "-1")},
        {"name": "second", "key": SecretStr(WORD + "-2"), "hosts": ["a", "b"]},
    ],
    "deep": {"er": {"words": [SecretStr(WORD + "-3"), SecretStr(WORD + "-4")], "port": 22, "on": True, "no": None}},
}


def opened(value: Any) -> Any:
    """The same with each secret in clear."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return {key: opened(item) for key, item in value.items()}
    return [opened(item) for item in value] if isinstance(value, list) else value


def provider(store: Store, name: str = "sim", **settings: Any) -> None:
    save(store, "vm_provider", name, {"provider": "sim", "max_instances": 3, "settings": settings or NESTED})


def secret_ids(store: Store, prefix: str = "vm_provider/") -> list[str]:
    with store.read() as tx:
        return sorted(tx.scalars(select(SecretRow.id).where(SecretRow.id.startswith(prefix))))


class TestRoundTrip:
    def test_nested_secrets_come_back(self, store: Store) -> None:
        provider(store)
        with store.read() as tx:
            body = documents.open_body(tx, documents.get_row(tx, "vm_provider", "sim"))
            loaded = documents.load(tx, "vm_provider", "sim")
        assert body["settings"] == opened(NESTED)
        assert isinstance(loaded, VMProviderConfig)
        assert loaded.settings == opened(NESTED)

    def test_a_secret_of_the_model_is_one_again(self, store: Store) -> None:
        body = {
            "urls": ["ldaps://dc1.corp.example"],
            "search_base": "DC=corp,DC=example",
            "service_account_dn": "CN=joiner,DC=corp,DC=example",
            "service_account_password": SecretStr(WORD),
        }
        save(store, "ldap", "corp", body)
        with store.read() as tx:
            config = documents.load(tx, "ldap", "corp")
        assert isinstance(config, LDAPConfig)
        assert config.service_account_password == SecretStr(WORD)

    def test_stored_bodies_hold_placeholders(self, store: Store) -> None:
        provider(store)
        with store.read() as tx:
            body = documents.get_row(tx, "vm_provider", "sim").body
        assert body["settings"]["token"] == {"$secret": "vm_provider/sim/settings/token"}
        assert body["settings"]["region"] == "north"
        assert list(documents.secret_paths(body)) == [
            "settings.token",
            "settings.accounts.0.key",
            "settings.accounts.1.key",
            "settings.deep.er.words.0",
            "settings.deep.er.words.1",
        ]

    def test_without_secrets_each_is_a_mask_and_no_key_is_needed(self, store: Store) -> None:
        provider(store)
        with store.write() as tx:
            delete_secrets(tx, "")
            loaded = documents.load_without_secrets(documents.get_row(tx, "vm_provider", "sim"))
        assert isinstance(loaded, VMProviderConfig)
        mask = "**********"
        assert loaded.settings["token"] == mask
        assert [account["key"] for account in loaded.settings["accounts"]] == [mask, mask]
        assert loaded.settings["deep"]["er"] == {"words": [mask, mask], "port": 22, "on": True, "no": None}

    def test_a_secret_that_is_missing_is_named_with_the_way_out(self, store: Store) -> None:
        provider(store)
        with store.write() as tx:
            delete_secrets(tx, "vm_provider/sim/settings/accounts/1/")
        with (
            store.read() as tx,
            pytest.raises(
                UnknownDocument, match="value vm_provider/sim/settings/accounts/1/key is missing: apply its file again"
            ),
        ):
            documents.load(tx, "vm_provider", "sim")

    def test_nothing_is_in_clear_in_the_files_of_sqlite(self, tmp_path: Path) -> None:
        directory = tmp_path / "database"
        directory.mkdir()
        store = new_store(f"sqlite:///{directory / 'poolwright.db'}")
        provider(store)
        provider(store, other=SecretStr(WORD + "-5"))
        self.assert_not_in_clear(directory)
        store.close()
        self.assert_not_in_clear(directory)
        with sqlite3.connect(directory / "poolwright.db") as connection:
            assert connection.execute("SELECT count(*) FROM secrets").fetchone() == (2,)
        connection.close()

    @staticmethod
    def assert_not_in_clear(directory: Path) -> None:
        files = list(directory.iterdir())
        assert files
        for file in files:
            assert WORD.encode() not in file.read_bytes()


class TestSaving:
    def test_secrets_that_are_no_more_in_it_are_forgotten(self, store: Store) -> None:
        provider(store)
        assert len(secret_ids(store)) == 5
        provider(store, token=SecretStr("new"))
        assert secret_ids(store) == ["vm_provider/sim/settings/token"]
        with store.read() as tx:
            assert get_secret(tx, "vm_provider/sim/settings/token") == SecretStr("new")

    def test_secrets_go_with_their_document_and_no_others(self, store: Store) -> None:
        for name in ("sim", "sim-2", "si"):
            provider(store, name, token=SecretStr(name))
        with store.write() as tx:
            documents.delete_document(tx, "vm_provider", "sim")
        assert secret_ids(store) == ["vm_provider/si/settings/token", "vm_provider/sim-2/settings/token"]
        with store.read() as tx, pytest.raises(UnknownDocument, match="no vm_provider 'sim'"):
            documents.get_row(tx, "vm_provider", "sim")

    def test_only_a_change_of_shape_makes_servers_differ(self, store: Store) -> None:
        for revision, reshapes in ((1, True), (2, False), (3, True), (4, False)):
            with store.write() as tx:
                documents.save_document(
                    tx,
                    kind="zone",
                    name="here",
                    body={"name": "here"},
                    facts={"revision": revision},
                    revision=revision,
                    reshapes=reshapes,
                    now=NOW,
                )
        with store.read() as tx:
            row = documents.get_row(tx, "zone", "here")
        assert (row.revision, row.shape_revision, row.facts) == (4, 3, {"revision": 4})

    def test_a_deletion_that_is_taken_back_leaves_all_as_it_was(self, store: Store) -> None:
        provider(store)
        with store.write() as tx:
            documents.delete_document(tx, "vm_provider", "sim")
            tx.flush()
            with pytest.raises(UnknownDocument):
                documents.delete_document(tx, "zone", "nowhere")
            tx.rollback()
        assert len(secret_ids(store)) == 5
        with store.read() as tx:
            documents.load(tx, "vm_provider", "sim")

    def test_every_apply_has_a_revision_of_its_own(self, store: Store) -> None:
        def apply(_: int) -> int:
            with store.write() as tx:
                return documents.next_revision(tx)

        assert sorted(at_once(8, apply)) == list(range(1, 9))


class TestReading:
    def test_rows_come_by_kind_and_name(self, store: Store) -> None:
        save(store, "zone", "there", {})
        save(store, "zone", "here", {})
        save(store, "pool", "demo", {"type": "server"})
        with store.read() as tx:
            assert [row.name for row in documents.rows(tx)] == ["demo", "here", "there"]
            assert [row.name for row in documents.rows(tx, "zone")] == ["here", "there"]
            assert documents.rows(tx, "ldap") == []

    def test_only_configs_of_a_pool_are_found_by_it(self, store: Store) -> None:
        save(store, "pool", "demo", {"type": "server"})
        save(store, "autoscale", "demo", AUTOSCALE)
        save(store, "autoscale", "other", {**AUTOSCALE, "pool": "other"})
        with store.read() as tx:
            assert [row.name for row in documents.rows_of_pool(tx, "demo")] == ["demo"]
            assert tx.get_one(DocumentRow, ("pool", "demo")).pool is None

    def test_what_was_read_before_a_change_is_read_again(self, store: Store) -> None:
        provider(store)
        save(store, "autoscale", "demo", AUTOSCALE)
        with store.write() as tx:
            assert [row.name for row in documents.rows_of_pool(tx, "demo")] == ["demo"]
            documents.get_row(tx, "vm_provider", "sim")
            for kind, name in (("autoscale", "second"), ("zone", "here")):
                documents.save_document(
                    tx,
                    kind=kind,
                    name=name,
                    body={**AUTOSCALE, "name": name},
                    facts={},
                    revision=2,
                    reshapes=True,
                    now=NOW,
                )
            documents.delete_document(tx, "vm_provider", "sim")
            assert [row.name for row in documents.rows_of_pool(tx, "demo")] == ["demo", "second"]
            assert [row.name for row in documents.zones_around_pool(tx, "demo")] == ["here"]
            with pytest.raises(UnknownDocument):
                documents.get_row(tx, "vm_provider", "sim")

    def test_the_type_tells_autoscale_configs_apart(self, store: Store) -> None:
        save(store, "autoscale", "demo", AUTOSCALE)
        save(store, "autoscale", "agents", {**AUTOSCALE, **AGENTS})
        with store.read() as tx:
            assert isinstance(documents.load(tx, "autoscale", "demo"), ServerAutoscale)
            assert isinstance(documents.load(tx, "autoscale", "agents"), DockerAgentAutoscale)

    def test_every_kind_has_a_model(self) -> None:
        for kind in documents.kinds():
            with pytest.raises(ValidationError):
                documents.model_of(kind, {"no such key": 1})
        assert documents.model_of("zone", {"name": "here"}) == Zone(name="here")

    def test_an_unknown_kind_is_named_with_those_that_there_are(self) -> None:
        with pytest.raises(UnknownDocument, match="no kind 'tower'; the kinds are zone, vm_provider, "):
            documents.model_of("tower", {})
