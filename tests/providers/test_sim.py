from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from poolwright.providers.base import VMState
from poolwright.providers.errors import (
    CapacityUnavailable,
    Conflict,
    InvalidSettings,
    NotFound,
    QuotaExceeded,
    Throttled,
    Transient,
)
from poolwright.providers.sim.provider import SimProvider, open_provider
from poolwright.providers.sim.settings import Failure, Operation
from poolwright.providers.sim.world import World, forget, world
from tests.conformance.specs import OURS, THEIRS, mark_of, spec_of

START = 1_000_000.0


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sim_world(clock: Clock) -> Iterator[World]:
    """The default world, with the test's clock."""
    forget()
    made = world()
    made.clock = clock
    yield made
    forget()


def opened(**knobs: Any) -> SimProvider:
    return open_provider(knobs, OURS)


@pytest.mark.usefixtures("sim_world")
class TestALife:
    def test_goes_from_pending_to_gone_by_the_clock(self, clock: Clock) -> None:
        provider = opened(create_seconds=10, address_delay_seconds=5, delete_seconds=20)
        vm = provider.create(spec_of("a"))
        assert (vm.state, vm.address) == (VMState.PENDING, None)
        clock.now += 10
        assert (provider.get(vm.reference).state, provider.get(vm.reference).address) == (VMState.RUNNING, None)
        clock.now += 5
        assert provider.get(vm.reference).address
        assert provider.delete(vm.mark, None) is False
        assert provider.get(vm.reference).state is VMState.DELETING
        clock.now += 19
        assert provider.delete(vm.mark, vm.reference) is False
        clock.now += 1
        assert provider.delete(vm.mark, vm.reference) is True
        with pytest.raises(NotFound):
            provider.get(vm.reference)

    def test_takes_as_long_as_was_drawn_whatever_else_happens(self, sim_world: World) -> None:
        knobs: Mapping[str, Any] = {"create_seconds": {"least_seconds": 10, "most_seconds": 90}}

        def drawn(*servers: str, seed: int = 0) -> Mapping[str, float]:
            forget("other")
            provider = open_provider({**knobs, "world": "other", "seed": seed}, OURS)
            world("other").clock = sim_world.clock
            for server in servers:
                provider.create(spec_of(server))
            return {vm.hostname: vm.running_at - vm.accepted_at for vm in world("other").vms()}

        assert drawn("a", "b", "c") == drawn("c", "a", "b")
        assert drawn("a", "b", "c") != drawn("a", "b", "c", seed=1)
        assert all(10 <= seconds <= 90 for seconds in drawn("a", "b", "c").values())
        forget("other")

    def test_is_broken_for_the_given_fraction(self, clock: Clock) -> None:
        provider = opened(broken_fraction=0.25, create_seconds=1)
        for number in range(400):
            provider.create(spec_of(f"server-{number}"))
        clock.now += 1
        broken = [vm for vm in provider.list_owned() if vm.state is VMState.BROKEN]
        assert 70 <= len(broken) <= 130
        assert {vm.problem for vm in broken} == {"the simulated host failed"}


class TestCheckIns:
    def test_come_once_each_in_order_of_time(self, sim_world: World, clock: Clock) -> None:
        provider = opened(create_seconds=10, boot_seconds=30)
        provider.create(spec_of("a", script="curl token-of-a"))
        clock.now += 5
        provider.create(spec_of("b"))
        assert sim_world.due_check_ins(START + 39) == []
        clock.now = START + 60
        first, second = sim_world.due_check_ins()
        assert (first.vm.mark, first.due_at) == (mark_of("a"), START + 40)
        assert (second.vm.mark, second.due_at) == (mark_of("b"), START + 45)
        assert first.vm.startup_script.get_secret_value() == "curl token-of-a"
        assert sim_world.due_check_ins() == []

    def test_never_come_from_the_given_fraction(self, sim_world: World) -> None:
        provider = opened(never_ready_fraction=1)
        vm = provider.create(spec_of("a"))
        assert vm.state is VMState.RUNNING
        assert sim_world.due_check_ins(START + 1e9) == []

    @pytest.mark.parametrize("fate", ["deleted", "stopped", "vanished", "broken"])
    def test_never_come_from_a_vm_that_does_not_run(self, sim_world: World, fate: str) -> None:
        provider = opened(boot_seconds=10, delete_seconds=100)
        vm = provider.create(spec_of("a"))
        fates: Mapping[str, Callable[[], object]] = {
            "deleted": lambda: provider.delete(vm.mark, None),
            "stopped": lambda: sim_world.stop(vm.reference),
            "vanished": lambda: sim_world.vanish(vm.reference),
            "broken": lambda: sim_world.break_down(vm.reference, "struck by lightning"),
        }
        fates[fate]()
        assert sim_world.due_check_ins(START + 50) == []

    def test_count_from_the_start_of_a_script_in_the_guest(self, sim_world: World, clock: Clock) -> None:
        provider = opened(runs_script_in_guest=True, boot_seconds=10)
        vm = provider.create(spec_of("a", script="never handed over"))
        clock.now += 100
        assert sim_world.due_check_ins() == []
        assert not provider.run_startup_script(vm.reference, spec_of("a").startup_script).finished
        clock.now += 10
        assert provider.run_startup_script(vm.reference, spec_of("a").startup_script).finished
        (check_in,) = sim_world.due_check_ins()
        assert check_in.vm.startup_script == spec_of("a").startup_script

    def test_wait_for_a_guest_that_is_up(self, sim_world: World) -> None:
        provider = opened(runs_script_in_guest=True, create_seconds=10)
        vm = provider.create(spec_of("a"))
        with pytest.raises(Conflict, match="once it is running"):
            provider.run_startup_script(vm.reference, spec_of("a").startup_script)


@pytest.mark.usefixtures("sim_world")
class TestTokens:
    def test_with_another_request_are_refused(self) -> None:
        provider = opened()
        provider.create(spec_of("a"))
        with pytest.raises(InvalidSettings, match="use a token of its own"):
            provider.create(spec_of("a").model_copy(update={"hostname": "another"}))

    def test_of_a_deleted_vm_make_no_other(self) -> None:
        provider = opened()
        vm = provider.create(spec_of("a"))
        assert provider.delete(vm.mark, vm.reference)
        with pytest.raises(Conflict, match="use a new token"):
            provider.create(spec_of("a"))
        assert provider.create(spec_of("a", attempt=2)).reference != vm.reference

    def test_are_the_only_hold_while_lists_lag_behind(self, sim_world: World, clock: Clock) -> None:
        provider = opened(stale_list_seconds=30)
        first = provider.create(spec_of("a"))
        second = provider.create(spec_of("a", attempt=2))
        assert second.reference != first.reference
        clock.now += 30
        assert provider.find(mark_of("a")) == first
        assert provider.delete(mark_of("a"), second.reference)
        assert sim_world.living() == []


@pytest.mark.usefixtures("sim_world")
class TestLimits:
    def test_quota_counts_every_living_vm_of_the_account(self, sim_world: World) -> None:
        provider = opened(quota=2)
        sim_world.plant(None)
        vm = provider.create(spec_of("a"))
        with pytest.raises(QuotaExceeded):
            provider.create(spec_of("b"))
        provider.delete(vm.mark, None)
        provider.create(spec_of("b"))

    def test_capacity_counts_by_place(self) -> None:
        provider = opened(places=["north", "south"], capacity={"north": 1})
        provider.create(spec_of("a", place="north"))
        with pytest.raises(CapacityUnavailable, match="in north; try another place"):
            provider.create(spec_of("b"))
        assert provider.create(spec_of("b", place="south")).place == "south"

    def test_throttle_says_when_to_come_back(self, clock: Clock) -> None:
        provider = opened(throttle_calls_per_second=2, throttle_burst=3)
        for _ in range(3):
            provider.list_owned()
        with pytest.raises(Throttled) as refusal:
            provider.list_owned()
        assert refusal.value.retry_after_seconds == pytest.approx(0.5)
        clock.now += 0.5
        provider.list_owned()


class TestFaults:
    def test_planned_in_the_settings_happen_once_for_all_who_open_the_world(self, sim_world: World) -> None:
        knobs: Mapping[str, Any] = {"fail_next": {"create": {"transient": 1, "quota_exceeded": 1}}}
        with pytest.raises(Transient):
            opened(**knobs).create(spec_of("a"))
        with pytest.raises(QuotaExceeded):
            opened(**knobs).create(spec_of("a"))
        opened(**knobs).create(spec_of("a"))
        assert sim_world.calls() == {Operation.CREATE: 3}

    def test_lose_the_response_of_the_first_creations(self, sim_world: World) -> None:
        provider = opened(lose_response_after_commit=1)
        with pytest.raises(Transient, match="was lost"):
            provider.create(spec_of("a"))
        assert provider.create(spec_of("a")).mark == mark_of("a")
        assert len(sim_world.vms()) == 1

    def test_planned_at_run_time_come_in_their_order(self, sim_world: World) -> None:
        provider = opened()
        sim_world.fail_next(Operation.GET, Failure.THROTTLED)
        sim_world.fail_next(Operation.GET, Failure.TRANSIENT, times=2)
        seen = []
        for _ in range(3):
            with pytest.raises((Throttled, Transient)) as failure:
                provider.get("sim-00000001")
            seen.append(failure.type)
        assert seen == [Throttled, Transient, Transient]

    def test_in_the_knobs_can_be_changed_and_restored(self, sim_world: World) -> None:
        provider = opened(places=["north"])
        sim_world.change(quota=0, create_seconds={"least_seconds": 1, "most_seconds": 2})
        with pytest.raises(QuotaExceeded):
            provider.create(spec_of("a"))
        sim_world.restore()
        assert provider.create(spec_of("a")).state is VMState.RUNNING

    def test_in_knobs_that_do_not_exist_are_refused(self, sim_world: World) -> None:
        with pytest.raises(ValidationError):
            sim_world.change(creation_seconds=1)
        with pytest.raises(ValueError, match="fail_next cannot be changed"):
            sim_world.change(fail_next={})
        with pytest.raises(ValidationError, match="swap the two"):
            opened(create_seconds={"least_seconds": 2, "most_seconds": 1})


class TestTheWorld:
    def test_tells_all_vms_and_the_most_that_lived_at_once(self, sim_world: World, clock: Clock) -> None:
        provider = opened()
        for server in ("a", "b", "c"):
            provider.create(spec_of(server))
        provider.delete(mark_of("a"), None)
        clock.now += 1
        provider.create(spec_of("d"))
        assert [vm.hostname for vm in sim_world.vms()] == ["host-a", "host-b", "host-c", "host-d"]
        assert [vm.hostname for vm in sim_world.living()] == ["host-b", "host-c", "host-d"]
        assert sim_world.vms()[0].gone_at == START
        assert sim_world.highest_alive() == 3
        assert sim_world.calls() == {Operation.CREATE: 4, Operation.DELETE: 1}

    def test_has_vms_of_others(self, sim_world: World) -> None:
        provider = opened()
        strangers = [sim_world.plant(None), sim_world.plant(mark_of("x", THEIRS))]
        orphan = sim_world.plant(mark_of("orphan"))
        assert [vm.reference for vm in provider.list_owned()] == [orphan.reference]
        for stranger in strangers:
            with pytest.raises(NotFound):
                provider.get(stranger.reference)

    def test_changes_vms_behind_everybodys_back(self, sim_world: World) -> None:
        provider = opened()
        vm = provider.create(spec_of("a"))
        sim_world.stop(vm.reference)
        assert provider.get(vm.reference).state is VMState.STOPPED
        sim_world.break_down(vm.reference, "struck by lightning")
        assert provider.get(vm.reference).problem == "struck by lightning"
        sim_world.vanish(vm.reference)
        assert provider.find(vm.mark) is None
        with pytest.raises(NotFound):
            sim_world.stop("sim-00000099")

    def test_is_another_under_another_name(self, sim_world: World) -> None:
        opened().create(spec_of("a"))
        assert opened(world="elsewhere").find(mark_of("a")) is None
        forget("elsewhere")

    def test_shows_no_script(self, sim_world: World) -> None:
        opened().create(spec_of("a", script="the secret script"))
        assert "the secret script" not in f"{sim_world.vms()} {sim_world.due_check_ins()}"


class TestAWorldInAFile:
    def test_is_shared_and_outlives_its_processes(self, tmp_path: Path) -> None:
        file = tmp_path / "world.db"
        made = open_provider({"file": file, "lose_response_after_commit": 1}, OURS)
        with pytest.raises(Transient):
            made.create(spec_of("a"))
        vm = made.create(spec_of("a"))
        world(file=file).change(quota=1)
        forget(file=file)
        again = open_provider({"file": file, "lose_response_after_commit": 1}, OURS)
        assert again.get(vm.reference) == vm
        with pytest.raises(QuotaExceeded):
            again.create(spec_of("b"))
        assert world(file=file).calls()[Operation.CREATE] == 3
        forget(file=file)

    def test_that_cannot_be_opened_says_nothing_of_what_exists(self, tmp_path: Path) -> None:
        file = tmp_path / "missing" / "world.db"
        provider = open_provider({"file": file}, OURS)
        with pytest.raises(Transient, match="see that `file` can be written"):
            provider.find(mark_of("a"))
        forget(file=file)
