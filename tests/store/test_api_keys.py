"""Keys of the session API: shown once, kept as a digest."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from poolwright.store.api_keys import APIKeyProblem, Role, create_key, find_key, list_keys, revoke_key
from poolwright.store.engine import Store
from poolwright.store.tables import APIKeyRow
from tests.store.scenes import NOW

LATER = NOW + timedelta(hours=1)


class TestAPIKeys:
    @pytest.mark.parametrize("role", list(Role))
    def test_its_secret_finds_it_with_its_role(self, store: Store, role: Role) -> None:
        with store.write() as tx:
            key, secret = create_key(tx, "portal", role, NOW)
        with store.read() as tx:
            assert find_key(tx, secret.get_secret_value()) == key
        assert (key.name, key.role, key.created_at, key.revoked_at) == ("portal", role, NOW, None)

    @pytest.mark.parametrize("presented", ["", "pwk_", "pwk_0", "ключ", "x" * 10_000])
    def test_any_other_secret_finds_none(self, store: Store, presented: str) -> None:
        with store.write() as tx:
            create_key(tx, "portal", Role.ADMIN, NOW)
            assert find_key(tx, presented) is None

    def test_the_secret_is_not_kept(self, store: Store) -> None:
        with store.write() as tx:
            _, secret = create_key(tx, "portal", Role.READ, NOW)
        with store.read() as tx:
            row = tx.scalars(select(APIKeyRow)).one()
            kept = [str(getattr(row, column.key)) for column in APIKeyRow.__table__.columns]
            assert not any(secret.get_secret_value() in value or value in secret.get_secret_value() for value in kept)
            # A digest is no secret either.
            assert find_key(tx, row.digest) is None

    def test_no_two_secrets_are_alike(self, store: Store) -> None:
        with store.write() as tx:
            made = {create_key(tx, f"key-{number}", Role.READ, NOW)[1].get_secret_value() for number in range(20)}
        assert len(made) == 20
        assert all(len(secret) >= 43 and secret.startswith("pwk_") for secret in made)

    def test_a_revoked_one_is_useless_for_good(self, store: Store) -> None:
        with store.write() as tx:
            _, secret = create_key(tx, "portal", Role.BROKER, NOW)
            first = revoke_key(tx, "portal", LATER)
            assert first.revoked_at == LATER
            assert revoke_key(tx, "portal", LATER + timedelta(hours=1)) == first
        with store.read() as tx:
            assert find_key(tx, secret.get_secret_value()) is None
            assert list_keys(tx) == [first]

    def test_a_name_is_given_once(self, store: Store) -> None:
        with store.write() as tx:
            create_key(tx, "portal", Role.READ, NOW)
            revoke_key(tx, "portal", LATER)
            with pytest.raises(APIKeyProblem, match="named 'portal' exists: choose another name"):
                create_key(tx, "portal", Role.READ, LATER)

    def test_an_unknown_one_cannot_be_revoked(self, store: Store) -> None:
        with store.write() as tx, pytest.raises(APIKeyProblem, match="no API key named 'portal'"):
            revoke_key(tx, "portal", LATER)

    def test_they_are_listed_oldest_first(self, store: Store) -> None:
        with store.write() as tx:
            create_key(tx, "young", Role.READ, LATER)
            create_key(tx, "old", Role.READ, NOW)
            assert [key.name for key in list_keys(tx)] == ["old", "young"]
