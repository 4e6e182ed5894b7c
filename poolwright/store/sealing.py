"""Secrets sealed at rest: authenticated encryption with a key ring that can be rotated."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr


class KeyProblem(Exception):
    """The key is missing, malformed, readable by others, or not the one that sealed a secret."""


class Sealer:
    """Seals with the first key of the ring, opens with any."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Raises `KeyProblem` when there is no key or one is malformed."""
        self._keys = _ring_of(keys)

    @property
    def _ring(self) -> MultiFernet:
        return self._keys

    def seal(self, identity: str, secret: SecretStr) -> bytes:
        """The secret, encrypted and bound to `identity`, so that it cannot be moved to another place."""
        payload = json.dumps({"identity": identity, "secret": secret.get_secret_value()})
        return self._ring.encrypt(payload.encode())

    def open(self, identity: str, sealed: bytes) -> SecretStr:
        """The secret again. Raises `KeyProblem` when no key of the ring opens it or it belongs elsewhere."""
        try:
            payload = json.loads(self._ring.decrypt(sealed))
        except InvalidToken:
            raise KeyProblem(
                f"the secret {identity} was sealed with another key: set POOLWRIGHT_KEY or POOLWRIGHT_KEY_FILE to the "
                "key ring that was used, or apply the configuration again"
            ) from None
        if payload["identity"] != identity:
            raise KeyProblem(f"the sealed value stored for {identity} belongs to {payload['identity']}")
        return SecretStr(payload["secret"])

    def reseal(self, identity: str, sealed: bytes) -> bytes:
        """The same secret under the first key of the ring. Raises `KeyProblem` as `open` does."""
        return self.seal(identity, self.open(identity, sealed))


class FileSealer(Sealer):
    """A sealer that follows its key file, so that a running program goes on when somebody rotates the key."""

    def __init__(self, key_file: Path) -> None:
        """Makes the file if it is missing. Raises `KeyProblem`."""
        self._file = key_file
        super().__init__(load_keys(key_file))
        # Of which file these keys are is not known: it may have been replaced since. The first use reads it again.
        self._version: tuple[int, int] | None = None

    @property
    def _ring(self) -> MultiFernet:
        # Looked at before it is read: replaced in between, it is read once more rather than never.
        now = self._file.stat()
        version = (now.st_ino, now.st_mtime_ns)
        if version != self._version:
            self._keys, self._version = _ring_of(load_keys(self._file)), version
        return self._keys


def new_key() -> str:
    """A fresh key."""
    return Fernet.generate_key().decode()


def _ring_of(keys: Sequence[str]) -> MultiFernet:
    if not keys:
        raise KeyProblem("the key ring is empty: `poolwright secrets rotate` or a new data directory makes a key")
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except (ValueError, TypeError):
        raise KeyProblem("a key of the key ring is malformed: each is 32 bytes in URL-safe base64") from None


def keys_in(text: str) -> list[str]:
    """The keys of a ring that an environment variable holds, separated by commas."""
    return [key.strip() for key in text.split(",") if key.strip()]


def load_keys(key_file: Path) -> list[str]:
    """The key ring of the file: one key a line, newest first.

    A missing file is made, with one new key and mode 0600. Raises `KeyProblem` when others may read the file.
    """
    if not key_file.exists():
        # Processes that start at once must agree on one key: the first link wins, and replaces nothing.
        with _written(key_file, [new_key()]) as written, suppress(FileExistsError):
            os.link(written, key_file)
    if key_file.stat().st_mode & 0o077:
        raise KeyProblem(f"the key file {key_file} can be read by others: chmod 600 {key_file}")
    return [line.strip() for line in key_file.read_text().splitlines() if line.strip()]


def write_keys(key_file: Path, keys: Sequence[str]) -> None:
    """Write the ring with mode 0600 in place of the one before, all or nothing."""
    with _written(key_file, keys) as written:
        written.replace(key_file)


@contextmanager
def _written(key_file: Path, keys: Sequence[str]) -> Iterator[Path]:
    """A file beside the key file, with mode 0600, that holds these keys. What is done with it survives a power cut."""
    key_file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = mkstemp(dir=key_file.parent, prefix=f"{key_file.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write("".join(f"{key}\n" for key in keys))
            file.flush()
            os.fsync(file.fileno())
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
    directory = os.open(key_file.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
