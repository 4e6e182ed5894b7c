"""Chance that can be repeated: draws computed from a seed and from what they are for.

No generator is stepped, so a draw does not depend on how many were made before it. Two simulations with the same seed
have the same luck: the same people come at the same times, and the tenth server of a config boots equally long in both,
however different their settings are. What differs between them is then due to the settings.
"""

from hashlib import blake2b
from struct import Struct
from typing import Protocol

_FOUR_NUMBERS = Struct("<4Q")
_SCALE = 2.0**-52


class Draws(Protocol):
    """Where a simulation takes its chance from."""

    def uniforms(self, purpose: str, number: int) -> tuple[float, float, float, float]:
        """Four independent numbers above 0 and below 1. The same purpose and number give the same four."""
        ...


class HashedDraws:
    """Draws by hashing the seed, the purpose and the number."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def uniforms(self, purpose: str, number: int) -> tuple[float, float, float, float]:
        """See `Draws`."""
        digest = blake2b(f"{self._seed}/{purpose}/{number}".encode(), digest_size=32).digest()
        first, second, third, fourth = _FOUR_NUMBERS.unpack(digest)
        # 52 bits and a half: neither 0 nor 1 can come out, which some distributions would turn into infinity.
        return (
            ((first >> 12) + 0.5) * _SCALE,
            ((second >> 12) + 0.5) * _SCALE,
            ((third >> 12) + 0.5) * _SCALE,
            ((fourth >> 12) + 0.5) * _SCALE,
        )
