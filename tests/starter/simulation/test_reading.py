"""Files read for a simulation, held against what `apply` says of them."""

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from poolwright.domain.autoscale import ServerAutoscale
from poolwright.store.engine import Store, open_store
from poolwright.store.installation import upgrade
from poolwright.store.sealing import Sealer, new_key
from starter.configuration.applying import difference
from starter.configuration.problems import ConfigurationRefused
from starter.configuration.sources import Source
from starter.simulation.reading import Change, UnknownSetting, configuration_of, read_whole, remarks_on

GOOD = """
kind: zone
name: here
---
kind: pool
name: desks
type: server
---
kind: vm_provider
name: small
provider: sim
max_instances: 4
---
kind: autoscale
name: desks-here
type: server
pool: desks
zone: here
vm_provider: small
"""

WRONG = {
    "a syntax error": "kind: [zone",
    "an unknown key": GOOD + "minimum_availble_sessions: 3\n",
    "a value of the wrong type": GOOD + "max_sessions_per_server: many\n",
    "a name that leads nowhere": GOOD.replace("vm_provider: small", "vm_provider: smal"),
    "a standby above the cap": GOOD + "minimum_available_sessions: 9\n",
    "types that differ": GOOD.replace("type: server\n---", "type: docker_agent\n---"),
    "an unknown provider": GOOD.replace("provider: sim", "provider: simm"),
    "settings that the provider does not know": GOOD.replace("max_instances: 4", "max_instances: 4\nsettings: {x: 1}"),
    "a startup script with an unknown tag": GOOD.replace("max_instances: 4", 'max_instances: 4\nstartup_script: "{x}"'),
    "a host name that is the same for all": GOOD + "hostname_pattern: desk\n",
    "a variable that is not set": GOOD + "connection: {type: rdp, password: 'env:POOLWRIGHT_NOT_SET'}\n",
    "a name that is given twice": GOOD + "---\nkind: zone\nname: here\n",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """An empty installation."""
    opened = open_store(f"sqlite:///{tmp_path_factory.mktemp('empty') / 'poolwright.db'}", Sealer([new_key()]))
    upgrade(opened)
    yield opened
    opened.close()


def source(text: str) -> Source:
    return Source(name="test.yaml", directory=Path(), text=dedent(text))


class TestChecks:
    @pytest.mark.parametrize("case", WRONG)
    def test_problems_are_those_of_apply(self, store: Store, case: str) -> None:
        with pytest.raises(ConfigurationRefused) as applied:
            difference(store, [source(WRONG[case])])
        with pytest.raises(ConfigurationRefused) as simulated:
            read_whole([source(WRONG[case])])
        assert simulated.value.problems == applied.value.problems

    def test_a_good_configuration_is_taken_as_a_whole(self) -> None:
        configuration = configuration_of(read_whole([source(GOOD)]))
        assert [pool.name for pool in configuration.pools] == ["desks"]
        assert [autoscale.name for autoscale in configuration.autoscales] == ["desks-here"]
        assert [provider.max_instances for provider in configuration.vm_providers] == [4]

    def test_a_secret_that_is_stored_elsewhere_is_not_asked_for(self) -> None:
        exported = GOOD + "connection: {type: rdp, password: 'stored:'}\n"
        assert len(configuration_of(read_whole([source(exported)])).autoscales) == 1


class TestRemarks:
    def test_a_config_that_only_observes_is_played_as_if_it_acted(self) -> None:
        whole = read_whole([source(GOOD + "observe: true\n")])
        assert not configuration_of(whole).autoscales[0].observe
        assert remarks_on(whole) == ("autoscale 'desks-here' only observes; it is played as if it acted.",)

    def test_nothing_is_said_of_an_ordinary_configuration(self) -> None:
        assert remarks_on(read_whole([source(GOOD)])) == ()


class TestChanges:
    def changed(self, key: str, value: object) -> ServerAutoscale:
        (autoscale,) = configuration_of(read_whole([source(GOOD)], change=Change(key, value))).autoscales
        assert isinstance(autoscale, ServerAutoscale)
        return autoscale

    def test_a_setting_gets_another_value(self) -> None:
        assert self.changed("minimum_available_sessions", 3).minimum_available_sessions == 3

    def test_so_does_one_within_another(self) -> None:
        assert self.changed("failure.budget", 7).failure.budget == 7

    def test_the_changed_configuration_is_checked_too(self) -> None:
        with pytest.raises(ConfigurationRefused, match="can never be reached: at most 4 fit"):
            self.changed("minimum_available_sessions", 30)

    def test_a_setting_that_no_config_has_is_refused(self) -> None:
        with pytest.raises(UnknownSetting, match=r"'minimum_sessions'. Did you mean minimum_available_sessions\?"):
            self.changed("minimum_sessions", 3)
