"""Azure's account, and what its answers mean."""

import json
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import ClientSecretCredential, DefaultAzureCredential
from azure.mgmt.core.exceptions import ARMErrorFormat
from pydantic import ValidationError

from poolwright.vendors.azure import (
    CLOUDS,
    Account,
    Authority,
    Kind,
    Pacing,
    client_options,
    credential,
    pacing,
)
from poolwright.vendors.azure_faults import trouble
from poolwright.vendors.faults import Fault
from poolwright.vendors.pace import TooFast
from tests.wire.azure_login import CLIENT, SECRET, TENANT
from tests.wire.azure_server import azure_server
from tests.wire.server import Cut, Response, WireServer

SUBSCRIPTION = "33333333-3333-3333-3333-333333333333"


class Answer:
    """What the SDK's errors need of a response."""

    reason = "reason"

    def __init__(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        self.status_code, self._body, self.headers = status, body, headers or {}

    def text(self) -> str:
        return self._body


def error_of(
    status: int,
    code: str,
    message: str = "said",
    *,
    kind: type[HttpResponseError] = HttpResponseError,
    details: list[dict[str, Any]] | None = None,
    headers: dict[str, str] | None = None,
) -> HttpResponseError:
    body = json.dumps({"error": {"code": code, "message": message, "details": details or []}})
    return kind(response=Answer(status, body, headers), error_format=ARMErrorFormat)  # type: ignore[arg-type]


def account(**settings: Any) -> Account:
    return Account(subscription_id=SUBSCRIPTION, resource_group="pools", **settings)


class TestAccount:
    @pytest.mark.parametrize("authority", Authority)
    def test_each_authority_has_its_own_addresses(self, authority: Authority) -> None:
        options = client_options(account(authority=authority))
        assert options["base_url"] == CLOUDS[authority].management_url
        assert options["credential_scopes"] == [CLOUDS[authority].scope]
        assert len({cloud.login_url for cloud in CLOUDS.values()}) == len(CLOUDS)

    def test_a_private_cloud_has_addresses_and_certificates_of_its_own(self) -> None:
        private = account(
            endpoint_url="https://arm.example/", authority_url="https://login.example", ca_file=Path("ca")
        )
        options = client_options(private)
        assert options["base_url"] == "https://arm.example"
        assert options["credential_scopes"] == ["https://arm.example/.default"]
        assert options["connection_verify"] == "ca"
        assert private.cloud.login_url == "https://login.example"

    def test_the_sdk_does_not_retry_and_gives_up_in_time(self) -> None:
        options = client_options(account())
        assert options["retry_total"] == 0
        assert (options["connection_timeout"], options["read_timeout"]) == (5, 30)

    def test_tokens_are_never_sent_in_clear(self) -> None:
        with pytest.raises(ValidationError, match="does not begin with https"):
            account(endpoint_url="http://arm.example")

    def test_a_secret_needs_whose_it_is(self) -> None:
        with pytest.raises(ValidationError, match="client_secret needs tenant_id and client_id"):
            account(client_secret="secret", client_id=CLIENT)

    def test_a_secret_logs_in_as_the_app_registration(self) -> None:
        login = credential(account(tenant_id=TENANT, client_id=CLIENT, client_secret="secret"))
        assert isinstance(login, ClientSecretCredential)

    @pytest.mark.parametrize("given", [{}, {"client_secret": ""}, {"client_secret": " "}])
    def test_without_a_secret_the_workers_own_identity_is_used(self, given: dict[str, str]) -> None:
        assert isinstance(credential(account(client_id=CLIENT, **given)), DefaultAzureCredential)

    def test_the_secret_does_not_show(self) -> None:
        shown = account(tenant_id=TENANT, client_id=CLIENT, client_secret="never-shown")
        assert "never-shown" not in repr(shown) + shown.model_dump_json()


class TestTrouble:
    def test_an_exhausted_quota_that_looks_like_already_exists_is_a_quota(self) -> None:
        """Trap 4: every 409 is `ResourceExistsError` to the SDK."""
        said = "Operation could not be completed as it results in exceeding approved standardDSv3Family Cores quota."
        found = trouble(error_of(409, "OperationNotAllowed", said, kind=ResourceExistsError))
        assert (found.fault, found.code) == (Fault.QUOTA, "OperationNotAllowed")

    def test_the_same_code_without_a_quota_is_a_conflict(self) -> None:
        said = "Operation 'Update VM' is not allowed since the VM is marked for deletion."
        assert trouble(error_of(409, "OperationNotAllowed", said, kind=ResourceExistsError)).fault is Fault.CONFLICT

    @pytest.mark.parametrize("code", ["AllocationFailed", "ZonalAllocationFailed", "SkuNotAvailable"])
    @pytest.mark.parametrize("status", [200, 409])
    def test_a_failure_that_was_found_later_has_status_200_and_is_told_by_its_code(
        self, code: str, status: int
    ) -> None:
        """Trap 5: only the code says what happened."""
        assert trouble(error_of(status, code)).fault is Fault.CAPACITY

    @pytest.mark.parametrize(
        ("status", "code", "fault"),
        [
            (401, "InvalidAuthenticationToken", Fault.AUTHENTICATION),
            (401, "SomethingNew", Fault.AUTHENTICATION),
            (403, "AuthorizationFailed", Fault.PERMISSION),
            (403, "RequestDisallowedByPolicy", Fault.PERMISSION),
            (409, "QuotaExceeded", Fault.QUOTA),
            (400, "PublicIPCountLimitReached", Fault.QUOTA),
            (400, "SubnetIsFull", Fault.CAPACITY),
            (404, "ResourceNotFound", Fault.MISSING),
            (404, "ResourceGroupNotFound", Fault.INVALID),
            (404, "SubscriptionNotFound", Fault.INVALID),
            (400, "InvalidParameter", Fault.INVALID),
            (400, "SomethingNew", Fault.INVALID),
            (409, "AnotherOperationInProgress", Fault.CONFLICT),
            (409, "SomethingNew", Fault.CONFLICT),
            (412, "PreconditionFailed", Fault.CONFLICT),
            (429, "TooManyRequests", Fault.THROTTLED),
            (429, "OperationNotAllowed", Fault.THROTTLED),
            (500, "InternalServerError", Fault.UNKNOWN),
            (418, "SomethingNew", Fault.UNKNOWN),
        ],
    )
    def test_codes(self, status: int, code: str, fault: Fault) -> None:
        found = trouble(error_of(status, code))
        assert (found.fault, found.code) == (fault, code)

    def test_the_innermost_code_counts(self) -> None:
        inner = [{"code": "ZonalAllocationFailed", "message": "no room in the zone"}]
        found = trouble(error_of(409, "Conflict", details=inner))
        assert (found.fault, found.message) == (Fault.CAPACITY, "no room in the zone")

    def test_a_page_of_a_gateway_is_no_proof_that_something_is_missing(self) -> None:
        page = ResourceNotFoundError(response=Answer(404, "<html>not here</html>"))  # type: ignore[arg-type]
        assert trouble(page).fault is Fault.UNKNOWN

    def test_what_azure_asks_to_wait_is_kept(self) -> None:
        found = trouble(error_of(429, "TooManyRequests", headers={"Retry-After": "17"}))
        assert found.retry_after_seconds == 17

    def test_a_failed_login_without_an_answer_is_one_of_credentials(self) -> None:
        assert trouble(ClientAuthenticationError(message="no identity here")).fault is Fault.AUTHENTICATION

    def test_a_refusal_of_the_api_is_one_of_credentials(self) -> None:
        refused = error_of(401, "ExpiredAuthenticationToken", kind=ClientAuthenticationError)
        assert trouble(refused).fault is Fault.AUTHENTICATION

    @pytest.mark.parametrize("error", [ServiceRequestError("not sent"), ServiceResponseError("lost")])
    def test_network_trouble_leaves_the_outcome_unknown(self, error: AzureError) -> None:
        assert trouble(error).fault is Fault.UNKNOWN


class TestLoginThatIsNotAnswered:
    """The SDK calls all of these a failed authentication. The credentials may be right."""

    @pytest.mark.parametrize("where", ["/token", "/openid-configuration"])
    @pytest.mark.parametrize(
        "answer",
        [
            Cut.BEFORE,
            Response(503),
            Response(500, {"error": "server_error"}),
            Response(429),
            Response(200, b"<html>Blocked</html>"),
            Response(200, b"<html>\xff\xfe</html>", {"content-type": "text/html; charset=utf-8"}),
            Response(200, ["Blocked"]),
            Response(200, {"message": "Blocked"}),
            Response(403, {"error": {"code": "Blocked"}}),
            Response(204),
            Response(403, b"<html>Blocked</html>"),
            Response(404, b"<html>Blocked</html>"),
        ],
        ids=str,
    )
    def test_is_of_unknown_outcome(self, tmp_path: Path, where: str, answer: Response | Cut) -> None:
        with azure_server(tmp_path) as (server, _):
            login = credential(self._private(server))
            with (
                server.fault(answer, lambda request: request.path.endswith(where)),
                pytest.raises(ClientAuthenticationError) as failed,
            ):
                login.get_token("https://management.azure.com/.default")
            assert trouble(failed.value).fault is Fault.UNKNOWN

    @pytest.mark.parametrize("status", [200, 403, 429])
    def test_does_not_keep_the_next_one_from_success(self, tmp_path: Path, status: int) -> None:
        page = Response(status, {"error": {"code": "Blocked", "message": "by the gateway"}})
        with azure_server(tmp_path) as (server, _):
            login = credential(self._private(server))
            with (
                server.fault(page, lambda request: request.path.endswith("/token")),
                pytest.raises(ClientAuthenticationError) as failed,
            ):
                login.get_token("https://management.azure.com/.default")
            assert trouble(failed.value).fault is Fault.UNKNOWN
            assert login.get_token("https://management.azure.com/.default").token

    def test_a_tenant_that_does_not_exist_is_answered(self, tmp_path: Path) -> None:
        said = "AADSTS90002: Tenant 'x' not found."
        missing = Response(400, {"error": "invalid_tenant", "error_description": said})
        with azure_server(tmp_path) as (server, _):
            login = credential(self._private(server))
            with (
                server.fault(missing, lambda request: request.path.endswith("/openid-configuration")),
                pytest.raises(ClientAuthenticationError) as failed,
            ):
                login.get_token("https://management.azure.com/.default")
            assert trouble(failed.value).fault is Fault.AUTHENTICATION

    def test_a_busy_login_service(self) -> None:
        busy = ClientAuthenticationError(message="Authentication failed: temporarily_unavailable")
        assert trouble(busy).fault is Fault.UNKNOWN

    @staticmethod
    def _private(server: WireServer) -> Account:
        return account(
            tenant_id=TENANT,
            client_id=CLIENT,
            client_secret=SECRET,
            authority_url=server.url,
            ca_file=server.ca_file,
        )


class TestPacing:
    def test_all_that_use_an_account_share_its_pace(self) -> None:
        assert pacing(account()) is pacing(account(ca_file=Path("ca")))
        assert pacing(account()) is not pacing(account(client_id=CLIENT))

    def test_a_throttled_kind_of_call_pauses_and_the_others_go_on(self) -> None:
        paces = Pacing()
        with pytest.raises(HttpResponseError), paces.call(Kind.WRITE):
            raise error_of(429, "TooManyRequests", headers={"Retry-After": "30"})
        with pytest.raises(TooFast) as early, paces.call(Kind.WRITE):
            raise AssertionError("not called")
        assert 0 < early.value.retry_after_seconds <= 30
        with paces.call(Kind.READ):
            pass
