"""Scenes whose servers have computer records and DNS names, on a real domain controller and a real name server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from temporalio.testing import WorkflowEnvironment

from poolwright.domain.servers import Server
from tests.installations import save
from tests.servers.bind9 import ZONE, Nameserver, Record
from tests.servers.organizational_unit import OrganizationalUnit
from tests.workflows.scenes import Scene, scene

BASE = f"vdi.{ZONE}"
MINUTE, HOUR = 60, 3600
FOREIGN = Record(f"www.{BASE}", "A", "192.0.2.99")


@asynccontextmanager
async def scene_with(
    environment: WorkflowEnvironment,
    directory: Path,
    unit: OrganizationalUnit | None = None,
    names: Nameserver | None = None,
    *,
    pattern: str = "rec-{n:04}",
    **autoscale: Any,
) -> AsyncIterator[Scene]:
    """A scene whose servers get what is given: a computer record in this OU, a name on this server."""
    records: dict[str, Any] = {"hostname_pattern": pattern}
    if unit is not None:
        records["computer_record"] = {"ldap": "corp", "ou_dn": unit.dn}
    if names is not None:
        records["dns"] = {"provider": "campus", "base_domain": BASE}
    async with scene(environment, directory, working=False, **autoscale, **records) as poolwright:
        script = "#!/bin/sh\n# {checkin_jwt}\n" + ("# join {ad_join_credential} {domain}\n" if unit else "")
        poolwright.change("vm_provider", "sim", startup_script=script)
        if unit is not None:
            ldap = {**unit.ldap, "service_account_password": SecretStr(unit.password)}
            save(poolwright.store, "ldap", "corp", ldap)
        if names is not None:
            save(poolwright.store, "dns_provider", "campus", dns_settings(names))
        poolwright.start_working()
        yield poolwright


def dns_settings(names: Nameserver, **changes: Any) -> dict[str, Any]:
    key = names.keys.updater
    settings = {
        "servers": [f"127.0.0.1:{names.port}"],
        "key": {"name": key.name, "algorithm": key.algorithm, "secret": SecretStr(key.secret)},
        "zones": [ZONE],
        "timeout_seconds": 2,
    }
    return {"provider": "rfc2136", "settings": {**settings, **changes}}


async def gone(poolwright: Scene, server: Server) -> None:
    """Wait until everything of it is."""
    await poolwright.until(lambda: poolwright.states(server)[-1] == "deleted", within_seconds=10 * MINUTE)


async def goes(poolwright: Scene, server: Server) -> None:
    """It is terminated, and everything of it is gone."""
    await poolwright.signals.terminate(server.id, "the test is over")
    await poolwright.ended(server)
    assert poolwright.states(server)[-1] == "deleted"
    assert not poolwright.living()
