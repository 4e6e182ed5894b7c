"""What admins declared: documents by kind and name, with secrets kept apart."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from pydantic import SecretStr
from pydantic_core import to_jsonable_python
from sqlalchemy import and_, bindparam, literal_column, or_, select
from sqlalchemy.orm import Session

from poolwright.domain.autoscale import DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.base import Model
from poolwright.domain.resources import DNSProviderConfig, LDAPConfig, Pool, Staging, VMProviderConfig, Workspace, Zone
from poolwright.domain.static_servers import StaticServer
from poolwright.store.engine import writes_alone
from poolwright.store.secrets import delete_secrets, get_secret, put_secret
from poolwright.store.tables import DocumentRow, InstallationRow

Document = (
    Zone
    | Pool
    | Workspace
    | Staging
    | VMProviderConfig
    | DNSProviderConfig
    | LDAPConfig
    | ServerAutoscale
    | DockerAgentAutoscale
    | StaticServer
)

SECRET_PLACEHOLDER = "$secret"  # noqa: S105  a key, not a secret
"""Key of the mapping that stands in a stored body where a secret was."""

_MODELS: Mapping[str, type[Model]] = {
    "zone": Zone,
    "pool": Pool,
    "workspace": Workspace,
    "staging": Staging,
    "vm_provider": VMProviderConfig,
    "dns_provider": DNSProviderConfig,
    "ldap": LDAPConfig,
    "static_server": StaticServer,
}


_ALL = select(DocumentRow).order_by(DocumentRow.kind, DocumentRow.name)
_OF_KIND = _ALL.where(DocumentRow.kind == bindparam("kind"))
_AROUND_POOL = _ALL.where(
    or_(
        DocumentRow.kind == "zone",
        and_(
            DocumentRow.pool == bindparam("pool"),
            DocumentRow.kind.in_([literal_column("'autoscale'"), literal_column("'staging'")]),
        ),
    )
)
_ONE = _OF_KIND.where(DocumentRow.name == bindparam("name"))
# Without populate_existing, what this transaction had read of the row before it was held would stay.
_ONE_TO_HOLD = _ONE.with_for_update().execution_options(populate_existing=True)


class UnknownDocument(LookupError):
    """There is no document of this kind and name."""


@dataclass(frozen=True)
class _Known:
    """What a transaction has read since it last changed a document. Nothing is read twice, unless it is to be held."""

    rows: dict[tuple[str, str], DocumentRow] = field(default_factory=dict)
    """By kind and name. Kept here since SQLAlchemy forgets rows that nobody keeps."""
    held: set[tuple[str, str]] = field(default_factory=set)
    around_pools: dict[str, list[DocumentRow]] = field(default_factory=dict)


def kinds() -> tuple[str, ...]:
    """The kinds of document, in an order in which references point backwards."""
    return ("zone", "vm_provider", "dns_provider", "ldap", "pool", "workspace", "autoscale", "staging", "static_server")


def save_document(
    session: Session,
    *,
    kind: str,
    name: str,
    body: Mapping[str, Any],
    facts: Mapping[str, Any],
    revision: int,
    reshapes: bool,
    now: datetime,
) -> None:
    """Write the document. `body` holds what the admin set, with `SecretStr` for secrets; those are sealed.

    `reshapes`: the change makes servers differ, so that older ones are drifted.
    """
    _forget(session)
    delete_secrets(session, f"{kind}/{name}/")
    stored = _seal_secrets(session, f"{kind}/{name}", body, now)
    row = session.get(DocumentRow, (kind, name))
    if row is None:
        row = DocumentRow(kind=kind, name=name, shape_revision=revision)
        session.add(row)
    row.body, row.facts, row.revision, row.updated_at = cast("dict[str, Any]", stored), dict(facts), revision, now
    row.pool = body.get("pool") if kind in ("autoscale", "staging", "static_server") else None
    if reshapes:
        row.shape_revision = revision


def delete_document(session: Session, kind: str, name: str) -> None:
    """Forget the document and its secrets. Raises `UnknownDocument`."""
    session.delete(get_row(session, kind, name))
    _forget(session)
    delete_secrets(session, f"{kind}/{name}/")


def get_row(session: Session, kind: str, name: str, *, lock: bool = False) -> DocumentRow:
    """The stored row; with `lock`, held until the transaction ends, and as it is once it is held. Raises
    `UnknownDocument`."""
    known, key = _known(session), (kind, name)
    lock = lock and not writes_alone(session)
    if key not in known.rows or (lock and key not in known.held):
        row = session.scalars(_ONE_TO_HOLD if lock else _ONE, {"kind": kind, "name": name}).one_or_none()
        if row is None:
            raise UnknownDocument(f"there is no {kind} {name!r}")
        known.rows[key] = row
    if lock:
        known.held.add(key)
    return known.rows[key]


def rows(session: Session, kind: str | None = None) -> list[DocumentRow]:
    """All stored rows, or those of a kind, by kind and name."""
    if kind is None:
        return list(session.scalars(_ALL))
    return list(session.scalars(_OF_KIND, {"kind": kind}))


def rows_of_pool(session: Session, pool: str) -> list[DocumentRow]:
    """The pool's autoscale and staging configs, by kind and name."""
    return [row for row in _rows_around_pool(session, pool) if row.kind != "zone"]


def zones_around_pool(session: Session, pool: str) -> list[DocumentRow]:
    """Every zone, by name: like `rows(session, "zone")`, but in one statement with the pool's configs."""
    return [row for row in _rows_around_pool(session, pool) if row.kind == "zone"]


def load(session: Session, kind: str, name: str) -> Document:
    """The document as a model, secrets included. Raises `UnknownDocument`."""
    return model_of(kind, open_body(session, get_row(session, kind, name)))


def load_without_secrets(row: DocumentRow) -> Document:
    """The document as a model with a mask for each secret: enough for planning, and no key is needed."""
    return model_of(row.kind, cast("Mapping[str, Any]", _mask(row.body)))


def model_of(kind: str, body: Mapping[str, Any]) -> Document:
    """Validate a body as its kind's model. Raises pydantic's ValidationError, or `UnknownDocument` for the kind."""
    if kind == "autoscale":
        model: type[Model] = DockerAgentAutoscale if body.get("type") == "docker_agent" else ServerAutoscale
    elif kind in _MODELS:
        model = _MODELS[kind]
    else:
        raise UnknownDocument(f"there is no kind {kind!r}; the kinds are {', '.join(kinds())}")
    return cast("Document", model.model_validate(body))


def open_body(session: Session, row: DocumentRow) -> dict[str, Any]:
    """The stored body with every placeholder replaced by its secret."""
    return open_placeholders(session, row.body)


def open_placeholders(session: Session, body: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping with every placeholder replaced by its secret. Raises `UnknownDocument` when one is missing."""
    return cast("dict[str, Any]", _open(session, body))


def next_revision(session: Session) -> int:
    """Count one more apply. Serialises applies."""
    installation = session.get_one(InstallationRow, 1, with_for_update=True, populate_existing=True)
    installation.revision += 1
    return installation.revision


def secret_paths(body: Any, prefix: str = "") -> Iterator[str]:
    """Dotted path of each placeholder in a stored body."""
    if isinstance(body, Mapping):
        if SECRET_PLACEHOLDER in body:
            yield prefix
            return
        for key, value in body.items():
            yield from secret_paths(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(body, list):
        for index, value in enumerate(body):
            yield from secret_paths(value, f"{prefix}.{index}")


def _known(session: Session) -> _Known:
    if "documents" not in session.info:
        session.info["documents"] = _Known()
    known: _Known = session.info["documents"]
    return known


def _forget(session: Session) -> None:
    session.info.pop("documents", None)


def _rows_around_pool(session: Session, pool: str) -> list[DocumentRow]:
    known = _known(session)
    if pool not in known.around_pools:
        known.around_pools[pool] = list(session.scalars(_AROUND_POOL, {"pool": pool}))
        known.rows.update({(row.kind, row.name): row for row in known.around_pools[pool]})
    return known.around_pools[pool]


def _seal_secrets(session: Session, path: str, value: Any, now: datetime) -> Any:
    if isinstance(value, SecretStr):
        put_secret(session, path, value, now)
        return {SECRET_PLACEHOLDER: path}
    if isinstance(value, Mapping):
        return {str(key): _seal_secrets(session, f"{path}/{key}", item, now) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_seal_secrets(session, f"{path}/{index}", item, now) for index, item in enumerate(value)]
    return to_jsonable_python(value)


def _open(session: Session, value: Any) -> Any:
    if isinstance(value, Mapping):
        if SECRET_PLACEHOLDER in value:
            secret = get_secret(session, value[SECRET_PLACEHOLDER])
            if secret is None:
                raise UnknownDocument(f"the sealed value {value[SECRET_PLACEHOLDER]} is missing: apply its file again")
            return secret.get_secret_value()
        return {key: _open(session, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_open(session, item) for item in value]
    return value


def _mask(value: Any) -> Any:
    if isinstance(value, Mapping):
        if SECRET_PLACEHOLDER in value:
            return "**********"
        return {key: _mask(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mask(item) for item in value]
    return value
