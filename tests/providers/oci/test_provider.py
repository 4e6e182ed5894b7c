"""What is special about OCI: its retry tokens, its one 404 for two things, its addresses and its leftovers."""

import base64
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from poolwright.providers.base import VM, VMState
from poolwright.providers.errors import (
    CapacityUnavailable,
    Conflict,
    InvalidSettings,
    NotFound,
    PermissionDenied,
    Throttled,
    Transient,
)
from poolwright.providers.oci.provider import OCIProvider
from poolwright.providers.oci.requests import retry_token, tags_of
from tests.conformance.specs import mark_of, spec_of
from tests.wire.oci_cloud import INITIAL_PASSWORD, PRIVATE_SUBNET, OCICloud
from tests.wire.oci_requests import Identity, failed, hidden, with_request_id
from tests.wire.server import Request, Response, WireServer

Open = Callable[..., OCIProvider]


def running(cloud: OCICloud, provider: OCIProvider, server_id: str = "a") -> VM:
    vm = provider.create(spec_of(server_id))
    cloud.now += 4
    return provider.get(vm.reference)


def reads_instance(request: Request) -> bool:
    return request.method == "GET" and "/instances/" in request.path


def launches(request: Request) -> bool:
    return request.method == "POST"


class TestRetryTokens:
    def test_every_launch_carries_one(self, cloud: OCICloud, server: WireServer, open_oci: Open) -> None:
        spec = spec_of("a")
        open_oci().create(spec)
        (launch,) = filter(launches, server.requests)
        assert launch.headers["opc-retry-token"] == retry_token(spec.token, 0)

    def test_one_that_suffices_costs_no_search(self, server: WireServer, open_oci: Open) -> None:
        first = open_oci().create(spec_of("a", token_suffices=True))
        assert open_oci().create(spec_of("a", token_suffices=True)).reference == first.reference
        assert server.count() == server.count(launches) == 2

    def test_one_that_suffices_adopts_by_search_what_it_has_made_with_another_script(
        self, cloud: OCICloud, open_oci: Open
    ) -> None:
        first = open_oci().create(spec_of("a", token_suffices=True))
        changed = spec_of("a", script="#!/bin/sh\n# changed\n", token_suffices=True)
        assert open_oci().create(changed).reference == first.reference
        assert len(cloud.instances) == 1

    @pytest.mark.parametrize("replays_dead", [True, False])
    def test_a_token_whose_vm_has_died_is_followed_by_the_next(
        self, cloud: OCICloud, open_oci: Open, replays_dead: bool
    ) -> None:
        cloud.replays_dead = replays_dead
        provider = open_oci()
        first = running(cloud, provider)
        cloud.instances[first.reference].terminated_at = cloud.now
        cloud.now += 5
        second = provider.create(spec_of("a"))
        assert second.reference != first.reference
        assert provider.create(spec_of("a")).reference == second.reference
        assert set(cloud.tokens) == {retry_token(spec_of("a").token, number) for number in (0, 1)}

    def test_a_dead_vm_that_lists_have_forgotten_is_replayed_and_not_taken(
        self, cloud: OCICloud, open_oci: Open
    ) -> None:
        cloud.replays_dead = True
        provider = open_oci()
        first = running(cloud, provider)
        cloud.instances[first.reference].terminated_at = cloud.now
        cloud.now += 5
        cloud.listed = frozenset()
        assert provider.create(spec_of("a")).reference != first.reference

    def test_a_vm_that_is_being_terminated_is_waited_for_though_lists_do_not_show_it(
        self, cloud: OCICloud, open_oci: Open
    ) -> None:
        cloud.replays_dead = True
        provider = open_oci()
        first = running(cloud, provider)
        cloud.instances[first.reference].terminated_at = cloud.now
        cloud.listed = frozenset()
        with pytest.raises(Conflict, match="still being deleted"):
            provider.create(spec_of("a"))
        assert len(cloud.instances) == 1

    def test_a_used_token_without_a_vm_to_be_seen_makes_no_second_vm(self, cloud: OCICloud, open_oci: Open) -> None:
        provider = open_oci()
        first = provider.create(spec_of("a"))
        cloud.listed = frozenset()
        with pytest.raises(Conflict, match="ask again"):
            provider.create(spec_of("a", script="#!/bin/bash\n# rendered anew\n"))
        cloud.listed = None
        assert provider.create(spec_of("a", script="#!/bin/bash\n# rendered anew\n")).reference == first.reference
        assert len(cloud.instances) == 1

    def test_after_a_day_the_mark_is_found_though_the_token_is_forgotten(self, cloud: OCICloud, open_oci: Open) -> None:
        first = open_oci().create(spec_of("a"))
        cloud.tokens.clear()
        assert open_oci().create(spec_of("a")).reference == first.reference
        assert len(cloud.instances) == 1


class TestGoneOrForbidden:
    def test_a_404_on_one_instance_is_not_gone_while_the_list_has_it(
        self, cloud: OCICloud, server: WireServer, open_oci: Open
    ) -> None:
        provider = open_oci()
        vm = running(cloud, provider)
        with server.fault(hidden(), reads_instance):
            assert provider.get(vm.reference) == vm

    def test_a_404_on_the_list_too_says_nothing(self, cloud: OCICloud, server: WireServer, open_oci: Open) -> None:
        provider = open_oci()
        vm = running(cloud, provider)
        with server.fault(hidden()):
            for call in (
                lambda: provider.get(vm.reference),
                lambda: provider.find(vm.mark),
                provider.list_owned,
                lambda: provider.delete(vm.mark, vm.reference),
            ):
                with pytest.raises(PermissionDenied):
                    call()
        assert provider.get(vm.reference) == vm

    def test_a_404_confirmed_by_a_list_is_gone(self, cloud: OCICloud, open_oci: Open) -> None:
        with pytest.raises(NotFound):
            open_oci().get("ocid1.instance.oc1.iad.never")

    @pytest.mark.parametrize("body", [b"<html>sign in to the network</html>", {"signed": "out"}, b""])
    def test_what_a_gateway_answers_with_200_says_nothing(
        self, cloud: OCICloud, server: WireServer, open_oci: Open, body: object
    ) -> None:
        provider = open_oci()
        vm = running(cloud, provider)
        with server.fault(Response(200, body)):
            for call in (
                lambda: provider.get(vm.reference),
                lambda: provider.find(vm.mark),
                provider.list_owned,
                lambda: provider.delete(vm.mark, None),
                lambda: provider.create(spec_of("b", token_suffices=True)),
            ):
                with pytest.raises(Transient, match="not one of OCI's"):
                    call()
        assert provider.get(vm.reference) == vm

    @pytest.mark.parametrize("body", [b"", b"null", b'[{"id": "ocid1.insta', b"\xff\xfe"])
    def test_an_answer_that_was_cut_short_says_nothing(
        self, cloud: OCICloud, server: WireServer, open_oci: Open, body: bytes
    ) -> None:
        provider = open_oci()
        vm = running(cloud, provider)
        with server.fault(with_request_id(Response(200, body))):
            for call in (
                lambda: provider.get(vm.reference),
                lambda: provider.find(vm.mark),
                provider.list_owned,
                lambda: provider.delete(vm.mark, None),
                lambda: provider.create(spec_of("b", token_suffices=True)),
            ):
                with pytest.raises(Transient, match="AnswerCutShort"):
                    call()
        assert provider.get(vm.reference) == vm

    def test_a_deletion_that_is_forbidden_is_not_taken_for_done(
        self, cloud: OCICloud, server: WireServer, open_oci: Open
    ) -> None:
        provider = open_oci()
        vm = running(cloud, provider)
        with (
            server.fault(hidden(), lambda request: request.method == "DELETE"),
            pytest.raises(PermissionDenied, match="manage instance-family"),
        ):
            provider.delete(vm.mark, vm.reference)

    def test_a_deletion_that_meets_another_operation_is_asked_for_again(
        self, cloud: OCICloud, server: WireServer, open_oci: Open
    ) -> None:
        provider = open_oci()
        vm = running(cloud, provider)
        busy = failed(409, "IncorrectState", "The instance is being moved.")
        with server.fault(busy, lambda request: request.method == "DELETE"):
            assert provider.delete(vm.mark, vm.reference) is False
        assert provider.get(vm.reference) == vm

    def test_a_vm_whose_tags_were_taken_away_is_left_alone_and_told_of(self, cloud: OCICloud, open_oci: Open) -> None:
        provider = open_oci()
        vm = running(cloud, provider)
        cloud.instances[vm.reference].request["freeformTags"] = {}
        with pytest.raises(Conflict, match="restore its tags"):
            provider.delete(vm.mark, vm.reference)
        assert cloud.instances[vm.reference].terminated_at is None


class TestErrors:
    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (failed(500, "InternalError", "Out of host capacity."), CapacityUnavailable),
            (failed(500, "InternalError", "Internal error occurred"), Transient),
            (failed(503, "ServiceUnavailable", "later"), Transient),
            (failed(400, "SomethingNew", "what is that"), Transient),
            (failed(409, "IncorrectState", "busy"), Conflict),
            (failed(412, "NoEtagMatch", "changed"), Conflict),
            (failed(403, "NotAuthorized", "no"), PermissionDenied),
            (failed(400, "InvalidParameter", "shape"), InvalidSettings),
            (Response(502, b"<html>bad gateway</html>"), Transient),
            (Response(429, b"slow down", {"retry-after": "0"}), Throttled),
        ],
    )
    def test_each_has_its_type(
        self, cloud: OCICloud, server: WireServer, open_oci: Open, answer: Response, expected: type[Exception]
    ) -> None:
        with server.fault(answer, launches), pytest.raises(expected) as refusal:
            open_oci().create(spec_of("a"))
        assert refusal.type is expected
        assert cloud.instances == {}

    def test_what_we_sent_is_not_repeated(self, cloud: OCICloud, server: WireServer, open_oci: Open) -> None:
        spec = spec_of("a")
        sent = base64.b64encode(spec.startup_script.get_secret_value().encode()).decode()
        ocid = f"ocid1.image.oc1.iad.{'a' * 60}"
        answer = failed(400, "InvalidParameter", f"{ocid} does not take user_data {sent * 3}")
        with server.fault(answer, launches), pytest.raises(InvalidSettings) as refusal:
            open_oci().create(spec)
        assert ocid in str(refusal.value)
        assert sent[:40] not in str(refusal.value)

    @pytest.mark.parametrize(
        ("asked", "seconds", "rate_of_its_own"), [("17", 17, 9_999), ("1e9", 3_600, 9_998), ("inf", 3_600, 9_997)]
    )
    def test_the_wait_that_oci_asks_for_is_kept_by_all_and_never_without_end(
        self, cloud: OCICloud, server: WireServer, open_oci: Open, asked: str, seconds: int, rate_of_its_own: int
    ) -> None:
        rate = {"calls_per_second": rate_of_its_own}
        slow = failed(429, "TooManyRequests", "slow down", **{"retry-after": asked})
        with server.fault(slow, times=1), pytest.raises(Throttled) as refusal:
            open_oci(**rate).list_owned()
        assert refusal.value.retry_after_seconds == pytest.approx(seconds, abs=5)
        with pytest.raises(Throttled, match="goes on in"):
            open_oci(**rate).list_owned()
        assert server.count() == 1

    def test_only_one_request_is_sent_for_one_call(self, cloud: OCICloud, server: WireServer, open_oci: Open) -> None:
        with server.fault(failed(500, "InternalError", "later")), pytest.raises(Transient):
            open_oci().list_owned()
        assert server.count() == 1

    def test_a_locked_key_needs_its_passphrase(self, cloud: OCICloud, open_oci: Open, identity: Identity) -> None:
        locked = identity.private_key_with("open sesame")
        assert open_oci(private_key=locked, passphrase="open sesame").list_owned() == []
        (finding,) = open_oci(private_key=locked, passphrase="wrong").check()
        assert finding.setting == "private_key"
        assert "wrong" not in finding.problem


class TestAddresses:
    def test_a_public_address_is_waited_for_where_the_subnet_gives_one(self, cloud: OCICloud, open_oci: Open) -> None:
        vm = running(cloud, open_oci())
        assert (vm.address, vm.private_address) == ("203.0.0.3", "10.0.0.3")

    def test_the_private_address_is_the_only_one_in_a_private_subnet(self, cloud: OCICloud, open_oci: Open) -> None:
        vm = running(cloud, open_oci(subnet_ocid=PRIVATE_SUBNET))
        assert (vm.address, vm.private_address) == ("10.0.0.3", "10.0.0.3")

    def test_an_address_is_asked_for_until_it_is_known_and_no_longer(
        self, cloud: OCICloud, server: WireServer, open_oci: Open
    ) -> None:
        provider = open_oci()
        vm = running(cloud, provider)
        before = server.count()
        assert provider.get(vm.reference) == vm
        assert server.count() == before + 1

    def test_many_that_wait_for_an_address_share_the_calls(
        self, cloud: OCICloud, server: WireServer, open_oci: Open
    ) -> None:
        provider = open_oci()
        for number in range(10):
            provider.create(spec_of(f"server-{number}"))
        cloud.now += 2
        before = server.count()
        assert [vm.address for vm in provider.list_owned()] == [None] * 10
        assert server.count() == before + 2

    def test_an_address_of_the_sixth_version_may_be_the_only_one(
        self, cloud: OCICloud, server: WireServer, open_oci: Open
    ) -> None:
        provider = open_oci(public_ip=False)
        vms = [provider.create(spec_of(server_id)) for server_id in ("a", "b")]
        cloud.now += 4
        vnic = {"id": "x", "isPrimary": True, "ipv6Addresses": ["2001:db8::5"]}
        with (
            server.fault(with_request_id(Response(200, [])), lambda request: request.path.endswith("/privateIps")),
            server.fault(with_request_id(Response(200, vnic)), lambda request: "/vnics/" in request.path),
        ):
            assert [vm.address for vm in provider.list_owned()] == ["2001:db8::5"] * 2
            assert provider.get(vms[0].reference).address == "2001:db8::5"

    def test_a_second_interface_does_not_confuse(self, cloud: OCICloud, open_oci: Open) -> None:
        provider = open_oci()
        for server_id in ("a", "b"):
            vm = provider.create(spec_of(server_id))
            cloud.instances[vm.reference].extra_vnics.append(f"ocid1.vnic.oc1.iad.second-{server_id}")
        cloud.now += 4
        assert [vm.address for vm in provider.list_owned()] == ["203.0.0.3", "203.0.0.4"]

    def test_an_interface_override_decides_too(self, cloud: OCICloud, open_oci: Open) -> None:
        vm = running(cloud, open_oci(config_override={"create_vnic_details": {"assign_public_ip": False}}))
        assert vm.address == "10.0.0.3"


class TestLeftovers:
    @pytest.mark.parametrize("kind", ["bootVolumes", "volumes"])
    def test_a_volume_with_our_mark_goes_too(self, cloud: OCICloud, open_oci: Open, kind: str) -> None:
        provider = open_oci()
        cloud.add_volume("ocid1.volume.oc1.iad.ours", tags_of(mark_of("a")), kind)
        cloud.add_volume("ocid1.volume.oc1.iad.other", tags_of(mark_of("b")), kind)
        cloud.add_volume("ocid1.volume.oc1.iad.theirs", tags_of(mark_of("a", "controller-2")), kind)
        assert provider.delete(mark_of("a"), None) is False
        assert provider.delete(mark_of("a"), None) is True
        assert cloud.living() == ["ocid1.volume.oc1.iad.other", "ocid1.volume.oc1.iad.theirs"]

    def test_a_vm_is_not_gone_before_its_boot_volume(self, cloud: OCICloud, open_oci: Open) -> None:
        provider = open_oci()
        vm = running(cloud, provider)
        assert provider.delete(vm.mark, vm.reference) is False
        cloud.now += 2
        with pytest.raises(NotFound):
            provider.get(vm.reference)
        assert provider.delete(vm.mark, vm.reference) is False
        cloud.now += 1
        assert provider.delete(vm.mark, vm.reference) is True


class TestSpot:
    def test_a_preemptible_vm_that_oci_takes_says_so(self, cloud: OCICloud, open_oci: Open) -> None:
        provider = open_oci(spot=True)
        assert provider.capabilities().interruptible
        vm = running(cloud, provider)
        assert vm.interruption is None
        cloud.instances[vm.reference].terminated_at = cloud.now
        (seen,) = provider.list_owned()
        assert seen.state is VMState.DELETING
        assert seen.interruption


class TestWindows:
    def test_the_first_password_is_told_once_there_is_one(self, cloud: OCICloud, open_oci: Open) -> None:
        provider = open_oci(operating_system="windows", retrieve_windows_password=True)
        assert provider.capabilities().retrieves_password
        vm = running(cloud, provider)
        assert provider.password(vm.reference) is None
        cloud.password_ready = True
        assert provider.password(vm.reference) == SecretStr(INITIAL_PASSWORD)

    def test_no_script_is_run_in_the_guest(self, cloud: OCICloud, open_oci: Open) -> None:
        with pytest.raises(InvalidSettings, match="at creation"):
            open_oci().run_startup_script("ocid1.instance.oc1.iad.1", SecretStr("exit 0"))
