"""Startup scripts, checked for each autoscale config that would run them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import SecretStr

from poolwright.domain.autoscale import ServerAutoscale
from poolwright.domain.resources import VMProviderConfig, Zone
from poolwright.domain.startup_script import Problem, check, estimated_size_problem
from starter.configuration.problems import Path
from starter.configuration.script_text import exact_place, hopeless_problems, script_path, sentence
from starter.configuration.stored import Key
from starter.configuration.whole import Autoscale, Finding, Subject, Whole

_ALWAYS: Final = frozenset(
    {"server_id", "server_hostname", "checkin_jwt", "registration_token", "manager_token", "upstream_auth_address"}
)
"""Tags that Poolwright itself fills for each server."""


def unusable_scripts(whole: Whole, facts: Mapping[Key, Mapping[str, Any]]) -> Iterator[Finding]:
    """Tags that have no value for a config which would run the script, and scripts too large for their provider."""
    for provider in whole.each(VMProviderConfig):
        if not provider.startup_script:
            continue
        users = [one for one in whole.autoscales() if provider.name in (one.vm_provider, *one.fallback_vm_providers)]
        yield from _script_problems(whole, provider, users)
        yield from _too_large(whole, provider, users, facts.get(("vm_provider", provider.name), {}))


def _script_problems(whole: Whole, provider: VMProviderConfig, users: list[Autoscale]) -> Iterator[Finding]:
    found: dict[Problem, list[Autoscale]] = {}
    hopeless = {(problem.line, problem.column) for problem in hopeless_problems(provider.startup_script)}
    for autoscale in users:
        available = {name for name, value in tag_values(whole, provider, autoscale).items() if value is not None}
        for problem in check(provider.startup_script, available | _ALWAYS, autoscale.type):
            if (problem.line, problem.column) not in hopeless:
                found.setdefault(problem, []).append(autoscale)
    checked = whole.checked.get(("vm_provider", provider.name))
    path = script_path(checked.script_file if checked else None)
    for problem, autoscales in found.items():
        place = exact_place(checked.declared, checked.script_file, problem) if checked else {}
        yield Finding(
            subjects=(
                Subject("vm_provider", provider.name, path),
                *(Subject("autoscale", one.name, _path_to(one, provider.name)) for one in autoscales),
            ),
            what=sentence(provider.name, [one.name for one in autoscales], problem),
            remedy="",
            place=place,
        )


def _too_large(
    whole: Whole, provider: VMProviderConfig, users: list[Autoscale], facts: Mapping[str, Any]
) -> Iterator[Finding]:
    checked = whole.checked.get(("vm_provider", provider.name))
    for autoscale in users:
        values = tag_values(whole, provider, autoscale)
        limit = facts.get("startup_script_limit_bytes")
        problem = estimated_size_problem(provider.startup_script, values, limit, provider.provider)
        if problem is not None:
            path = script_path(checked.script_file if checked else None)
            users_path = _path_to(autoscale, provider.name)
            subjects = (Subject("vm_provider", provider.name, path), Subject("autoscale", autoscale.name, users_path))
            yield Finding(subjects, problem.message, "")
            return


def _path_to(autoscale: Autoscale, vm_provider: str) -> Path:
    if autoscale.vm_provider == vm_provider:
        return ("vm_provider",)
    return ("fallback_vm_providers", autoscale.fallback_vm_providers.index(vm_provider))


def tag_values(whole: Whole, provider: VMProviderConfig, autoscale: Autoscale) -> Mapping[str, str | SecretStr | None]:
    """What the tags that come from the configuration are filled with; those made for each server are left out."""
    zone = next((zone for zone in whole.each(Zone) if zone.name == autoscale.zone), None)
    values: dict[str, str | SecretStr | None] = {
        "upstream_auth_address": zone.upstream_auth_address if zone else None,
        "provider_name": provider.provider,
        "ssh_key": provider.ssh_public_key or None,
    }
    if not isinstance(autoscale, ServerAutoscale):
        return values | {"nginx_cert_in": autoscale.nginx_certificate, "nginx_key_in": autoscale.nginx_key}
    values |= {
        "connection_username": autoscale.connection.username or None,
        "connection_password": autoscale.connection.password or None,
    }
    if autoscale.computer_record is not None:
        ldap = whole.ldap(autoscale.computer_record.ldap)
        # The credential is made for each server; what counts here is that there will be one.
        values |= {"ad_join_credential": "x" * 32, "domain": (ldap.domain or None) if ldap else "unknown"}
    return values
