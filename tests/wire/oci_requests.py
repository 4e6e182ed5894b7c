"""What every OCI service checks of a request: its signature, and its body against the models that the SDK ships."""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.wire.server import Request, Response

USER = "ocid1.user.oc1..poolwright"
TENANCY = "ocid1.tenancy.oc1..home"
FINGERPRINT = ":".join(["5e"] * 16)
REGION = "us-ashburn-1"
_BODY_HEADERS = ("content-length", "content-type", "x-content-sha256")
_PLAIN = {"str": str, "bool": bool, "int": int, "float": (int, float)}


class Identity:
    """A user with a new API key."""

    def __init__(self) -> None:
        # Short, since each provider that a test opens checks the whole key.
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=1024)

    @cached_property
    def private_key(self) -> str:
        """In PEM."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def private_key_with(self, passphrase: str) -> str:
        """In PEM, locked."""
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase.encode()),
        ).decode()

    def settings(self, url: str, compartment: str) -> dict[str, Any]:
        """An account's settings with this key."""
        return {
            "user_ocid": USER,
            "tenancy_ocid": TENANCY,
            "fingerprint": FINGERPRINT,
            "private_key": self.private_key,
            "region": REGION,
            "compartment_ocid": compartment,
            "endpoint_url": url,
            "calls_per_second": 10_000,
        }

    def refusal(self, request: Request) -> Response | None:
        """The service's answer to a request that is not signed with this key; None: it is."""
        try:
            self._verify(request)
        except (InvalidSignature, KeyError, ValueError) as error:
            return failed(401, "NotAuthenticated", f"The required information is missing or wrong. ({error!r})")
        return None

    def _verify(self, request: Request) -> None:
        parts = dict(re.findall(r'(\w+)="([^"]*)"', request.headers["authorization"]))
        names = parts["headers"].split(" ")
        wanted = {"date", "(request-target)", "host"}
        if request.method in ("POST", "PUT", "PATCH"):
            wanted |= set(_BODY_HEADERS)
            digest = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
            if request.headers["x-content-sha256"] != digest:
                raise ValueError("the body is not the one that was signed")
        if parts["keyId"] != f"{TENANCY}/{USER}/{FINGERPRINT}" or not wanted <= set(names):
            raise ValueError("another key, or too few headers")
        values = {**request.headers, "(request-target)": f"{request.method.lower()} {request.raw_path}"}
        text = "\n".join(f"{name}: {values[name]}" for name in names)
        self._key.public_key().verify(
            base64.b64decode(parts["signature"]), text.encode(), padding.PKCS1v15(), hashes.SHA256()
        )


@dataclass(frozen=True)
class Violation:
    """Where a body is not what the API describes."""

    where: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


def violations(value: Any, kind: str, models: Mapping[str, Any], where: str = "body") -> Iterator[Violation]:
    """Unknown keys and wrong types in a body that stands for this kind of model."""
    if kind.startswith("list["):
        if not isinstance(value, list):
            yield Violation(where, "not a list")
            return
        for number, one in enumerate(value):
            yield from violations(one, kind[5:-1], models, f"{where}[{number}]")
    elif kind.startswith("dict(str, "):
        if not isinstance(value, dict):
            yield Violation(where, "not an object")
            return
        for key, one in value.items():
            yield from violations(one, kind[10:-1], models, f"{where}.{key}")
    elif kind in _PLAIN:
        if not isinstance(value, _PLAIN[kind]) or (kind != "bool" and isinstance(value, bool)):  # type: ignore[arg-type]
            yield Violation(where, f"{value!r} is not {kind}")
    elif kind != "object":
        yield from _violations_of_model(value, kind, models, where)


def _violations_of_model(value: Any, kind: str, models: Mapping[str, Any], where: str) -> Iterator[Violation]:
    if not isinstance(value, dict):
        yield Violation(where, "not an object")
        return
    declared = models[kind]
    if hasattr(declared, "get_subtype"):
        try:
            kind = declared.get_subtype(value)
        except KeyError as missing:
            yield Violation(where, f"{missing} is missing, which tells the kinds of {kind} apart")
            return
    model = models[kind]()
    types = {model.attribute_map[name]: one for name, one in model.swagger_types.items()}
    for key, one in value.items():
        if key not in types:
            yield Violation(f"{where}.{key}", f"no attribute of {kind}")
        else:
            yield from violations(one, types[key], models, f"{where}.{key}")


def failed(status: int, code: str, message: str, **headers: str) -> Response:
    """An error as OCI words it."""
    return Response(status, {"code": code, "message": message}, {"opc-request-id": "request-1", **headers})


def with_request_id(response: Response) -> Response:
    """The answer with what OCI says with each: the id that its support asks for."""
    return replace(response, headers={"opc-request-id": "request-1", **response.headers})


def hidden() -> Response:
    """What OCI says of what does not exist and of what is forbidden."""
    return failed(404, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found.")
