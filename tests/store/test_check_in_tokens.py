"""Tokens that VMs check in with: nothing but our own, for this, in time, is taken."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from poolwright.store.check_in_tokens import (
    AUDIENCE,
    LIFETIME,
    TokenRefused,
    controller_id,
    ensure_signing_key,
    mint,
    signing_key,
    verify,
)
from poolwright.store.engine import Store, utc_now
from poolwright.store.secrets import delete_secrets

KEY = SecretStr("k" * 64)
ISSUED = datetime.now(UTC).replace(microsecond=0)


def claims(**changes: Any) -> dict[str, Any]:
    """Those of a good token, changed; None leaves one out."""
    good = {"iss": "c1", "aud": AUDIENCE, "sub": "s1", "iat": ISSUED, "exp": ISSUED + LIFETIME}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(**changes: Any) -> str:
    return jwt.encode(claims(**changes), KEY.get_secret_value(), algorithm="HS256")


class TestMinting:
    def test_a_token_leads_to_its_server(self) -> None:
        assert verify(KEY, "c1", mint(KEY, "c1", "s1", 1, ISSUED).get_secret_value()) == "s1"

    def test_the_same_attempt_gets_the_same_token(self) -> None:
        assert mint(KEY, "c1", "s1", 1, ISSUED) == mint(KEY, "c1", "s1", 1, ISSUED)
        others = [mint(KEY, "c1", "s2", 1, ISSUED), mint(KEY, "c1", "s1", 2, ISSUED), mint(KEY, "c2", "s1", 1, ISSUED)]
        assert mint(KEY, "c1", "s1", 1, ISSUED) not in others

    def test_it_is_not_shown(self) -> None:
        token = mint(KEY, "c1", "s1", 1, ISSUED)
        assert token.get_secret_value() not in repr(token)


class TestVerifying:
    def test_the_tests_own_tokens_are_good(self) -> None:
        assert verify(KEY, "c1", signed()) == "s1"

    def test_one_that_has_expired_is_named_as_such(self) -> None:
        token = mint(KEY, "c1", "s1", 1, ISSUED - LIFETIME - timedelta(seconds=1)).get_secret_value()
        with pytest.raises(TokenRefused, match="the token has expired"):
            verify(KEY, "c1", token)

    def test_one_that_is_about_to_expire_is_good(self) -> None:
        token = mint(KEY, "c1", "s1", 1, utc_now() - LIFETIME + timedelta(minutes=5)).get_secret_value()
        assert verify(KEY, "c1", token) == "s1"

    def test_one_of_a_machine_whose_clock_is_ahead_of_ours_is_good(self) -> None:
        for ahead in (timedelta(seconds=2), timedelta(hours=1)):
            assert verify(KEY, "c1", mint(KEY, "c1", "s1", 1, utc_now() + ahead).get_secret_value()) == "s1"

    @pytest.mark.parametrize(
        "changes",
        [
            {"aud": "something-else"},
            {"aud": None},
            {"iss": "c2"},
            {"iss": None},
            {"exp": None},
            {"iat": None},
            {"sub": None},
            {"sub": 7},
        ],
        ids=str,
    )
    def test_one_for_something_else_is_refused(self, changes: dict[str, Any]) -> None:
        # Signed as bytes: the library refuses to encode some of these itself.
        payload = json.dumps(claims(**changes), default=lambda time: int(time.timestamp())).encode()
        token = jwt.PyJWS().encode(payload, KEY.get_secret_value(), algorithm="HS256")
        self.refused(token)

    def test_another_key_is_refused(self) -> None:
        self.refused(jwt.encode(claims(), "o" * 64, algorithm="HS256"))

    @pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
    def test_another_algorithm_is_refused(self, algorithm: str) -> None:
        self.refused(jwt.encode(claims(), KEY.get_secret_value(), algorithm=algorithm))

    def test_an_unsigned_one_is_refused(self) -> None:
        self.refused(jwt.encode(claims(), "", algorithm="none"))
        header, payload, _ = signed().split(".")
        self.refused(f"{header}.{payload}.")
        self.refused(f"{_encoded({'alg': 'none', 'typ': 'JWT'})}.{payload}.")

    def test_one_that_was_changed_is_refused(self) -> None:
        header, payload, signature = signed().split(".")
        for tampered in (claims(sub="s2"), claims(exp=ISSUED + 9 * LIFETIME)):
            _, other, _ = jwt.encode(tampered, "o" * 64, algorithm="HS256").split(".")
            assert other != payload
            self.refused(f"{header}.{other}.{signature}")

    @given(st.text(max_size=80))
    def test_nonsense_is_refused(self, token: str) -> None:
        self.refused(token)

    @given(st.data())
    def test_a_token_with_one_other_character_is_refused(self, data: st.DataObject) -> None:
        token = signed()
        # The last character of base64 has bits that mean nothing.
        at = data.draw(st.integers(0, len(token) - 2))
        letter = data.draw(st.sampled_from("abcXYZ019-_.").filter(lambda one: one != token[at]))
        self.refused(token[:at] + letter + token[at + 1 :])

    @staticmethod
    def refused(token: str) -> None:
        with pytest.raises(TokenRefused):
            verify(KEY, "c1", token)


class TestInstallation:
    def test_its_key_is_made_once(self, store: Store) -> None:
        with store.write() as tx:
            key = signing_key(tx)
            ensure_signing_key(tx, utc_now())
            assert signing_key(tx) == key
            assert len(key.get_secret_value()) >= 64

    def test_without_one_it_says_what_to_do(self, store: Store) -> None:
        with store.write() as tx:
            delete_secrets(tx, "installation/")
            with pytest.raises(LookupError, match="start `poolwright up` or the worker once"):
                signing_key(tx)

    def test_another_installation_takes_no_token_of_ours(self, store: Store) -> None:
        with store.read() as tx:
            key, ours = signing_key(tx), controller_id(tx)
        token = mint(key, ours, "s1", 1, utc_now()).get_secret_value()
        assert verify(key, ours, token) == "s1"
        with pytest.raises(TokenRefused):
            verify(key, "another", token)


def _encoded(header: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
