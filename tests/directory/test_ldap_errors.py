"""What the LDAP library raises becomes an error of the tree, and what it lets pass too."""

import inspect

import pytest
from ldap3 import MOCK_SYNC, Connection, Server
from ldap3.core import exceptions as ldap

from poolwright.directory import errors
from poolwright.directory.errors import DirectoryError
from poolwright.directory.ldap_errors import bind_reason, require_success, translated, words_of

TREE = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, DirectoryError) and kind is not DirectoryError
]


class TestTree:
    @pytest.mark.parametrize("kind", TREE)
    def test_each_kind_says_whether_to_ask_again(self, kind: type[DirectoryError]) -> None:
        assert kind.retryable is (kind.__name__ in {"Unreachable", "Transient"})

    def test_the_message_is_problem_and_remedy(self) -> None:
        error = errors.NameTaken("the name is taken", "take another")
        assert str(error) == "the name is taken; take another"
        assert (error.problem, error.remedy) == ("the name is taken", "take another")


class TestTranslating:
    @pytest.mark.parametrize(
        ("raised", "becomes"),
        [
            (ldap.LDAPInvalidCredentialsResult(), errors.AuthenticationFailed),
            (ldap.LDAPInsufficientAccessRightsResult(), errors.PermissionDenied),
            (ldap.LDAPNoSuchObjectResult(), errors.NotFound),
            (ldap.LDAPEntryAlreadyExistsResult(), errors.NameTaken),
            (ldap.LDAPNotAllowedOnNotLeafResult(), errors.HasChildren),
            (ldap.LDAPInvalidDNSyntaxResult(), errors.InvalidSettings),
            (ldap.LDAPUnwillingToPerformResult(), errors.InvalidSettings),
            (ldap.LDAPBusyResult(), errors.Transient),
            (ldap.LDAPUnavailableResult(), errors.Transient),
            (ldap.LDAPOperationsErrorResult(), errors.Transient),
            (ldap.LDAPSocketReceiveError("timed out"), errors.Transient),
            (ldap.LDAPSessionTerminatedByServerError("ended"), errors.Transient),
            (ConnectionResetError("reset"), errors.Transient),
        ],
    )
    def test_each_answer_has_its_place(self, raised: Exception, becomes: type[DirectoryError]) -> None:
        with pytest.raises(becomes, match=r"^doing this failed: ") as translation, translated("doing this"):
            raise raised
        assert type(translation.value) is becomes

    def test_a_bug_stays_one(self) -> None:
        with pytest.raises(ZeroDivisionError), translated("doing this"):
            raise ZeroDivisionError


class TestAnswersThatRaiseNothing:
    @pytest.fixture
    def connection(self) -> Connection:
        return Connection(Server("dc1.corp.example"), client_strategy=MOCK_SYNC)

    def test_a_referral_is_never_followed(self, connection: Connection) -> None:
        connection.result = {"result": 10, "description": "referral", "referrals": ["ldap://elsewhere"]}
        with pytest.raises(errors.InvalidSettings, match="refers to another server"):
            require_success(connection)

    def test_a_passed_limit_is_no_complete_answer(self, connection: Connection) -> None:
        connection.result = {"result": 4, "description": "sizeLimitExceeded"}
        with pytest.raises(errors.Transient, match="sizeLimitExceeded"):
            require_success(connection)


class TestWords:
    @pytest.mark.parametrize(
        ("message", "reason"),
        [
            (
                "80090308: LdapErr: DSID-0C0903A9, AcceptSecurityContext error, data 52e, v1db1\0",
                "wrong name or password",
            ),
            ("AcceptSecurityContext error, data 775, v1db1", "the account is locked"),
            ("AcceptSecurityContext error, data 999, v1db1", "refused with code 999"),
            ("no", "invalidCredentials: no"),
        ],
    )
    def test_a_refused_logon_says_why(self, message: str, reason: str) -> None:
        error = ldap.LDAPInvalidCredentialsResult(49, "invalidCredentials", message=message)
        assert bind_reason(error) == reason

    def test_a_long_message_is_cut_and_on_one_line(self) -> None:
        words = words_of(OSError("a\nb" * 500))
        assert len(words) < 400
        assert "\n" not in words
