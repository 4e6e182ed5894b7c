"""The owner mark as tags, and how things that bear it are searched for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from poolwright.domain.identities import OwnerMark
from poolwright.providers.aws.settings import MARK_PREFIX

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import FilterTypeDef, TagTypeDef

CONTROLLER_TAG: Final = f"{MARK_PREFIX}controller"
SERVER_TAG: Final = f"{MARK_PREFIX}server"
_VALUES_IN_A_CALL: Final = 190
"""EC2 takes 200 in all filters of a call; a few are for others than those that go in portions."""


def mark_tags(mark: OwnerMark) -> Mapping[str, str]:
    """The tags that everything made for this server bears."""
    return {CONTROLLER_TAG: mark.controller_id, SERVER_TAG: mark.server_id}


def tag_list(tags: Mapping[str, str]) -> "list[TagTypeDef]":
    """As the API writes tags."""
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def mark_in(thing: Mapping[str, Any], *, tags_key: str = "Tags") -> OwnerMark | None:
    """The mark that a thing bears, or None."""
    tags = {tag["Key"]: tag["Value"] for tag in thing.get(tags_key) or ()}
    controller, server = tags.get(CONTROLLER_TAG), tags.get(SERVER_TAG)
    return OwnerMark(controller_id=controller, server_id=server) if controller and server else None


def owned_by(controller_id: str) -> "FilterTypeDef":
    """The filter for all that bears this controller's mark."""
    return {"Name": f"tag:{CONTROLLER_TAG}", "Values": [controller_id]}


def made_for(controller_id: str, server_ids: Sequence[str]) -> "Sequence[FilterTypeDef]":
    """The filters for all that was made for these servers, which are one portion.

    `*` and `?` in an id would stand for other ids: whoever reads the answer compares the marks.
    """
    return [owned_by(controller_id), {"Name": f"tag:{SERVER_TAG}", "Values": server_ids}]


def in_portions(values: Iterable[str]) -> Iterator[list[str]]:
    """The values in an order of their own, in lists as long as one call takes."""
    remaining = iter(sorted(values))
    while some := list(islice(remaining, _VALUES_IN_A_CALL)):
        yield some
