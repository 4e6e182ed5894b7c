"""Secrets at rest: sealed to their place, opened by the ring that sealed them, sealed again when the key rotates."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from poolwright.store import sealing
from poolwright.store.engine import Store, open_store
from poolwright.store.installation import upgrade
from poolwright.store.sealing import FileSealer, KeyProblem, Sealer, load_keys, new_key, write_keys
from poolwright.store.secrets import all_secrets, delete_secrets, get_secret, put_secret, reseal_all
from poolwright.store.tables import SecretRow
from starter.key_rotation import rotate_key
from tests.store.scenes import NOW, at_once

WORD = SecretStr("correct horse battery staple")


class TestSealer:
    def test_what_it_seals_it_opens(self) -> None:
        sealer = Sealer([new_key()])
        for secret in ("", "x", "ключ\n\x00'\"\\", "y" * 100_000):
            assert sealer.open("a/b", sealer.seal("a/b", SecretStr(secret))).get_secret_value() == secret

    def test_nothing_of_it_is_readable_and_no_two_are_alike(self) -> None:
        sealer = Sealer([new_key()])
        first, second = (sealer.seal("a/b", WORD) for _ in range(2))
        assert first != second
        assert b"horse" not in first

    def test_another_key_does_not_open_it(self) -> None:
        sealed = Sealer([new_key()]).seal("vm_provider/sim/settings/token", WORD)
        with pytest.raises(KeyProblem, match="vm_provider/sim/settings/token was sealed with another key"):
            Sealer([new_key()]).open("vm_provider/sim/settings/token", sealed)

    def test_a_changed_one_does_not_open(self) -> None:
        sealer = Sealer([new_key()])
        sealed = sealer.seal("a/b", WORD)
        other = b"A" if sealed[40:41] != b"A" else b"B"
        for changed in (b"", b"nonsense", sealed[:-4], sealed[:40] + other + sealed[41:], sealed[:40] + sealed[41:]):
            with pytest.raises(KeyProblem, match="a/b"):
                sealer.open("a/b", changed)

    def test_one_that_was_moved_elsewhere_does_not_open(self) -> None:
        sealer = Sealer([new_key()])
        with pytest.raises(KeyProblem, match="stored for ldap/corp/password belongs to vm_provider/sim/token"):
            sealer.open("ldap/corp/password", sealer.seal("vm_provider/sim/token", WORD))

    @pytest.mark.parametrize("keys", [["short"], ["ключ"], [""], ["A" * 48], [new_key(), "short"]])
    def test_a_malformed_key_is_refused_without_showing_it(self, keys: list[str]) -> None:
        with pytest.raises(KeyProblem, match="malformed") as problem:
            Sealer(keys)
        assert not any(key and key in str(problem.value) for key in keys)
        assert problem.value.__suppress_context__

    def test_a_ring_without_keys_is_refused(self) -> None:
        with pytest.raises(KeyProblem, match="the key ring is empty"):
            Sealer([])

    def test_every_key_of_the_ring_opens_and_the_first_seals(self) -> None:
        old, new = new_key(), new_key()
        sealed = Sealer([old]).seal("a/b", WORD)
        ring = Sealer([new, old])
        assert ring.open("a/b", sealed) == WORD
        assert Sealer([new]).open("a/b", ring.seal("a/b", WORD)) == WORD
        assert Sealer([new]).open("a/b", ring.reseal("a/b", sealed)) == WORD

    def test_what_no_key_opens_cannot_be_sealed_again(self) -> None:
        sealed = Sealer([new_key()]).seal("a/b", WORD)
        with pytest.raises(KeyProblem, match="the secret a/b was sealed with another key"):
            Sealer([new_key()]).reseal("a/b", sealed)


class TestFileSealer:
    """It follows its key file, whenever that is replaced."""

    @pytest.mark.parametrize("reading", [1, 2], ids=["at its start", "at its first use"])
    def test_a_file_that_is_replaced_just_after_it_was_read_is_read_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reading: int
    ) -> None:
        file = tmp_path / "secrets.key"
        (old,), new = load_keys(file), new_key()
        readings: list[list[str]] = []

        def read_and_replace(key_file: Path) -> list[str]:
            keys = load_keys(key_file)
            readings.append(keys)
            if len(readings) == reading:
                write_keys(key_file, [new])
            return keys

        monkeypatch.setattr(sealing, "load_keys", read_and_replace)
        sealer = FileSealer(file)
        sealer.seal("a/b", WORD)
        assert readings[0] == [old]
        assert Sealer([new]).open("a/b", sealer.seal("a/b", WORD)) == WORD

    def test_a_file_that_stays_is_not_read_for_each_secret(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sealer = FileSealer(tmp_path / "secrets.key")
        sealer.seal("a/b", WORD)
        monkeypatch.delattr(sealing, "load_keys")
        sealer.seal("a/b", WORD)


class TestStoredSecrets:
    def test_they_come_back_by_id(self, store: Store) -> None:
        with store.write() as tx:
            put_secret(tx, "server/s1/join-password", WORD, NOW)
            put_secret(tx, "server/s2/join-password", SecretStr("other"), NOW)
        with store.read() as tx:
            assert get_secret(tx, "server/s1/join-password") == WORD
            assert get_secret(tx, "server/s3/join-password") is None
            assert WORD in all_secrets(tx)

    def test_one_whose_key_is_lost_does_not_hide_the_others(self, store: Store) -> None:
        with store.write() as tx:
            put_secret(tx, "a/lost", WORD, NOW)
            tx.get_one(SecretRow, "a/lost").sealed = Sealer([new_key()]).seal("a/lost", WORD)
            put_secret(tx, "b/known", SecretStr("known"), NOW)
        with store.read() as tx:
            found = all_secrets(tx)
        assert SecretStr("known") in found
        assert WORD not in found

    def test_a_newer_one_takes_the_place_of_the_older(self, store: Store) -> None:
        for word in (WORD, SecretStr("newer")):
            with store.write() as tx:
                put_secret(tx, "a/b", word, NOW)
        with store.read() as tx:
            assert get_secret(tx, "a/b") == SecretStr("newer")

    def test_only_those_below_a_prefix_are_forgotten(self, store: Store) -> None:
        ids = ["server/s1/x", "server/s1/y", "server/s11/x", "server/s_/x", "server/s%/x"]
        with store.write() as tx:
            for identity in ids:
                put_secret(tx, identity, WORD, NOW)
            delete_secrets(tx, "server/s1/")
            delete_secrets(tx, "server/s_/")
            delete_secrets(tx, "server/s%")
            left = [one for one in ids if get_secret(tx, one) is not None]
        assert left == ["server/s11/x"]

    def test_one_may_be_put_again_where_it_was_forgotten(self, store: Store) -> None:
        with store.write() as tx:
            put_secret(tx, "a/b", WORD, NOW)
            delete_secrets(tx, "a/")
            put_secret(tx, "a/b", SecretStr("newer"), NOW)
        with store.read() as tx:
            assert get_secret(tx, "a/b") == SecretStr("newer")


class TestRotation:
    @pytest.fixture
    def key_file(self, tmp_path: Path) -> Path:
        """A key file of its own."""
        return tmp_path / "data" / "secrets.key"

    @pytest.fixture
    def sealed(self, database_url: str, key_file: Path) -> Iterator[Store]:
        """A store whose secrets are sealed with the key of that file."""
        store = open_store(database_url, FileSealer(key_file))
        upgrade(store)
        with store.write() as tx:
            put_secret(tx, "a/b", WORD, NOW)
        yield store
        store.close()

    def test_every_secret_is_sealed_with_the_new_key_alone(self, sealed: Store, key_file: Path) -> None:
        (old,) = load_keys(key_file)
        assert rotate_key(sealed, key_file) == 2
        (new,) = load_keys(key_file)
        assert new != old
        assert key_file.stat().st_mode & 0o777 == 0o600
        for row in self.rows(sealed):
            Sealer([new]).open(row.id, row.sealed)
            with pytest.raises(KeyProblem):
                Sealer([old]).open(row.id, row.sealed)

    def test_a_program_that_runs_goes_on(self, sealed: Store, key_file: Path) -> None:
        for _ in range(3):
            rotate_key(sealed, key_file)
            with sealed.write() as tx:
                assert get_secret(tx, "a/b") == WORD
                put_secret(tx, "a/b", WORD, NOW)

    def test_a_crash_before_the_secrets_are_sealed_again_costs_nothing(self, sealed: Store, key_file: Path) -> None:
        write_keys(key_file, [new_key(), *load_keys(key_file)])
        with sealed.read() as tx:
            assert get_secret(tx, "a/b") == WORD
        rotate_key(sealed, key_file)
        assert len(load_keys(key_file)) == 1
        with sealed.read() as tx:
            assert get_secret(tx, "a/b") == WORD

    def test_a_crash_before_the_old_key_goes_costs_nothing(self, sealed: Store, key_file: Path) -> None:
        ring = [new_key(), *load_keys(key_file)]
        write_keys(key_file, ring)
        with sealed.write() as tx:
            reseal_all(tx, Sealer(ring))
        rotate_key(sealed, key_file)
        with sealed.read() as tx:
            assert get_secret(tx, "a/b") == WORD

    def test_with_a_secret_that_nobody_can_open_nothing_changes(self, sealed: Store, key_file: Path) -> None:
        with sealed.write() as tx:
            foreign = Sealer([new_key()]).seal("z/foreign", WORD)
            tx.add(SecretRow(id="z/foreign", sealed=foreign, updated_at=NOW))
        before = {row.id: row.sealed for row in self.rows(sealed)}
        with pytest.raises(KeyProblem, match="the secret z/foreign was sealed with another key"):
            rotate_key(sealed, key_file)
        assert {row.id: row.sealed for row in self.rows(sealed)} == before
        with sealed.read() as tx:
            assert get_secret(tx, "a/b") == WORD

    def test_a_secret_that_is_put_while_it_goes_on_is_sealed_with_the_new_key(
        self, sealed: Store, key_file: Path
    ) -> None:
        old = load_keys(key_file)
        with sealed.write() as rotation, ThreadPoolExecutor(1) as other:
            ring = [new_key(), *old]
            reseal_all(rotation, Sealer(ring))
            put = other.submit(self.put, sealed, "c/late")
            wait([put], timeout=0.3)
            assert not put.done()
            write_keys(key_file, ring)
            rotation.commit()
            put.result(timeout=30)
        write_keys(key_file, ring[:1])
        with sealed.read() as tx:
            assert get_secret(tx, "c/late") == WORD

    def test_a_secret_that_is_put_meanwhile_can_be_opened_afterwards(self, sealed: Store, key_file: Path) -> None:
        def rotate_or_put(number: int) -> None:
            if number == 0:
                rotate_key(sealed, key_file)
                return
            self.put(sealed, f"c/{number}")

        at_once(6, rotate_or_put)
        with sealed.read() as tx:
            assert [get_secret(tx, f"c/{number}") for number in range(1, 6)] == [WORD] * 5

    @staticmethod
    def put(store: Store, identity: str) -> None:
        with store.write() as tx:
            put_secret(tx, identity, WORD, NOW)

    @staticmethod
    def rows(store: Store) -> list[SecretRow]:
        with store.read() as tx:
            return list(tx.scalars(select(SecretRow)))
