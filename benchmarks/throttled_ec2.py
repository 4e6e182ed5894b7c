"""EC2 as far as a burst needs it: instances that boot and end, answers that take time, and EC2's token buckets.

Lighter than moto, which with a thousand instances would itself be what is measured. What EC2 refuses or checks beyond
its throttle is not in here: that is the conformance suite's, on moto.
"""

import itertools
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape

from tests.wire.ec2 import Form, error, form_of
from tests.wire.server import Request, Response, WireServer

BOOT_SECONDS: Final = 30.0
END_SECONDS: Final = 20.0
ANSWER_SECONDS: Final = 0.3
CREATIONS_AT_ONCE: Final = 5
CREATIONS_PER_SECOND: Final = 2.0
_OTHERS_AT_ONCE: Final = 50
_READS_PER_SECOND: Final = 10.0
_CHANGES_PER_SECOND: Final = 5.0
"""As EC2 documents them for an account; of reads, those with filters."""
_MOST_VALUES: Final = 200
_HEADERS: Final = {"content-type": "text/xml;charset=UTF-8"}
_CODES: Final = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48}


@dataclass
class _Instance:
    """One instance, by when it was asked for and when its end was."""

    id: str
    token: str
    tags: Mapping[str, str]
    asked_at: float
    end_asked_at: float | None = None

    def state(self, now: float) -> str:
        """As EC2 names it."""
        if self.end_asked_at is not None:
            return "shutting-down" if now - self.end_asked_at < END_SECONDS else "terminated"
        return "pending" if now - self.asked_at < BOOT_SECONDS else "running"


class _Bucket:
    def __init__(self, at_once: int, per_second: float) -> None:
        self._most, self._per_second = float(at_once), per_second
        self._left, self._counted_at = self._most, 0.0

    def grants(self, now: float) -> bool:
        self._left = min(self._most, self._left + (now - self._counted_at) * self._per_second)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class ThrottledEC2:
    """The app of a `SlowServer`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives seconds."""
        self._clock = clock
        self._instances: dict[str, _Instance] = {}
        self._by_token: dict[str, _Instance] = {}
        self._numbers = itertools.count(1)
        self._buckets = {
            "RunInstances": _Bucket(CREATIONS_AT_ONCE, CREATIONS_PER_SECOND),
            "Describe": _Bucket(_OTHERS_AT_ONCE, _READS_PER_SECOND),
            "TerminateInstances": _Bucket(_OTHERS_AT_ONCE, _CHANGES_PER_SECOND),
        }
        self.calls, self.refused = Counter[str](), Counter[str]()

    def __call__(self, request: Request) -> Response:
        """As EC2 answers."""
        form = form_of(request)
        action = form["Action"]
        self.calls[action] += 1
        bucket = next(bucket for name, bucket in self._buckets.items() if action.startswith(name))
        if not bucket.grants(self._clock()):
            self.refused[action] += 1
            return error("RequestLimitExceeded", status=503)
        match action:
            case "RunInstances":
                return self._run_instances(form)
            case "DescribeInstances":
                return self._describe_instances(form)
            case "TerminateInstances":
                return self._terminate_instances(form)
            case "DescribeTags":
                return self._describe_tags(form)
        return error("InvalidAction", action)

    def living(self) -> list[str]:
        """What has not ended."""
        now = self._clock()
        return [one.id for one in self._instances.values() if one.state(now) != "terminated"]

    def _run_instances(self, form: Form) -> Response:
        token = form["ClientToken"]
        if token not in self._by_token:
            tags = {
                form[name]: form[f"{name.removesuffix('Key')}Value"]
                for name in form
                if re.fullmatch(r"TagSpecification\.1\.Tag\.\d+\.Key", name)
            }
            made = _Instance(f"i-{next(self._numbers):017x}", token, tags, self._clock())
            self._instances[made.id] = self._by_token[token] = made
        return _answer("RunInstances", f"<instancesSet>{self._shown(self._by_token[token])}</instancesSet>")

    def _describe_instances(self, form: Form) -> Response:
        named = _values(form, r"InstanceId\.\d+")
        if missing := named - self._instances.keys():
            return error("InvalidInstanceID.NotFound", f"The instance ID '{min(missing)}' does not exist")
        filters = _filters(form)
        if sum(map(len, filters.values())) > _MOST_VALUES:
            return error("FilterLimitExceeded")
        ids = named or filters.pop("instance-id", self._instances.keys())
        found = (self._instances[one] for one in ids if one in self._instances)
        groups = "".join(
            f"<item><instancesSet>{self._shown(one)}</instancesSet></item>" for one in found if _fits(one, filters)
        )
        return _answer("DescribeInstances", f"<reservationSet>{groups}</reservationSet>")

    def _terminate_instances(self, form: Form) -> Response:
        named = _values(form, r"InstanceId\.\d+")
        if missing := named - self._instances.keys():
            return error("InvalidInstanceID.NotFound", f"The instance ID '{min(missing)}' does not exist")
        for one in named:
            self._instances[one].end_asked_at = self._instances[one].end_asked_at or self._clock()
        return _answer("TerminateInstances", "<instancesSet/>")

    def _describe_tags(self, form: Form) -> Response:
        # Disks go with their instances; all of them bear its tags.
        filters, now = _filters(form), self._clock()
        items = "".join(
            f"<item><resourceId>vol-{one.id}</resourceId><resourceType>volume</resourceType><key>{key}</key>"
            f"<value>{escape(one.tags[key])}</value></item>"
            for one in self._instances.values()
            for key in filters["key"]
            if one.tags.get(key, "") in filters["value"] and one.state(now) != "terminated"
        )
        return _answer("DescribeTags", f"<tagSet>{items}</tagSet>")

    def _shown(self, one: _Instance) -> str:
        state = one.state(self._clock())
        tags = "".join(f"<item><key>{key}</key><value>{escape(text)}</value></item>" for key, text in one.tags.items())
        public = "<ipAddress>192.0.2.1</ipAddress>" if state == "running" else ""
        reason = "<stateReason><code>Client.UserInitiatedShutdown</code><message>asked for</message></stateReason>"
        return (
            f"<item><instanceId>{one.id}</instanceId><clientToken>{one.token}</clientToken>"
            f"<instanceState><code>{_CODES[state]}</code><name>{state}</name></instanceState>"
            f"<instanceType>t3.micro</instanceType><launchTime>{_text(one.asked_at)}</launchTime>"
            f"<privateIpAddress>10.0.0.1</privateIpAddress>{public}"
            f"{reason if one.end_asked_at else ''}<tagSet>{tags}</tagSet></item>"
        )


class SlowServer(WireServer):
    """A server whose answers take their time, those of several threads at the same time."""

    def __init__(self, app: ThrottledEC2, *, speed: float) -> None:
        """`speed`: how many seconds of the app's clock pass in one."""
        super().__init__(app)
        self._pause_seconds = ANSWER_SECONDS / speed

    def answer(self, request: Request) -> Response | None:
        """As any server, later."""
        time.sleep(self._pause_seconds)
        return super().answer(request)


def _values(form: Form, name: str) -> set[str]:
    return {value for key, value in form.items() if re.fullmatch(name, key)}


def _filters(form: Form) -> dict[str, AbstractSet[str]]:
    names = {name: value for name, value in form.items() if re.fullmatch(r"Filter\.\d+\.Name", name)}
    return {value: _values(form, rf"{name.removesuffix('Name')}Value\.\d+") for name, value in names.items()}


def _fits(one: _Instance, filters: Mapping[str, AbstractSet[str]]) -> bool:
    return all(one.tags.get(name.removeprefix("tag:"), "") in values for name, values in filters.items())


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _answer(action: str, inner: str) -> Response:
    body = f'<{action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">{inner}</{action}Response>'
    return Response(200, body.encode(), _HEADERS)
