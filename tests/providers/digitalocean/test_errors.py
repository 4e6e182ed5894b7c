"""What each of DigitalOcean's refusals is called."""

import subprocess
import sys

import pytest

from poolwright.providers.digitalocean.errors import creating, error_of, translated
from poolwright.providers.errors import (
    AuthenticationFailed,
    CapacityUnavailable,
    Conflict,
    InvalidSettings,
    PermissionDenied,
    ProviderError,
    QuotaExceeded,
    Throttled,
    Transient,
)
from poolwright.vendors.digitalocean import Refused
from poolwright.vendors.faults import Fault

KINDS = {
    Fault.AUTHENTICATION: AuthenticationFailed,
    Fault.PERMISSION: PermissionDenied,
    Fault.QUOTA: QuotaExceeded,
    Fault.CAPACITY: CapacityUnavailable,
    Fault.INVALID: InvalidSettings,
    Fault.MISSING: Transient,
    Fault.CONFLICT: Conflict,
    Fault.THROTTLED: Throttled,
    Fault.UNKNOWN: Transient,
}


class TestErrors:
    @pytest.mark.parametrize("fault", Fault)
    def test_have_one_table(self, fault: Fault) -> None:
        with pytest.raises(ProviderError) as raised, translated():
            raise Refused(fault, "droplets.create: HTTP 400, no")
        assert type(raised.value) is KINDS[fault]
        assert str(raised.value).startswith("DigitalOcean: droplets.create: HTTP 400, no; ")

    def test_something_missing_is_never_said_to_be_the_droplet(self) -> None:
        with pytest.raises(Transient), translated():
            raise Refused(Fault.MISSING, "tags.assign_resources: HTTP 404")

    def test_something_missing_for_a_creation_is_a_wrong_setting(self) -> None:
        with pytest.raises(InvalidSettings), creating():
            raise Refused(Fault.MISSING, "droplets.create: HTTP 404")

    def test_throttling_keeps_its_time(self) -> None:
        error = error_of(Refused(Fault.THROTTLED, "slow down", retry_after_seconds=7))
        assert isinstance(error, Throttled)
        assert error.retry_after_seconds == 7


class TestImports:
    def test_no_sdk_is_imported_before_the_first_call(self) -> None:
        script = (
            "import sys; from poolwright.providers.registry import open_provider; "
            "open_provider('digitalocean', {'regions': ['fra1'], 'sizes': ['c-2'], 'image': 'debian-13'}, 'c1'); "
            "sys.exit('pydo' in sys.modules or 'azure' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0
