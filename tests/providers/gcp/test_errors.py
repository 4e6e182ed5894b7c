"""What Google answers, as errors of the tree."""

import pytest

from poolwright.providers.errors import (
    AuthenticationFailed,
    CapacityUnavailable,
    Conflict,
    InvalidSettings,
    NotFound,
    PermissionDenied,
    ProviderError,
    QuotaExceeded,
    Throttled,
    Transient,
)
from poolwright.providers.gcp.provider import GCPProvider
from tests.conformance.specs import mark_of, spec_of
from tests.wire.gcp_answers import refusal
from tests.wire.gcp_rig import Rig, is_insert
from tests.wire.server import Cut, Response

NOW = {"retry-after": "0"}


class TestAnswers:
    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (refusal(400, "invalid", "no"), InvalidSettings),
            (refusal(400, "required", "no"), InvalidSettings),
            (refusal(400, "resourceNotReady", "no"), Conflict),
            (refusal(401, "authError", "no"), AuthenticationFailed),
            (refusal(401, "required", "Login Required"), AuthenticationFailed),
            (refusal(403, "forbidden", "no"), PermissionDenied),
            (refusal(403, "accessNotConfigured", "no"), PermissionDenied),
            (refusal(403, "quotaExceeded", "no"), QuotaExceeded),
            (refusal(403, "rateLimitExceeded", "no", NOW), Throttled),
            (refusal(403, "userRateLimitExceeded", "no", NOW), Throttled),
            (refusal(404, "notFound", "no"), InvalidSettings),
            (refusal(409, "alreadyExists", "no"), Conflict),
            (
                refusal(412, "conditionNotMet", "Constraint constraints/compute.vmExternalIpAccess violated"),
                InvalidSettings,
            ),
            (refusal(413, "uploadTooLarge", "no"), InvalidSettings),
            (refusal(429, "rateLimitExceeded", "no", NOW), Throttled),
            (refusal(503, "ZONE_RESOURCE_POOL_EXHAUSTED", "no"), CapacityUnavailable),
            (refusal(500, "backendError", "no"), Transient),
            (refusal(503, "backendError", "no"), Transient),
            (refusal(418, "neverHeardOf", "no"), Transient),
            (Response(404, b"<html>no such page</html>"), Transient),
            (Response(404, {"error": "no route"}), Transient),
            (Response(404, "no route"), Transient),
            (Response(404, {"error": None}), Transient),
            (Response(503, {"error": {"errors": 5}}), Transient),
            (Response(403, {"error": "<html>blocked"}), PermissionDenied),
            (Response(502, b"<html>bad gateway</html>"), Transient),
            (Response(200, b"<html>log in first</html>"), Transient),
            (Response(200, b""), Transient),
            (Response(200, {"message": "log in first"}), Transient),
            (Response(200, "<html>\u00fc".encode("latin-1")), Transient),
            (Response(404, "<html>\u00fc".encode("latin-1")), Transient),
        ],
    )
    def test_a_creation_tells_what_it_is(
        self, rig: Rig, gcp: GCPProvider, answer: Response, kind: type[ProviderError]
    ) -> None:
        with rig.server.fault(answer, is_insert), pytest.raises(kind) as refused:
            gcp.create(spec_of("a"))
        assert refused.type is kind
        assert refused.value.__cause__ is None
        assert "html" not in str(refused.value)

    def test_a_message_names_the_action_the_reason_and_the_way_out(self, rig: Rig, gcp: GCPProvider) -> None:
        answer = refusal(403, "quotaExceeded", "Quota 'CPUS' exceeded. Limit: 8.0 in region us-east4.")
        with rig.server.fault(answer), pytest.raises(QuotaExceeded) as refused:
            rig.open(zones=["us-east4-a"]).create(spec_of("a"))
        assert str(refused.value) == (
            "creating pw-a in us-east4-a failed: Quota 'CPUS' exceeded. Limit: 8.0 in region us-east4 (quotaExceeded); "
            "raise the project's quota, or name another region or machine type"
        )

    def test_what_is_missing_is_not_found_only_where_it_was_asked_for(self, rig: Rig, gcp: GCPProvider) -> None:
        with pytest.raises(NotFound):
            gcp.get("us-east4-a/pw-a/request")


class TestTrapNine:
    """The SDK lets errors of `requests` through as they are."""

    def test_a_broken_connection_is_transient(self, rig: Rig, gcp: GCPProvider) -> None:
        with rig.server.fault(Cut.BEFORE):
            for call in (gcp.list_owned, lambda: gcp.find(mark_of("a")), lambda: gcp.create(spec_of("a"))):
                with pytest.raises(Transient, match="ConnectionError"):
                    call()

    def test_a_server_that_is_not_there_is_transient(self, rig: Rig) -> None:
        with pytest.raises(Transient, match="ConnectionError"):
            rig.open(endpoint_url="http://127.0.0.1:1").list_owned()


class TestCallsAreMadeOnce:
    @pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
    def test_no_failure_is_repeated_by_the_sdk(self, rig: Rig, gcp: GCPProvider, status: int) -> None:
        with rig.server.fault(refusal(status, "backendError", "no", NOW)):
            with pytest.raises((Transient, Throttled)):
                gcp.list_owned()
            with pytest.raises((Transient, Throttled)):
                gcp.find(mark_of("a"))
        assert len(rig.server.requests) == 2

    def test_a_refused_token_is_renewed_once(self, rig: Rig, gcp: GCPProvider) -> None:
        with rig.server.fault(refusal(401, "authError", "expired"), times=1):
            assert list(gcp.list_owned()) == []
        assert len(rig.server.requests) == 2
        rig.server.requests.clear()
        with rig.server.fault(refusal(401, "authError", "no")), pytest.raises(AuthenticationFailed):
            gcp.list_owned()
        assert len(rig.server.requests) == 2
