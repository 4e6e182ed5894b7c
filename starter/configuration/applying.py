"""Comparing files with what is stored, and writing them: all or nothing."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from poolwright.domain.base import Model
from poolwright.domain.drift import reshapes
from poolwright.domain.resources import VMProviderConfig
from poolwright.domain.static_servers import StaticServer
from poolwright.store import documents
from poolwright.store.check_in_tokens import controller_id
from poolwright.store.documents import Document
from poolwright.store.engine import Store
from poolwright.store.static_servers import register
from poolwright.store.tables import InstallationRow
from starter.configuration.agreement import disagreements
from starter.configuration.changes import Change, ChangeKind, FieldChange, field_changes
from starter.configuration.checked import Checked, check_document
from starter.configuration.host_names import unusable_patterns
from starter.configuration.limits import unreachable
from starter.configuration.problems import ConfigurationRefused, Problem, shown
from starter.configuration.provider_facts import provider_facts
from starter.configuration.references import dangling, references_of
from starter.configuration.running import Replacement, lock_changed, overtaken, unregistrable
from starter.configuration.script_uses import unusable_scripts
from starter.configuration.sources import Source
from starter.configuration.stored import Key, StoredDocument, read_stored, secrets_of
from starter.configuration.whole import Whole
from starter.configuration.yaml_documents import ReadDocuments, read_documents

_ATTEMPTS: Final = 5
"""How often to begin anew when somebody else applies in between."""


class Applied(Model):
    """What an apply has done."""

    revision: int | None
    """None: nothing changed."""
    changes: tuple[Change, ...]
    autoscales: tuple[str, ...] = ()
    """The autoscale configs whose decisions may come out otherwise now."""


class AppliedMeanwhile(Exception):
    """Others applied configurations all the time. Nothing was changed; try again."""


OnApplied = Callable[[Sequence[str]], None]
"""Called after the commit with the names of the autoscale configs concerned."""


@dataclass(frozen=True, slots=True)
class _Planned:
    """What an apply would do, as long as the stored revision stays the same."""

    revision: int
    changes: tuple[Change, ...]
    checked: Mapping[Key, Checked]
    facts: Mapping[Key, Mapping[str, Any]]
    replacements: tuple[Replacement, ...]
    whole: Whole

    @property
    def registered(self) -> tuple[StaticServer, ...]:
        """The servers that it registers by hand, anew or again."""
        models = (
            self.checked[change.kind, change.name].model for change in self.changes if change.change != "unchanged"
        )
        return tuple(model for model in models if isinstance(model, StaticServer))


def difference(
    store: Store,
    sources: Sequence[Source],
    problems: Sequence[Problem] = (),
    environment: Mapping[str, str] = os.environ,
) -> tuple[Change, ...]:
    """What `apply` would change. Raises `ConfigurationRefused` with every problem; changes nothing."""
    planned = _plan(store, read_documents(list(sources)), problems, environment)
    with store.read() as tx:
        _refuse_what_runs(tx, planned)
    return planned.changes


def apply(
    store: Store,
    sources: Sequence[Source],
    problems: Sequence[Problem] = (),
    environment: Mapping[str, str] = os.environ,
    on_applied: OnApplied | None = None,
) -> Applied:
    """Store what the sources declare, in one transaction, under one new revision. Documents they do not name stay.

    `problems`: what is wrong already, such as files that could not be read. Repeatable: a second apply changes nothing.
    Raises `ConfigurationRefused` with every problem of all files, or `AppliedMeanwhile`; then nothing was changed.
    """
    read = read_documents(list(sources))
    for _ in range(_ATTEMPTS):
        planned = _plan(store, read, problems, environment)
        if all(change.change is ChangeKind.UNCHANGED for change in planned.changes):
            return Applied(revision=None, changes=planned.changes)
        with store.write() as tx:
            revision = documents.next_revision(tx)
            if revision != planned.revision + 1:
                tx.rollback()
                continue
            lock_changed(tx, planned.replacements, planned.registered)
            _refuse_what_runs(tx, planned)
            _save(tx, planned, revision, store)
        names = concerned(planned.whole, {(c.kind, c.name) for c in planned.changes if c.change != "unchanged"})
        if on_applied is not None and names:
            on_applied(names)
        return Applied(revision=revision, changes=planned.changes, autoscales=names)
    raise AppliedMeanwhile("others changed the configuration each time this tried to: nothing was applied, try again")


def concerned(whole: Whole, changed: set[Key]) -> tuple[str, ...]:
    """Autoscale configs that changed, that name a document that did, or whose pool a changed staging config fills."""
    pools = {document.pool for document in whole.all() if document.kind == "staging" and _key(document) in changed}
    return tuple(
        sorted(
            autoscale.name
            for autoscale in whole.autoscales()
            if _key(autoscale) in changed
            or autoscale.pool in pools
            or any((reference.kind, reference.name) in changed for reference in references_of(autoscale))
        )
    )


def _plan(store: Store, read: ReadDocuments, problems: Sequence[Problem], environment: Mapping[str, str]) -> _Planned:
    with store.read() as tx:
        revision, controller = tx.get_one(InstallationRow, 1).revision, controller_id(tx)
        stored = read_stored(tx)
    found = [*problems, *read.problems]
    checked: dict[Key, Checked] = {}
    for declared in read.documents:
        key = (declared.kind, declared.name)
        document, wrong = check_document(declared, secrets_of(stored.get(key)), environment)
        found.extend(wrong)
        if document is not None:
            checked[key] = document
    models = {key: document.model() for key, document in stored.items()}
    whole = Whole(models, read.documents, checked)
    facts = {key: document.facts for key, document in stored.items()} | _facts(checked, controller, found)
    found.extend(whole.problems(unusable_scripts(whole, facts)))
    found.extend(whole.problems((*disagreements(whole), *unreachable(whole), *unusable_patterns(whole))))
    if read.complete and not problems:
        found.extend(whole.problems(dangling(whole)))
    _refuse(found)
    return _Planned(
        revision=revision,
        changes=tuple(_change(document, stored.get(key), facts.get(key, {})) for key, document in checked.items()),
        checked=checked,
        facts=facts,
        replacements=tuple((models[key], document.model) for key, document in checked.items() if key in models),
        whole=whole,
    )


def _facts(checked: Mapping[Key, Checked], controller: str, found: list[Problem]) -> dict[Key, Mapping[str, Any]]:
    facts: dict[Key, Mapping[str, Any]] = {}
    for key, document in checked.items():
        if isinstance(document.model, VMProviderConfig):
            facts[key], problems = provider_facts(document, document.model, controller)
            found.extend(problems)
    return facts


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        unique = dict.fromkeys(problems)
        raise ConfigurationRefused(sorted(unique, key=lambda problem: (problem.file or "", problem.line or 0)))


def _refuse_what_runs(tx: Session, planned: _Planned) -> None:
    findings = (*overtaken(tx, planned.replacements), *unregistrable(tx, planned.registered))
    _refuse(planned.whole.problems(findings))


def _change(document: Checked, before: StoredDocument | None, facts: Mapping[str, Any]) -> Change:
    kind, name = document.declared.kind, document.declared.name
    fields = field_changes(before, document.body)
    if before is None:
        return Change(kind=kind, name=name, change=ChangeKind.CREATE, fields=fields)
    if before.facts != facts:
        fields += tuple(
            FieldChange(key=f"(found out) {key}", before=shown(before.facts.get(key)), after=shown(facts.get(key)))
            for key in sorted({*before.facts, *facts})
            if before.facts.get(key) != facts.get(key)
        )
    return Change(
        kind=kind,
        name=name,
        change=ChangeKind.UPDATE if fields else ChangeKind.UNCHANGED,
        fields=fields,
        reshapes=reshapes(kind, before.model(), document.model),
    )


def _save(tx: Session, planned: _Planned, revision: int, store: Store) -> None:
    now = store.clock()
    for change in planned.changes:
        if change.change is ChangeKind.UNCHANGED:
            continue
        key = (change.kind, change.name)
        documents.save_document(
            tx,
            kind=change.kind,
            name=change.name,
            body=planned.checked[key].body,
            facts=planned.facts.get(key, {}),
            revision=revision,
            reshapes=change.reshapes,
            now=now,
        )
        model = planned.checked[key].model
        if isinstance(model, StaticServer):
            register(tx, model, now)


def _key(document: Document) -> Key:
    return document.kind, document.name
