"""scratch"""
from datetime import timedelta
from poolwright.domain.states import ServerState
from poolwright.domain.servers import SessionState
from poolwright.store import scaling, sessions
from poolwright.store.engine import Store
from tests.installations import save
from tests.store.scenes import *
from tests.store.test_staging import stage, tend, staged, ends, NIGHT_SHIFT, configure_agents

def test_drift_with_fallback(store: Store) -> None:
    server_pool(store, fallback_vm_providers=["second"]) if False else None
    save(store, "zone", "here", {})
    save(store, "vm_provider", "sim", {**PROVIDER, "max_instances": 5})
    save(store, "vm_provider", "second", {**PROVIDER, "max_instances": 5})
    save(store, "pool", "demo", {"type": "server"})
    save(store, "autoscale", "demo", {**AUTOSCALE, "hostname_pattern": "demo-{n:03}", "fallback_vm_providers": ["second"]})
    save(store, "vm_provider", "second", {**PROVIDER, "startup_script": "#!/bin/sh\n# {checkin_jwt} new\n", "max_instances": 5})
    running(store)
    with store.read() as tx:
        snap = scaling.take_snapshot(tx, "demo", NOW)
    assert snap.servers[0].config_revision >= snap.autoscale_revision

def test_pinned_workspace(store: Store) -> None:
    agent_pool(store)
    save(store, "zone", "there", {})
    save(store, "workspace", "desk", {"image": "registry.example/desk:1", "cores": 1, "memory_mib": 1024, "zone": "here"})
    stage(store, desired=1)
    running(store)
    assert len(staged(store)) == 1
    s = request(store, workspace="desk", zone="there")
    print(ends(store))
    assert any("handed over" in (e or "") for e in ends(store))

def test_staged_on_sleeping_sibling(store: Store) -> None:
    agent_pool(store)
    save(store, "autoscale", "zeta", {**AUTOSCALE, **AGENTS, "hostname_pattern": "z-{n:03}"})
    stage(store, desired=1)
    (z,) = running(store, autoscale="zeta")
    assert [s.server_id for s in staged(store)] == [z.id]
    save(store, "autoscale", "zeta", {**AUTOSCALE, **AGENTS, "hostname_pattern": "z-{n:03}", "schedules": NIGHT_SHIFT})
    tend(store)
    got = request(store, workspace="desk", user="bob")
    print(got, ends(store))
    assert got.server_id != z.id

def test_first_config_disabled(store: Store) -> None:
    agent_pool(store, enabled=False)
    save(store, "autoscale", "zeta", {**AUTOSCALE, **AGENTS, "hostname_pattern": "z-{n:03}"})
    stage(store, desired=1)
    (z,) = running(store, autoscale="zeta")
    tend(store)
    with store.read() as tx:
        print(scaling.take_snapshot(tx, "zeta", NOW).staging)
    assert [s.server_id for s in staged(store)] == [z.id]

def test_image_changed(store: Store) -> None:
    agent_pool(store)
    stage(store, desired=1)
    running(store)
    save(store, "workspace", "desk", {"image": "registry.example/desk:2", "cores": 1, "memory_mib": 1024})
    tend(store)
    print(ends(store))
    assert ends(store)
