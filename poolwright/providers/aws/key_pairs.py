"""The key pair of an installation, and Windows passwords, which EC2 encrypts for it."""

import base64
import hashlib
import threading
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key
from pydantic import SecretStr

from poolwright.providers.aws.calls import Calls
from poolwright.providers.aws.marks import CONTROLLER_TAG, tag_list
from poolwright.providers.aws.settings import Settings, rsa_private_key
from poolwright.providers.errors import InvalidSettings

_SHORTEST_PASSWORD: Final = 6

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import TagSpecificationTypeDef


class ImportedKeyPair:
    """`ssh_public_key` as a key pair in the region: one for this installation and key, not one for each VM.

    It stays when VMs go, because the next ones need it.
    """

    def __init__(self, public_key: str, controller_id: str) -> None:
        key = load_ssh_public_key(public_key.encode()).public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        # By key and controller, so that a name that exists can only be the same key of the same installation.
        self.name = f"poolwright-{hashlib.sha256(controller_id.encode() + b'/' + key).hexdigest()[:32]}"
        self._public_key, self._controller_id = public_key, controller_id
        self._is_there, self._lock = False, threading.Lock()

    @property
    def tags(self) -> "TagSpecificationTypeDef":
        """Whose key pair it is; no server's."""
        return {"ResourceType": "key-pair", "Tags": tag_list({CONTROLLER_TAG: self._controller_id})}

    def ensure(self, calls: Calls) -> None:
        """Have it in the region. One call for the first VM, none for the others."""
        with self._lock:
            if not self._is_there:
                calls.import_key_pair(self.name, self._public_key, self.tags)
                self._is_there = True

    def forget(self) -> None:
        """Import it again for the next VM: somebody deleted it."""
        with self._lock:
            self._is_there = False


def decrypted_password(settings: Settings, data: str) -> SecretStr | None:
    """The password in what GetPasswordData gave; None while it gave nothing.

    Raises `InvalidSettings` when it was not encrypted for our key.
    """
    if not data:
        return None
    assert settings.ssh_private_key is not None, "retrieve_windows_password needs it"
    try:
        password = rsa_private_key(settings.ssh_private_key).decrypt(base64.b64decode(data), PKCS1v15()).decode()
    except ValueError:
        password = ""
    # With a wrong key OpenSSL gives random bytes rather than an error: by chance text, but hardly a password.
    if len(password) < _SHORTEST_PASSWORD or not password.isprintable():
        raise InvalidSettings(
            "the Windows password was encrypted for another key; give the ssh_private_key that belongs to the key pair"
        )
    return SecretStr(password)
