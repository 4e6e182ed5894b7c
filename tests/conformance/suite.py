"""The one suite for all VM providers. See `harness` for how a provider is plugged in."""

from tests.conformance.creation import Creation, LostResponses, Places, StartupScripts
from tests.conformance.faults import Honesty, RefusedCreations, UnknownIsNotGone
from tests.conformance.ownership import Deletion, Ownership, Reading


class ProviderConformance(
    Creation,
    LostResponses,
    StartupScripts,
    Places,
    Reading,
    Ownership,
    Deletion,
    RefusedCreations,
    UnknownIsNotGone,
    Honesty,
):
    """What holds for every provider."""
