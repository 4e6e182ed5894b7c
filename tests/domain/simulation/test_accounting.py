"""What a simulation counts, held against everything that happened in it."""

from collections.abc import Iterable, Sequence
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings

from poolwright.domain.resources import PoolType
from poolwright.domain.simulation import Conditions, Configuration, DemandSession, HashedDraws, Outcome, ShapedDemand
from poolwright.domain.simulation.durations import Lognormal
from poolwright.domain.simulation.timeline import Happening
from tests.domain.simulation.test_shortcuts import conditions, worlds
from tests.domain.simulation.worlds import BOOT, agents, asks, at, configuration, counts, desks, play, scenario, watched

pytestmark = pytest.mark.slow

HOUR = 3_600_000_000


def lives(happened: Iterable[Happening], end: int) -> list[tuple[int, int]]:
    """From when to when each server was there."""
    created = {one.server: one.at for one in happened if one.what == "created"}
    deleted = {one.server: one.at for one in happened if one.what == "deleted"}
    return [(begin, deleted.get(server, end)) for server, begin in created.items()]


def busy(happened: Iterable[Happening], end: int) -> int:
    """Microseconds of servers with at least one session, all together."""
    total = 0
    present: dict[str, set[int | None]] = {}
    since: dict[str, int] = {}
    for one in happened:
        if one.server is None or one.what not in ("assigned", "ended"):
            continue
        sessions = present.setdefault(one.server, set())
        if one.what == "assigned":
            since.setdefault(one.server, one.at)
            sessions.add(one.session)
        else:
            sessions.remove(one.session)
            if not sessions:
                total += one.at - since.pop(one.server)
    return total + sum(end - begun for begun in since.values())


def assert_it_adds_up(outcome: Outcome, happened: Sequence[Happening], caps: Configuration) -> None:
    figures, counted = outcome.total, counts(happened)
    end = round((outcome.end - outcome.begin).total_seconds() * 1e6)
    assert figures.sessions == counted["requested"] == figures.served + figures.refused + figures.waiting_at_end
    assert figures.served == counted["assigned"] == counted["ended"] + figures.live_at_end
    assert (figures.refused, figures.created) == (counted["refused"], counted["created"])
    assert (figures.failed, figures.deleted) == (counted["failed"], counted["deleted"])
    hours, spans = figures.vm_hours, lives(happened, end)
    assert hours.total == pytest.approx(sum(until - begin for begin, until in spans) / HOUR, abs=1e-5)
    assert hours.busy == pytest.approx(busy([one for one in happened if one.server], end) / HOUR, abs=1e-5)
    assert hours.total == pytest.approx(hours.booting + hours.busy + hours.idle + hours.leaving, abs=1e-5)
    assert min(hours.booting, hours.busy, hours.idle, hours.leaving) >= -1e-6
    assert hours.total == pytest.approx(sum(one.vm_hours for one in outcome.vm_providers), abs=1e-4)
    assert 0 <= figures.utilisation <= 1 + 1e-9
    for provider in outcome.vm_providers:
        assert provider.peak_servers <= provider.max_instances
    for pool in outcome.pools:
        limits = [one.max_instances for one in caps.autoscales if one.pool == pool.pool]
        known = [limit for limit in limits if limit is not None]
        assert len(known) < len(limits) or pool.figures.peak_servers <= sum(known)
        assert sum(pool.series.servers) * pool.series.step_seconds / 3600 == pytest.approx(
            pool.figures.vm_hours.total, rel=0.01, abs=0.02
        )


class TestAccounting:
    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(worlds(PoolType.SERVER, by_hand=False), conditions())
    def test_everything_adds_up_and_no_cap_is_passed_in_a_server_pool(
        self, world: tuple[Configuration, list[DemandSession]], given_conditions: Conditions
    ) -> None:
        config, asked = world
        assert_it_adds_up(*watched(scenario(config, conditions=given_conditions), asked), config)

    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(worlds(PoolType.DOCKER_AGENT, by_hand=False), conditions())
    def test_everything_adds_up_and_no_cap_is_passed_in_a_pool_of_docker_agents(
        self, world: tuple[Configuration, list[DemandSession]], given_conditions: Conditions
    ) -> None:
        config, asked = world
        assert_it_adds_up(*watched(scenario(config, conditions=given_conditions), asked), config)

    def test_hours_utilisation_and_cost_of_one_server(self) -> None:
        priced = Conditions(boot=BOOT, delete_seconds=30, prices_per_hour={"cloud": 2.0})
        outcome = play(scenario(configuration(desks()), conditions=priced), [asks(0, lasts=3510)])
        figures = outcome.total
        assert figures.vm_hours.total == 1  # 60 seconds to boot, 3,510 in use, 30 to go
        assert figures.vm_hours.booting == pytest.approx(60 / 3600, abs=1e-6)
        assert figures.vm_hours.busy == pytest.approx(3510 / 3600, abs=1e-6)
        assert figures.vm_hours.leaving == pytest.approx(30 / 3600, abs=1e-6)
        assert figures.utilisation == pytest.approx(3510 / 3600)
        assert figures.cost == outcome.vm_providers[0].cost == 2.0

    def test_without_a_price_there_is_no_cost(self) -> None:
        assert play(scenario(configuration(desks())), [asks(0)]).total.cost is None
        assert play(scenario(configuration(desks())), []).total.cost == 0

    def test_what_is_there_at_the_end_is_counted_up_to_it(self) -> None:
        outcome = play(scenario(configuration(desks(), cap=1), hours=1), [asks(0, lasts=9999), asks(60, "bob")])
        assert (outcome.total.live_at_end, outcome.total.waiting_at_end) == (1, 1)
        assert outcome.total.vm_hours.total == 1

    def test_utilisation_of_agents_is_that_of_their_cores(self) -> None:
        outcome = play(scenario(configuration(agents())), [asks(0, lasts=3510)])
        assert outcome.total.utilisation == pytest.approx(2 / 8 * 3510 / 3600)
        assert outcome.pools[0].series.unit == "cores"


class TestPercentiles:
    def test_they_are_of_those_who_got_a_server_by_nearest_rank(self) -> None:
        config = configuration(desks(minimum_available_sessions=5))
        # Five find the standby, five more come while it is filled up again.
        demand = [asks(100 + n, f"user-{n}") for n in range(10)]
        waiting = play(scenario(config), demand).total.waiting
        assert waiting.p50_seconds == 0
        assert waiting.max_seconds == waiting.p99_seconds == 55
        assert waiting.mean_seconds == pytest.approx(27.5)


class TestSeries:
    def test_demand_ready_booting_and_waiting_over_time(self) -> None:
        outcome = play(scenario(configuration(desks()), hours=1), [asks(600, lasts=1200)])
        series = outcome.pools[0].series
        assert series.step_seconds == 5
        assert (series.at[0], series.at[1], series.until) == (at(0), at(5), at(3600))
        step = {seconds: seconds // 5 for seconds in (595, 600, 655, 660, 1855, 1860, 1890)}
        assert [series.demand[step[n]] for n in (595, 600, 660, 1855, 1860)] == [0, 1, 1, 1, 0]
        assert [series.waiting[step[n]] for n in (595, 600, 655, 660)] == [0, 1, 1, 0]
        assert [series.booting[step[n]] for n in (600, 655, 660)] == [1, 1, 0]
        assert [series.ready[step[n]] for n in (655, 660, 1855, 1860)] == [0, 1, 1, 0]
        assert [series.servers[step[n]] for n in (595, 600, 1860, 1890)] == [0, 1, 1, 0]

    def test_means_and_peaks_of_longer_steps(self) -> None:
        config = scenario(configuration(desks(minimum_available_sessions=1)), hours=2, most_points=2)
        series = play(config, [asks(900, lasts=1800)]).pools[0].series
        assert series.step_seconds == 3600
        assert list(series.demand) == [0.5, 0]
        assert list(series.demand_peak) == [1, 0]

    def test_a_session_that_is_over_within_a_step_still_shows_as_its_peak(self) -> None:
        config = scenario(configuration(desks(minimum_available_sessions=1)), hours=2, most_points=2)
        assert play(config, [asks(5000, lasts=40)]).pools[0].series.demand_peak == (0, 1)


class TestLuck:
    def shaped(self, seed: int) -> Outcome:
        shape = ShapedDemand(
            shape="steady", sessions_per_day=200, first_day=date(2026, 3, 2), days=1, timezone="UTC", mean_minutes=30
        )
        played = scenario(
            configuration(desks(minimum_available_sessions=2)),
            conditions=Conditions(boot=Lognormal(p50=90, p95=240)),
            begin=shape.begin,
            end=shape.end,
        )
        return play(played, shape.sessions(HashedDraws(seed)), seed)

    def test_the_same_seed_gives_the_same_outcome_and_another_one_another(self) -> None:
        assert self.shaped(1) == self.shaped(1)
        assert self.shaped(1).total != self.shaped(2).total

    def test_the_order_of_the_configuration_makes_no_difference(self) -> None:
        one = desks(minimum_available_sessions=2, max_instances=3)
        other = desks(name="more", minimum_available_sessions=1)
        demand = [asks(60 * n, f"user-{n}", lasts=900) for n in range(40)]
        assert play(scenario(configuration(one, other)), demand) == play(scenario(configuration(other, one)), demand)


class TestDemandThatDoesNotFit:
    @pytest.mark.parametrize(
        ("asked", "said"),
        [
            (asks(0, pool="lab"), "names pool 'lab'; the configuration has desk"),
            (asks(0, workspace="huge"), "names workspace 'huge'; the configuration has small"),
            (asks(0, zone="mars"), "names zone 'mars'; the configuration has eu"),
            (asks(-5), "comes before"),
        ],
    )
    def test_it_is_refused_with_what_there_is(self, asked: DemandSession, said: str) -> None:
        with pytest.raises(ValueError, match=said):
            play(scenario(configuration(desks())), [asked])

    def test_a_pool_must_be_named_among_several_and_a_workspace_on_agents(self) -> None:
        several = configuration(desks(), desks(name="lab", pool="lab"))
        with pytest.raises(ValueError, match="say which of them"):
            play(scenario(several), [asks(0)])
        nothing_to_run = configuration(agents(), workspaces=())
        with pytest.raises(ValueError, match="say which workspace the demand is for; there are none, declare one"):
            play(scenario(nothing_to_run), [asks(0)])
