"""EC2 in this process: moto, and before it what moto lacks or gets wrong.

Idempotency of RunInstances, the size of user data, unknown security groups, dry runs, tags of network interfaces,
states that take their time, answers that lag behind, spot interruptions, and passwords that a key decrypts.
"""

import base64
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from html import escape
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import parse_qsl, urlencode

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from tests.wire.server import Request, Response

_NO_IMAGES: Final = {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}
_STRICT: Final[Any] = {
    "ENABLE_AMI_VALIDATION": True,
    "EC2_ENABLE_INSTANCE_TYPE_VALIDATION": True,
    "ENABLE_KEYPAIR_VALIDATION": True,
}
"""What moto lets pass unless it is told so."""
ACCOUNT_ID: Final = "123456789012"
REGION: Final = "us-east-1"
PASSWORD: Final = "Adm1nistrator's own & <secret>"
_XML: Final = {"content-type": "text/xml;charset=UTF-8"}
_NAMESPACE: Final = "http://ec2.amazonaws.com/doc/2016-11-15/"
_MOST_USER_DATA: Final = 16_384
_MOST_VALUES: Final = 200
_LIVING: Final = ("pending", "running", "stopping", "stopped")

Form = Mapping[str, str]


def error(code: str, message: str = "as the test wants it", status: int = 400) -> Response:
    """An answer as EC2 writes its errors."""
    body = (
        f"<Response><Errors><Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error></Errors>"
        "<RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>"
    )
    return Response(status, body.encode(), _XML)


def form_of(request: Request) -> Form:
    """What was asked: `Action` and its parameters."""
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))


def asks_for(*actions: str) -> Callable[[Request], bool]:
    """Which requests are for one of these actions, rehearsals left out."""

    def which(request: Request) -> bool:
        form = form_of(request)
        return form.get("Action") in actions and form.get("DryRun") != "true"

    return which


class EC2:
    """One account in one region. The app of a `WireServer`."""

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._lock = threading.RLock()
        self._moto = DomainDispatcherApplication(create_backend_app)
        self.complaints: list[str] = []
        self.empty()

    def empty(self) -> None:
        """Forget everything but the default VPC."""
        from moto.moto_api._internal.models import moto_api_backend

        # moto would make a thousand images anew, which takes it a third of a second.
        with patch.dict(os.environ, _NO_IMAGES):
            moto_api_backend.reset()
            assert not self.backend.amis
        self.answers: dict[str, tuple[Form, Response]] = {}
        self.hidden_from_lists: set[str] = set()
        self.hidden: set[str] = set()
        self.lists_lag = False
        self.password_after_ticks = 1
        self.page_size: int | None = None
        self._interrupted: dict[str, str] = {}
        self._ticks: dict[str, int] = {}

    def add_image(self, platform: str | None = None, root_device_name: str = "/dev/sda1") -> str:
        """A new image. Returns its id."""
        image = self.backend.register_image(name="desktop")
        image.platform, image.root_device_name, image.architecture = platform, root_device_name, "x86_64"
        image_id: str = image.id
        return image_id

    def subnets(self) -> Mapping[str, str]:
        """The default VPC's, one for each availability zone: zone -> id."""
        vpc_id = self.backend.get_default_vpc().id
        found = {one.availability_zone: one.id for one in self.backend.describe_subnets() if one.vpc_id == vpc_id}
        return dict(sorted(found.items()))

    def security_group(self) -> str:
        """The default VPC's default group."""
        vpc_id = self.backend.get_default_vpc().id
        group_id: str = next(one.id for one in self.backend.groups[vpc_id].values() if one.name == "default")
        return group_id

    @property
    def backend(self) -> Any:
        """moto's own state."""
        from moto.ec2.models import ec2_backends

        return ec2_backends[ACCOUNT_ID][REGION]

    def __call__(self, request: Request) -> Response:
        form = form_of(request)
        self._inspect(form)
        action = form["Action"]
        if form.get("DryRun") == "true" and action != "RunInstances":
            return error("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
        answers = {
            "RunInstances": self._run_instances,
            "TerminateInstances": self._terminate_instances,
            "DescribeInstances": self._describe_instances,
            "DescribeTags": self._describe_tags,
            "DescribeSpotInstanceRequests": self._describe_spot_instance_requests,
            "GetPasswordData": self._get_password_data,
        }
        with self._lock:
            return answers[action](request, form) if action in answers else self._forward(request)

    def pass_time(self) -> None:
        """What is under way comes one step on. May be called while requests are answered."""
        with self._lock:
            for instance in self.instances():
                self._ticks[instance.id] = self._ticks.get(instance.id, 0) + 1
                if instance._state.name == "pending":
                    instance._state.name, instance._state.code = "running", 16
                elif instance._state.name == "shutting-down":
                    self.end(instance.id)

    def instances(self) -> Sequence[Any]:
        """All instances, those that have ended included."""
        return [one for group in self.backend.reservations.values() for one in group.instances]

    def instance(self, instance_id: str) -> Any:
        """One of them."""
        return next((one for one in self.instances() if one.id == instance_id), None)

    def existing(self) -> Sequence[str]:
        """The ids of all that costs money or is in the way: instances, volumes, network interfaces, addresses."""
        living = [one.id for one in self.instances() if one._state.name in (*_LIVING, "shutting-down")]
        return [*living, *self.backend.volumes, *self.backend.enis, *(one.allocation_id for one in self.addresses())]

    def addresses(self) -> Sequence[Any]:
        """All elastic IP addresses."""
        return list(self.backend.addresses)

    def end(self, instance_id: str, reason: str = "Client.UserInitiatedShutdown") -> None:
        """Have it terminated, for this reason."""
        from moto.ec2.models.instances import StateReason

        instance = self.instance(instance_id)
        instance.terminate()
        instance.state_reason = StateReason(f"{reason}: as the test wants it", reason)

    def purge(self, instance_id: str) -> None:
        """Stop showing an instance that has ended, as EC2 does after an hour."""
        for reservation_id, group in list(self.backend.reservations.items()):
            if instance_id in {one.id for one in group.instances}:
                del self.backend.reservations[reservation_id]

    def interrupt(self, instance_id: str, code: str = "marked-for-termination") -> None:
        """Give the two minutes' notice of a spot instance."""
        self._interrupted[instance_id] = code

    def user_data(self, instance_id: str) -> bytes:
        """What the guest got."""
        data = self.instance(instance_id).user_data
        return base64.b64decode(str(data)) if data else b""

    def _run_instances(self, request: Request, form: Form) -> Response:
        if len(base64.b64decode(form.get("UserData", ""))) > _MOST_USER_DATA:
            return error("InvalidParameterValue", f"User data is limited to {_MOST_USER_DATA} bytes")
        token = form["ClientToken"]
        if token in self.answers and form.get("DryRun") != "true":
            asked, answer = self.answers[token]
            return answer if asked == form else error("IdempotentParameterMismatch", "Arguments differ")
        known = set(self.backend.groups.get(self.backend.get_default_vpc().id, {}))
        for name, group in form.items():
            if ".SecurityGroupId." in name and group not in known:
                return error("InvalidGroup.NotFound", f"The security group '{group}' does not exist")
        answer = self._forward(request)
        if answer.status == 200:
            self._begin(re.findall(rb"<instanceId>(.*?)</instanceId>", answer.body)[0].decode(), form)
            self.answers[token] = form, answer
        return answer

    def _begin(self, instance_id: str, form: Form) -> None:
        instance = self.instance(instance_id)
        instance._state.name, instance._state.code = "pending", 0
        for interface in instance.nics.values():
            interface.add_tags(_tags_for(form, "network-interface"))
        if self.lists_lag:
            self.hidden_from_lists.add(instance_id)

    def _terminate_instances(self, request: Request, form: Form) -> Response:
        wanted = [value for name, value in form.items() if name.startswith("InstanceId.")]
        found = [(one, self.instance(one)) for one in wanted]
        missing = [one for one, instance in found if instance is None]
        if missing:
            return error("InvalidInstanceID.NotFound", f"The instance ID '{missing[0]}' does not exist")
        for _, instance in found:
            if instance._state.name in _LIVING:
                instance._state.name, instance._state.code = "shutting-down", 32
        items = "".join(f"<item><instanceId>{one}</instanceId></item>" for one in wanted)
        return _answer("TerminateInstances", f"<instancesSet>{items}</instancesSet>")

    def _describe_instances(self, request: Request, form: Form) -> Response:
        by_id = any(name.startswith("InstanceId.") for name in form)
        with self._without(self.hidden if by_id else self.hidden | self.hidden_from_lists):
            return self._forward(request if self.page_size is None else _with(request, MaxResults=self.page_size))

    def _describe_spot_instance_requests(self, request: Request, form: Form) -> Response:
        codes = _filters_of(form)["status-code"]
        items = "".join(
            f"<item><spotInstanceRequestId>sir-{number:08x}</spotInstanceRequestId><instanceId>{one}</instanceId>"
            f"<status><code>{code}</code><message>EC2 needs it back</message></status></item>"
            for number, (one, code) in enumerate(self._interrupted.items())
            if code in codes
        )
        return _answer("DescribeSpotInstanceRequests", f"<spotInstanceRequestSet>{items}</spotInstanceRequestSet>")

    def _describe_tags(self, request: Request, form: Form) -> Response:
        # moto goes on showing the tags of what is gone, and calls an elastic IP by another kind.
        kinds = {"vol": "volume", "eni": "network-interface", "eipalloc": "elastic-ip", "i": "instance"}
        existing = {*self.existing(), *(one.id for one in self.instances())}
        wanted = _filters_of(form)
        items = "".join(
            f"<item><resourceId>{thing}</resourceId><resourceType>{kind}</resourceType>"
            f"<key>{escape(key)}</key><value>{escape(value)}</value></item>"
            for thing, tags in self.backend.tags.items()
            for key, value in tags.items()
            if thing in existing
            and (kind := kinds[thing.partition("-")[0]]) in wanted["resource-type"]
            and key in wanted["key"]
            and value in wanted["value"]
        )
        return _answer("DescribeTags", f"<tagSet>{items}</tagSet>")

    def _get_password_data(self, request: Request, form: Form) -> Response:
        instance = self.instance(form["InstanceId"])
        data = ""
        if self._ticks.get(instance.id, 0) > self.password_after_ticks:
            public = load_ssh_public_key(self.backend.key_pairs[instance.key_name].material_public)
            assert isinstance(public, RSAPublicKey)
            data = base64.b64encode(public.encrypt(PASSWORD.encode(), PKCS1v15())).decode()
        return _answer("GetPasswordData", f"<instanceId>{instance.id}</instanceId><passwordData>{data}</passwordData>")

    def _forward(self, request: Request) -> Response:
        from moto import settings
        from werkzeug.test import EnvironBuilder, run_wsgi_app

        builder = EnvironBuilder(
            request.raw_path,
            "http://127.0.0.1/",
            method=request.method,
            headers=[(name, value) for name, value in request.headers.items() if name != "content-length"],
            data=request.body,
        )
        with patch.multiple(settings, **_STRICT):
            parts, status, headers = run_wsgi_app(self._moto, builder.get_environ())
        return Response(int(status.split()[0]), b"".join(parts), {"content-type": headers.get("content-type", "")})

    @contextmanager
    def _without(self, instance_ids: set[str]) -> Iterator[None]:
        groups = self.backend.reservations
        shown = {key: group for key, group in groups.items() if not instance_ids & {one.id for one in group.instances}}
        self.backend.reservations = shown
        yield
        self.backend.reservations = groups

    def _inspect(self, form: Form) -> None:
        """Note what EC2's rules do not allow and boto3 does not check."""
        values = [name for name in form if re.fullmatch(r"Filter\.\d+\.Value\.\d+", name)]
        if len(values) > _MOST_VALUES:
            self.complaints.append(f"{form['Action']} has {len(values)} filter values, {_MOST_VALUES} are allowed")
        if form["Action"] != "RunInstances":
            return
        token = form["ClientToken"]
        if len(token) > 64 or not token.isascii():
            self.complaints.append(f"the ClientToken {token!r} is not of 64 ASCII characters at most")
        for name in form:
            thing = re.match(r"(NetworkInterface\.\d+\.|BlockDeviceMapping\.\d+\.Ebs\.)", name)
            if thing and form.get(f"{thing[0]}DeleteOnTermination") != "true":
                self.complaints.append(f"{thing[0]} would outlive its instance")


def _filters_of(form: Form) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, value in form.items():
        if match := re.fullmatch(r"Filter\.(\d+)\.Value\.\d+", name):
            found.setdefault(form[f"Filter.{match[1]}.Name"], set()).add(value)
    return found


def _with(request: Request, **parameters: object) -> Request:
    form = {**form_of(request), **{name: str(value) for name, value in parameters.items()}}
    return replace(request, body=urlencode(form).encode())


def _tags_for(form: Form, kind: str) -> Mapping[str, str]:
    found = {}
    for name, value in form.items():
        match = re.fullmatch(r"TagSpecification\.(\d+)\.Tag\.(\d+)\.Key", name)
        if match and form[f"TagSpecification.{match[1]}.ResourceType"] == kind:
            found[value] = form[f"TagSpecification.{match[1]}.Tag.{match[2]}.Value"]
    return found


def _answer(action: str, inner: str) -> Response:
    body = f'<{action}Response xmlns="{_NAMESPACE}"><requestId>0</requestId>{inner}</{action}Response>'
    return Response(200, body.encode(), _XML)
