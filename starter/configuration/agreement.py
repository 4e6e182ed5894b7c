"""Settings that contradict each other, within a document or between two."""

from collections.abc import Iterator

from poolwright.directory.errors import DirectoryError
from poolwright.dns.names import NameProblem, server_fqdn
from poolwright.domain.autoscale import (
    ComputerRecord,
    ConnectionType,
    CredentialType,
    DockerAgentAutoscale,
    ServerAutoscale,
)
from poolwright.domain.hostnames import LONGEST_ID
from poolwright.domain.resources import LDAPConfig, PoolType, Staging
from starter.configuration.problems import shown
from starter.configuration.whole import Autoscale, Finding, Subject, Whole


def disagreements(whole: Whole) -> Iterator[Finding]:
    """Everything that cannot be meant as it stands."""
    for autoscale in whole.autoscales():
        yield from _pool_type(whole, autoscale)
        yield from _fallbacks(autoscale)
        yield from _timings(autoscale)
        yield from _dns_names(autoscale)
        if isinstance(autoscale, ServerAutoscale):
            yield from _connection(autoscale)
            yield from _computer_record(whole, autoscale)
        else:
            yield from _certificate(autoscale)
    for staging in whole.each(Staging):
        yield from _staging_places(whole, staging)
        yield from _staging_size(whole, staging)


def _about(autoscale: Autoscale, *path: str | int) -> Subject:
    return Subject("autoscale", autoscale.name, path)


def _pool_type(whole: Whole, autoscale: Autoscale) -> Iterator[Finding]:
    pool = whole.pool(autoscale.pool)
    if pool is not None and pool.type != autoscale.type:
        yield Finding(
            subjects=(_about(autoscale, "type"), Subject("pool", pool.name, ("type",))),
            what=f"autoscale {autoscale.name!r} is of type {autoscale.type}, but pool {pool.name!r} is {pool.type}",
            remedy="Both must be of one type: change one of them, or name another pool.",
            value=shown(autoscale.type),
        )


def _fallbacks(autoscale: Autoscale) -> Iterator[Finding]:
    seen = [autoscale.vm_provider]
    for index, name in enumerate(autoscale.fallback_vm_providers):
        if name in seen:
            yield Finding(
                subjects=(_about(autoscale, "fallback_vm_providers", index),),
                what="is tried before already",
                remedy="Name each VM provider config once, in the order in which they are tried.",
                value=shown(name),
            )
        seen.append(name)


def _timings(autoscale: Autoscale) -> Iterator[Finding]:
    failure = autoscale.failure
    if failure.pause_seconds > failure.max_pause_seconds:
        yield Finding(
            subjects=(_about(autoscale, "failure", "pause_seconds"),),
            what=f"is above max_pause_seconds, which is {failure.max_pause_seconds}",
            remedy="Lower it, or raise max_pause_seconds.",
            value=shown(failure.pause_seconds),
        )
    yield from _ages(autoscale)


def _ages(autoscale: Autoscale) -> Iterator[Finding]:
    rotation, deadline = autoscale.rotation, autoscale.failure.boot_deadline_seconds
    pre_warm, pre_warming = rotation.pre_warm_seconds, _about(autoscale, "rotation", "pre_warm_seconds")
    key = "soft_age_seconds" if rotation.soft_age_seconds is not None else "hard_age_seconds"
    age = getattr(rotation, key)
    if age is None:
        if pre_warm:
            what, remedy = "has no effect without soft_age_seconds", "Set soft_age_seconds, or leave it out."
            yield Finding((pre_warming,), what, remedy, shown(pre_warm))
    elif pre_warm >= age:
        what = f"is not below {key} ({age}): a new server would be replaced at once"
        yield Finding((pre_warming,), what, f"Lower it, or raise {key}.", shown(pre_warm))
    elif age - pre_warm <= deadline:
        # A server ages while it boots, and so does the one that replaces it.
        before = f"pre_warm_seconds ({pre_warm}) and " if pre_warm else ""
        together = " together" if pre_warm else ""
        yield Finding(
            subjects=(_about(autoscale, "rotation", key),),
            what=f"is not above {before}failure.boot_deadline_seconds ({deadline}){together}: "
            "a server that boots for so long would be replaced as soon as it runs, without end",
            remedy="Raise it, or lower boot_deadline_seconds.",
            value=shown(age),
        )


def _connection(autoscale: ServerAutoscale) -> Iterator[Finding]:
    connection = autoscale.connection
    if connection.sso_domain is not None and connection.credential_type is not CredentialType.SSO:
        yield Finding(
            subjects=(_about(autoscale, "connection", "sso_domain"),),
            what=f"has no effect while credential_type is {connection.credential_type}",
            remedy="Set credential_type: sso, or leave sso_domain out.",
            value=shown(connection.sso_domain),
        )
    key = _about(autoscale, "connection", "private_key")
    if connection.private_key is not None and connection.type is not ConnectionType.SSH:
        remedy = "Set type: ssh, or leave private_key out."
        yield Finding((key,), f"has no effect while the connection's type is {connection.type}", remedy, "(secret)")
    elif connection.private_key is not None and connection.use_user_ssh_key:
        remedy = "Set use_user_ssh_key: false, or leave private_key out."
        yield Finding((key,), "has no effect while use_user_ssh_key is true, its default", remedy, "(secret)")
    if connection.private_key_passphrase is not None and connection.private_key is None:
        yield Finding(
            subjects=(_about(autoscale, "connection", "private_key_passphrase"),),
            what="has no effect without private_key",
            remedy="Set private_key, or leave it out.",
            value="(secret)",
        )


def _certificate(autoscale: DockerAgentAutoscale) -> Iterator[Finding]:
    if (autoscale.nginx_certificate is None) != (autoscale.nginx_key is None):
        given, lacking = ("nginx_key", "nginx_certificate")
        if autoscale.nginx_key is None:
            given, lacking = lacking, given
        remedy = f"Set {lacking} too, or leave both out."
        yield Finding((_about(autoscale, given),), f"stands without {lacking}", remedy)


def _computer_record(whole: Whole, autoscale: ServerAutoscale) -> Iterator[Finding]:
    record = autoscale.computer_record
    ldap = whole.ldap(record.ldap) if record is not None else None
    if record is None or ldap is None:
        return
    plain = [url for url in ldap.urls if not url.lower().startswith("ldaps://")]
    if plain:
        yield Finding(
            subjects=(Subject("ldap", ldap.name, ("urls",)), _about(autoscale, "computer_record", "ldap")),
            what=f"autoscale {autoscale.name!r} makes computer records, whose passwords can only be set by ldaps://",
            remedy="Write each URL with ldaps://.",
            value=shown(plain[0]),
        )
    same_domain = _domain_parts(record.ou_dn) == _domain_parts(ldap.search_base)
    if not same_domain:
        yield Finding(
            subjects=(_about(autoscale, "computer_record", "ou_dn"), Subject("ldap", ldap.name, ("search_base",))),
            what=f"is in another domain than the search_base of ldap {ldap.name!r}, which is {ldap.search_base!r}",
            remedy="End it with the same DC parts.",
            value=shown(record.ou_dn),
        )
    if same_domain and not plain:
        yield from _unusable_directory(autoscale, record, ldap)


def _unusable_directory(autoscale: ServerAutoscale, record: ComputerRecord, ldap: LDAPConfig) -> Iterator[Finding]:
    """What the directory's own code refuses without asking anybody."""
    from poolwright.directory import open_directory

    try:
        open_directory(ldap, controller_id="")
    except DirectoryError as error:
        subjects = (Subject("ldap", ldap.name), _about(autoscale, "computer_record", "ldap"))
        yield Finding(subjects, error.problem, f"{error.remedy[:1].upper()}{error.remedy[1:]}.")
        return
    from poolwright.directory.names import domain_of

    try:
        domain_of(record.ou_dn, "ou_dn")
    except DirectoryError as error:
        subject = _about(autoscale, "computer_record", "ou_dn")
        yield Finding((subject,), error.problem, f"{error.remedy[:1].upper()}{error.remedy[1:]}.")


def _dns_names(autoscale: Autoscale) -> Iterator[Finding]:
    if autoscale.dns is None:
        return
    try:
        server_fqdn(LONGEST_ID, autoscale.dns.base_domain)
    except NameProblem as problem:
        yield Finding(
            subjects=(_about(autoscale, "dns", "base_domain"),),
            what=f"gives no name for a server: {problem}",
            remedy="Write a domain name such as vdi.example.org.",
            value=shown(autoscale.dns.base_domain),
        )


def _domain_parts(distinguished_name: str) -> list[str]:
    parts = (part.partition("=") for part in distinguished_name.lower().split(","))
    return [value.strip() for key, _, value in parts if key.strip() == "dc"]


def _staging_places(whole: Whole, staging: Staging) -> Iterator[Finding]:
    subject = Subject("staging", staging.name)
    pool = whole.pool(staging.pool)
    if pool is not None and pool.type is not PoolType.DOCKER_AGENT:
        yield Finding(
            subjects=(subject._replace(path=("pool",)), Subject("pool", pool.name, ("type",))),
            what=f"pool {pool.name!r} is of type {pool.type}, and only docker agents run staged sessions",
            remedy="Name a pool of type docker_agent.",
            value=shown(pool.name),
        )
    workspace = whole.workspace(staging.workspace)
    if workspace is not None and workspace.zone not in (None, staging.zone):
        yield Finding(
            subjects=(subject._replace(path=("zone",)), Subject("workspace", workspace.name, ("zone",))),
            what=f"workspace {workspace.name!r} is pinned to zone {workspace.zone!r}",
            remedy="Stage it in that zone, or unpin the workspace.",
            value=shown(staging.zone),
        )
    autoscale = whole.autoscale(staging.autoscale)
    for key in ("pool", "zone") if autoscale is not None else ():
        if getattr(autoscale, key) != getattr(staging, key):
            yield Finding(
                subjects=(subject._replace(path=(key,)), Subject("autoscale", staging.autoscale or "", (key,))),
                what=f"autoscale {staging.autoscale!r} makes its agents in {key} {getattr(autoscale, key)!r}",
                remedy=f"Name the same {key}, or another autoscale config.",
                value=shown(getattr(staging, key)),
            )


def _staging_size(whole: Whole, staging: Staging) -> Iterator[Finding]:
    workspace = whole.workspace(staging.workspace)
    agents = [
        one
        for one in whole.autoscales()
        if isinstance(one, DockerAgentAutoscale)
        and (one.pool, one.zone) == (staging.pool, staging.zone)
        and staging.autoscale in (None, one.name)
    ]
    if workspace is None or not agents or not staging.desired_sessions:
        return
    fits = any(
        agent.agent_cores_override >= workspace.cores
        and agent.agent_memory_override_mib >= workspace.memory_mib
        and agent.agent_gpus_override >= workspace.gpus
        for agent in agents
    )
    if not fits:
        size = f"{workspace.cores:g} cores, {workspace.memory_mib} MiB and {workspace.gpus} GPUs"
        yield Finding(
            subjects=(
                Subject("staging", staging.name, ("workspace",)),
                Subject("workspace", workspace.name),
                *(_about(agent, "agent_cores_override") for agent in agents),
            ),
            what=f"one session needs {size}, more than any agent of pool {staging.pool!r} in zone {staging.zone!r} has",
            remedy="Make the workspace smaller, or the agents larger.",
            value=shown(workspace.name),
        )
