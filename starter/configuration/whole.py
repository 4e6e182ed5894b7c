"""The configuration as it will be: what is stored, with what the files declare on top."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from poolwright.domain.autoscale import DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.resources import LDAPConfig, Pool, VMProviderConfig, Workspace
from poolwright.store.documents import Document
from starter.configuration.checked import Checked
from starter.configuration.problems import Path, Problem
from starter.configuration.stored import Key
from starter.configuration.yaml_documents import Declared

Autoscale = ServerAutoscale | DockerAgentAutoscale

_Wanted = TypeVar("_Wanted", bound=Document)


class Subject(NamedTuple):
    """A value of a document that a finding is about."""

    kind: str
    name: str
    path: Path = ()


class Finding(NamedTuple):
    """Something wrong between documents. It is reported at the first subject that a file declares."""

    subjects: tuple[Subject, ...]
    what: str
    remedy: str
    value: str | None = None
    place: Mapping[str, Any] = MappingProxyType({})
    """A more exact `file` and `line` than the first subject's own, if that is where it is reported."""


class Whole:
    """Every document by kind and name."""

    def __init__(
        self, stored: Mapping[Key, Document], declared: Iterable[Declared], checked: Mapping[Key, Checked]
    ) -> None:
        self.declared = {(document.kind, document.name): document for document in declared}
        self.checked = checked
        self._documents = {key: model for key, model in stored.items() if key not in self.declared}
        self._documents |= {key: document.model for key, document in checked.items()}

    def exists(self, kind: str, name: str) -> bool:
        """Whether there is such a document, be it right or wrong."""
        return (kind, name) in self._documents or (kind, name) in self.declared

    def names(self, kind: str) -> list[str]:
        """Names of all documents of a kind."""
        return sorted({name for one, name in (*self._documents, *self.declared) if one == kind})

    def each(self, wanted: type[_Wanted]) -> Iterator[_Wanted]:
        """All documents of this model that are right in themselves."""
        for document in self._documents.values():
            if isinstance(document, wanted):
                yield document

    def all(self) -> Iterator[Document]:
        """All documents that are right in themselves."""
        yield from self._documents.values()

    def autoscales(self) -> Iterator[Autoscale]:
        """All autoscale configs of either type."""
        for document in self._documents.values():
            if isinstance(document, ServerAutoscale | DockerAgentAutoscale):
                yield document

    def autoscale(self, name: str | None) -> Autoscale | None:
        """The autoscale config, unless it is missing or wrong."""
        found = self._documents.get(("autoscale", name or ""))
        return found if isinstance(found, ServerAutoscale | DockerAgentAutoscale) else None

    def pool(self, name: str) -> Pool | None:
        """The pool, unless it is missing or wrong."""
        found = self._documents.get(("pool", name))
        return found if isinstance(found, Pool) else None

    def vm_provider(self, name: str) -> VMProviderConfig | None:
        """The VM provider config, unless it is missing or wrong."""
        found = self._documents.get(("vm_provider", name))
        return found if isinstance(found, VMProviderConfig) else None

    def ldap(self, name: str) -> LDAPConfig | None:
        """The LDAP config, unless it is missing or wrong."""
        found = self._documents.get(("ldap", name))
        return found if isinstance(found, LDAPConfig) else None

    def workspace(self, name: str) -> Workspace | None:
        """The workspace, unless it is missing or wrong."""
        found = self._documents.get(("workspace", name))
        return found if isinstance(found, Workspace) else None

    def problems(self, findings: Iterable[Finding]) -> list[Problem]:
        """The findings as problems. Left out are those that no file has to do with: they were there before."""
        return [problem for problem in map(self._problem, findings) if problem is not None]

    def _problem(self, finding: Finding) -> Problem | None:
        for index, subject in enumerate(finding.subjects):
            declared = self.declared.get((subject.kind, subject.name))
            if declared is None:
                continue
            problem = declared.problem(subject.path, finding.what, finding.remedy, finding.value)
            return problem.model_copy(update=dict(finding.place)) if index == 0 else problem
        return None
