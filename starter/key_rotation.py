"""Replacing the key that seals stored secrets."""

from pathlib import Path

from poolwright.store.engine import Store
from poolwright.store.sealing import Sealer, load_keys, new_key, write_keys
from poolwright.store.secrets import reseal_all


def rotate_key(store: Store, key_file: Path) -> int:
    """Seal every secret with a new key, and forget the older ones. Returns how many were sealed.

    The file opens every secret at any moment: the new key is added first, then all secrets are sealed again in one
    transaction, and only then the old keys go. Repeatable after a crash. Raises `KeyProblem`.
    """
    old = load_keys(key_file)
    new = new_key()
    write_keys(key_file, [new, *old])
    with store.write() as tx:
        count = reseal_all(tx, Sealer([new, *old]))
    write_keys(key_file, [new])
    return count
