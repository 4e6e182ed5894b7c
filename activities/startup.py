"""Filling in a server's startup script from its configuration."""

from pydantic import SecretStr
from sqlalchemy.orm import Session

from poolwright.domain.autoscale import DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.resources import LDAPConfig, VMProviderConfig, Zone
from poolwright.domain.startup_script import render
from poolwright.store import documents
from poolwright.store.check_in_tokens import controller_id, mint, signing_key
from poolwright.store.secrets import get_secret, join_password_id
from poolwright.store.tables import ServerRow


def render_startup_script(tx: Session, row: ServerRow, advertised_address: str) -> SecretStr:
    """The server's startup script with every tag filled in; the same text at every repeat of an attempt.

    Raises `ScriptProblems` when a tag has no value.
    """
    provider = documents.load(tx, "vm_provider", row.vm_provider or "")
    autoscale = documents.load(tx, "autoscale", row.autoscale or "")
    zone = documents.load(tx, "zone", row.zone)
    assert isinstance(provider, VMProviderConfig)
    assert isinstance(zone, Zone)
    assert isinstance(autoscale, ServerAutoscale | DockerAgentAutoscale)
    token = mint(signing_key(tx), controller_id(tx), row.id, row.attempt, row.creating_at or row.created_at)
    values: dict[str, str | SecretStr | None] = {
        "server_id": row.id,
        "server_hostname": row.hostname,
        "server_external_fqdn": row.fqdn,
        "upstream_auth_address": zone.upstream_auth_address or advertised_address,
        "provider_name": row.provider,
        "ssh_key": provider.ssh_public_key,
        "checkin_jwt": token,
        "registration_token": token,
        # The agents of this product report with their own token, not with one shared by the whole deployment.
        "manager_token": token,
    }
    if isinstance(autoscale, ServerAutoscale):
        values["connection_username"] = autoscale.connection.username
        values["connection_password"] = autoscale.connection.password
        if autoscale.computer_record is not None:
            # The row's: the config may name another since the record was made.
            ldap = documents.load(tx, "ldap", row.ldap or autoscale.computer_record.ldap)
            assert isinstance(ldap, LDAPConfig)
            values["domain"] = ldap.domain
            values["ad_join_credential"] = get_secret(tx, join_password_id(row.id))
    else:
        values["nginx_cert_in"] = autoscale.nginx_certificate
        values["nginx_key_in"] = autoscale.nginx_key
    return render(provider.startup_script, values, row.pool_type)
