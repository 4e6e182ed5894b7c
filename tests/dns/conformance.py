"""The one suite for all DNS providers. See `harness` for how a provider is plugged in."""

from tests.dns.faults import Faults, Honesty
from tests.dns.ownership import ForeignMarks, ForeignRecords, Races
from tests.dns.reverse import Reverse
from tests.dns.writing import Listing, Removing, Writing


class DNSConformance(Writing, Removing, Listing, ForeignRecords, ForeignMarks, Races, Reverse, Faults, Honesty):
    """What holds for every DNS provider."""
