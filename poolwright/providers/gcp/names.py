"""What a VM's things are called at Google, and how our own are told from others'."""

import re
import uuid
from collections.abc import Mapping
from typing import Final, NamedTuple, Self

from poolwright.domain.identities import OwnerMark, machine_name
from poolwright.providers.base import VMSpec

CONTROLLER_LABEL: Final = "poolwright_controller"
SERVER_LABEL: Final = "poolwright_server"
REQUEST_LABEL: Final = "poolwright_request"
"""The request id of the creation that made the VM."""
UNLABELLED: Final = "unlabelled"
"""In the reference of a VM that somebody took that label from."""

_REQUESTS: Final = uuid.UUID("5b1d3c52-8f0e-4b0c-9d5c-6f8f5a2f0c11")
_MARK_PART: Final = re.compile(r"[a-z0-9_-]{1,63}")
_NAME: Final = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


class Reference(NamedTuple):
    """What `get` and `delete` take. The request id keeps a VM apart from an earlier one of the same name."""

    zone: str
    name: str
    request: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The reference in `text`, or None when it is none."""
        parts = text.split("/")
        return cls(*parts) if len(parts) == 3 and all(parts) else None

    def text(self) -> str:
        """As `parse` reads it."""
        return "/".join(self)


def request_id(spec: VMSpec, number: int) -> str:
    """The id of this creation's request: the same for every repeat. A request that made no VM, or one that is gone, is
    used up; the next has the next number."""
    return str(uuid.uuid5(_REQUESTS, f"{spec.mark.text()}/{spec.token}/{number}"))


def mark_labels(mark: OwnerMark) -> dict[str, str]:
    """The labels by which all that was made for this server is found."""
    return {CONTROLLER_LABEL: mark.controller_id, SERVER_LABEL: mark.server_id}


def label_texts(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels as Google takes them: what it has no letters for becomes a dash."""
    return {_label_text(key): _label_text(value) for key, value in labels.items()}


def mark_in(labels: Mapping[str, str]) -> OwnerMark | None:
    """The mark in a resource's labels, or None."""
    controller, server = labels.get(CONTROLLER_LABEL), labels.get(SERVER_LABEL)
    return OwnerMark(controller_id=controller, server_id=server) if controller and server else None


def mark_of_name(name: str, controller_id: str) -> OwnerMark:
    """The mark of the VM that this controller gave this name."""
    return OwnerMark(controller_id=controller_id, server_id=name.removeprefix(machine_name("")))


def can_be_marked(mark: OwnerMark) -> bool:
    """Whether Google takes this mark as labels and its VM's name as a name."""
    parts = (mark.controller_id, mark.server_id)
    return all(_MARK_PART.fullmatch(part) for part in parts) and bool(_NAME.fullmatch(machine_name(mark.server_id)))


def owned_filter(controller_id: str, server_id: str | None = None) -> str:
    """The filter for lists of what this controller owns, or of what it made for one server."""
    terms = {CONTROLLER_LABEL: controller_id, **({SERVER_LABEL: server_id} if server_id is not None else {})}
    return " AND ".join(f'(labels.{key} = "{value}")' for key, value in terms.items())


def _label_text(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[:63]
