"""Replacing the key that seals stored secrets."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from poolwright.store.engine import Store
from poolwright.store.sealing import Sealer, load_keys, new_key, write_keys
from poolwright.store.secrets import reseal_all


def rotate_key(store: Store, key_file: Path) -> int:
    """Seal every secret with a new key, and forget the older ones. Returns how many were sealed.

    The file opens every secret at any moment: the new key is added first, then all secrets are sealed again in one
    transaction, and only then the old keys go. Repeatable after a crash; of two at once the second waits for the first.
    Raises `KeyProblem`.
    """
    with _alone(key_file):
        old = load_keys(key_file)
        new = new_key()
        write_keys(key_file, [new, *old])
        with store.write() as tx:
            count = reseal_all(tx, Sealer([new, *old]))
        write_keys(key_file, [new])
    return count


@contextmanager
def _alone(key_file: Path) -> Iterator[None]:
    """Nobody else rotates this key meanwhile: two that began with the same ring would drop each other's new key."""
    # The directory, since the file itself is replaced. The lock goes with the process, however that ends.
    directory = os.open(key_file.parent, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)
