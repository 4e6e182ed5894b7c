"""What DigitalOcean's answers mean, and what pydo is kept from doing with them."""

import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from poolwright.vendors import digitalocean
from poolwright.vendors.digitalocean import API, Account, Refused, fault_of
from poolwright.vendors.faults import Fault
from tests.wire.guard import only_this_machine
from tests.wire.server import Cut, Request, Response, WireServer

_TOKENS = count(1)


def _app(request: Request) -> Response:
    items = [{"id": number} for number in range(450)]
    page, size = (int(request.parameter(name) or 0) for name in ("page", "per_page"))
    links = {"pages": {"next": "https://api.digitalocean.com/v2/droplets?page=2"}} if page * size < len(items) else {}
    found = items[(page - 1) * size : page * size]
    return Response(200, {"droplets": found, "links": links, "meta": {"total": len(items)}})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WireServer]:
    with only_this_machine() as left, WireServer(_app, tls_directory=tmp_path_factory.mktemp("tls")) as server:
        yield server
    assert left == []


@pytest.fixture
def account(server: WireServer) -> Account:
    server.requests.clear()
    token = SecretStr(f"dop_v1_{next(_TOKENS)}")
    return Account(token=token, endpoint_url=server.url, ca_file=server.ca_file)


@pytest.fixture
def api(account: Account) -> API:
    return API(account)


def refusal(api: API, operation: str, *arguments: object) -> Refused:
    with pytest.raises(Refused) as raised:
        api.call(operation, *arguments)
    return raised.value


class TestFaults:
    @pytest.mark.parametrize(
        ("status", "message", "fault"),
        [
            (400, "", Fault.INVALID),
            (401, "Unable to authenticate you", Fault.AUTHENTICATION),
            (403, "You are not authorized to perform this operation", Fault.PERMISSION),
            (404, "The resource you were accessing could not be found.", Fault.MISSING),
            (409, "", Fault.CONFLICT),
            (412, "", Fault.CONFLICT),
            (418, "", Fault.INVALID),
            (422, "creating this/these droplet(s) will exceed your droplet limit", Fault.QUOTA),
            (422, "Size is not available in this region.", Fault.CAPACITY),
            (422, "Region is unavailable", Fault.CAPACITY),
            (422, "Droplet already has a pending event.", Fault.CONFLICT),
            (422, "You specified an invalid image for Droplet creation.", Fault.INVALID),
            (422, "", Fault.INVALID),
            (429, "", Fault.THROTTLED),
            (500, "Server Error", Fault.UNKNOWN),
            (503, "", Fault.UNKNOWN),
        ],
    )
    def test_have_one_table(self, status: int, message: str, fault: Fault) -> None:
        assert fault_of(status, message) is fault

    @pytest.mark.parametrize(
        "operation", ["droplets.get", "droplets.destroy", "tags.get", "firewalls.get", "domains.get"]
    )
    @pytest.mark.parametrize(
        ("body", "fault"),
        [({"id": "not_found", "message": "gone"}, Fault.MISSING), (None, Fault.UNKNOWN), (b"<html>", Fault.UNKNOWN)],
        ids=["DigitalOcean's", "an empty one", "a proxy's"],
    )
    def test_trap_2_a_404_that_pydo_returns_as_data_is_a_failure(
        self, server: WireServer, api: API, operation: str, body: object, fault: Fault
    ) -> None:
        with server.fault(Response(404, body)):
            assert refusal(api, operation, 7).fault is fault

    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
    @pytest.mark.parametrize("operation", ["droplets.create", "droplets.get"])
    def test_trap_3_pydo_repeats_nothing(self, server: WireServer, api: API, operation: str, status: int) -> None:
        with server.fault(Response(status, {"id": "error", "message": "no"})):
            refusal(api, operation, {"name": "a"} if operation.endswith("create") else 7)
        assert server.count() == 1

    @pytest.mark.parametrize("cut", Cut)
    def test_a_broken_connection_is_unknown_and_not_tried_again(self, server: WireServer, api: API, cut: Cut) -> None:
        with server.fault(cut):
            assert refusal(api, "droplets.create", {"name": "a"}).fault is Fault.UNKNOWN
        assert server.count() == 1

    def test_a_redirect_is_not_followed(self, server: WireServer, api: API) -> None:
        with server.fault(Response(302, None, {"location": "https://127.0.0.1:1/v2/droplets"})):
            assert refusal(api, "droplets.get", 7).fault is Fault.UNKNOWN

    def test_the_message_has_the_vendors_words_in_one_short_line(self, server: WireServer, api: API) -> None:
        with server.fault(Response(422, {"id": "unprocessable_entity", "message": "no\nsuch " + "x" * 1_000})):
            refused = refusal(api, "droplets.create", {"user_data": "secret-script"})
        assert str(refused).startswith("droplets.create: HTTP 422, no such xxx")
        assert len(str(refused)) < 400
        assert refused.code == "unprocessable_entity"
        assert "secret-script" not in repr(refused.__dict__)
        assert refused.__cause__ is None


class TestLimits:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"retry-after": "12"}, 12),
            ({"ratelimit-remaining": "0", "ratelimit-reset": "90"}, 90),
            ({"ratelimit-remaining": "400", "ratelimit-reset": "90"}, 1),
            ({"retry-after": "Wed, 21 Oct"}, 1),
            ({}, 1),
        ],
        ids=["retry-after", "the hour is used up", "the minute is used up", "a date", "nothing"],
    )
    def test_tell_how_long_to_wait(self, server: WireServer, api: API, headers: dict[str, str], seconds: float) -> None:
        if "ratelimit-reset" in headers:
            headers = {**headers, "ratelimit-reset": str(int(time.time()) + int(headers["ratelimit-reset"]))}
        with server.fault(Response(429, {"id": "too_many_requests", "message": "slow down"}, headers)):
            refused = refusal(api, "droplets.get", 7)
        assert refused.fault is Fault.THROTTLED
        assert refused.retry_after_seconds == pytest.approx(seconds, abs=5 if seconds == 90 else 1)

    def test_hold_for_everyone_with_the_token(self, server: WireServer, api: API, account: Account) -> None:
        with server.fault(Response(429, None, {"retry-after": "30"})):
            refusal(api, "droplets.get", 7)
        assert refusal(API(account), "domains.get", "example.com").fault is Fault.THROTTLED
        assert server.count() == 1

    def test_are_kept_by_the_pace(self) -> None:
        most_calls = {60: 250, 3_600: 5_000}
        for (calls_per_second, burst_calls), seconds in ((digitalocean._MINUTE, 60), (digitalocean._HOUR, 3_600)):
            assert burst_calls + seconds * calls_per_second <= most_calls[seconds]


class TestLists:
    def test_have_all_pages(self, server: WireServer, api: API) -> None:
        listing = api.listing("droplets.list", "droplets")
        assert [item["id"] for item in listing.items] == list(range(450))
        assert listing.whole
        assert server.count() == 3
        assert list(api.pages("droplets.list", "droplets")) == list(listing.items)

    def test_are_not_whole_when_they_shrank_while_they_were_read(self, server: WireServer, api: API) -> None:
        last = Response(200, {"droplets": [{"id": 401}], "links": {}, "meta": {"total": 449}})
        with server.fault(last, lambda request: request.parameter("page") == "3"):
            assert not api.listing("droplets.list", "droplets").whole

    @pytest.mark.parametrize("body", [{}, {"droplets": None}, [], None])
    def test_are_no_lists_without_their_key(self, server: WireServer, api: API, body: object) -> None:
        with server.fault(Response(200, body)), pytest.raises(Refused) as raised:
            api.listing("droplets.list", "droplets")
        assert raised.value.fault is Fault.UNKNOWN


class TestAccount:
    def test_takes_the_token_of_the_workers_environment(
        self, server: WireServer, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DIGITALOCEAN_ACCESS_TOKEN", "dop_v1_ambient")
        API(account.model_copy(update={"token": None})).call("droplets.list")
        assert server.requests[-1].headers["authorization"] == "Bearer dop_v1_ambient"

    def test_without_a_token_fails_with_a_way_out(self, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("DIGITALOCEAN_ACCESS_TOKEN", "DIGITALOCEAN_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        refused = refusal(API(account.model_copy(update={"token": None})), "droplets.list")
        assert refused.fault is Fault.AUTHENTICATION
        assert "DIGITALOCEAN_ACCESS_TOKEN" in str(refused)

    def test_sends_no_token_in_the_clear(self) -> None:
        with pytest.raises(ValidationError, match="use https"):
            Account(endpoint_url="http://127.0.0.1")

    def test_trap_12_its_authorities_win_over_those_of_the_environment(
        self, server: WireServer, account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "other.pem").write_text("no certificate")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.pem"))
        API(account).call("droplets.list")
        assert server.count() == 1

    def test_trusts_no_other_certificate(self, account: Account) -> None:
        refused = refusal(API(account.model_copy(update={"ca_file": None})), "droplets.list")
        assert refused.fault is Fault.UNKNOWN
