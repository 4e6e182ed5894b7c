"""What a simulation is given beside the demand: a configuration, and the conditions that it has to work under."""

from collections.abc import Mapping
from typing import Self

from pydantic import AwareDatetime, Field, model_validator

from poolwright.domain.autoscale import DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.base import Model
from poolwright.domain.resources import Pool, VMProviderConfig, Workspace, Zone
from poolwright.domain.simulation.durations import Duration, Lognormal, Seconds
from poolwright.domain.static_servers import StaticServer


class Configuration(Model):
    """What admins declare, as far as it decides how pools grow and shrink."""

    pools: tuple[Pool, ...]
    autoscales: tuple[ServerAutoscale | DockerAgentAutoscale, ...] = ()
    vm_providers: tuple[VMProviderConfig, ...] = ()
    zones: tuple[Zone, ...] = ()
    workspaces: tuple[Workspace, ...] = ()
    static_servers: tuple[StaticServer, ...] = ()
    """They cost nothing here."""

    @model_validator(mode="after")
    def _nothing_is_missing(self) -> Self:
        pools = {pool.name for pool in self.pools}
        providers = {provider.name for provider in self.vm_providers}
        for static in self.static_servers:
            if static.pool not in pools:
                raise ValueError(f"static_server {static.name!r} names pool {static.pool!r}: declare it too")
        for autoscale in self.autoscales:
            for name in (autoscale.vm_provider, *autoscale.fallback_vm_providers):
                if name not in providers:
                    raise ValueError(f"autoscale {autoscale.name!r} names vm_provider {name!r}: declare it too")
            if autoscale.pool not in pools:
                raise ValueError(f"autoscale {autoscale.name!r} names pool {autoscale.pool!r}: declare it too")
        return self


class BootFailures(Model):
    """Boots that end in failure."""

    share: float = Field(default=0, ge=0, le=1)
    """Of all boots, by chance. Boots that take longer than the boot deadline fail anyway."""
    after_seconds: Seconds | None = None
    """How long such a boot takes to fail; None: it never checks in, and fails at the boot deadline."""


class Conditions(Model):
    """How the world behaves: what a real installation finds out and a simulation has to be told."""

    boot: Duration = Lognormal(p50=90, p95=180)
    """From the decision to create a server until it takes sessions."""
    boot_by_provider: Mapping[str, Duration] = Field(default_factory=dict)
    """VM provider config -> its own boot time."""
    failures: BootFailures = BootFailures()
    delete_seconds: Seconds = 30
    """From the decision to delete a server until its slot is free and nothing of it is paid for."""
    wake_pause_seconds: Seconds = 1
    """People's requests and endings that come this soon after a wake share the next one, as the session API has it."""
    prices_per_hour: Mapping[str, float] = Field(default_factory=dict)
    """VM provider config -> price of one VM for an hour, in any currency."""

    def boot_of(self, vm_provider: str) -> Duration:
        """The boot time on this VM provider config."""
        return self.boot_by_provider.get(vm_provider, self.boot)


class Scenario(Model):
    """All of it, and the time that is simulated."""

    configuration: Configuration
    conditions: Conditions = Conditions()
    begin: AwareDatetime
    """There is nothing yet; what is to be kept ready is made from here on."""
    end: AwareDatetime
    """Here everything is left as it stands."""
    most_points: int = Field(default=720, ge=1)
    """The time series get at most this many points."""
    thorough: bool = False
    """Ask `plan` and `assign_queue` every time, with everything there is. The result is the same, and takes longer by
    orders of magnitude."""

    @model_validator(mode="after")
    def _takes_time(self) -> Self:
        if self.end <= self.begin:
            raise ValueError(f"the end ({self.end}) is not after the beginning ({self.begin})")
        return self
