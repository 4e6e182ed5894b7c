"""How startup scripts are handed over."""

import gzip
import random

import pytest

from poolwright.providers.aws.provider import AWSProvider
from poolwright.providers.aws.settings import OperatingSystem
from poolwright.providers.aws.user_data import LIMIT_BYTES, script_limit_bytes, user_data_bytes, user_data_text
from poolwright.providers.errors import InvalidSettings
from tests.conformance.specs import spec_of
from tests.wire.aws import AWSHarness

pytestmark = pytest.mark.slow


class TestLinux:
    def test_a_script_goes_as_it_is(self) -> None:
        assert user_data_bytes("#!/bin/sh\n", OperatingSystem.LINUX) == b"#!/bin/sh\n"

    def test_one_that_is_too_large_is_compressed_and_always_to_the_same_bytes(self) -> None:
        script = "#!/bin/sh\n" + "echo hello\n" * 5000
        packed = user_data_bytes(script, OperatingSystem.LINUX)
        assert gzip.decompress(packed).decode() == script
        assert packed == user_data_bytes(script, OperatingSystem.LINUX)

    def test_one_of_the_largest_size_is_not_compressed(self) -> None:
        assert len(user_data_bytes("x" * LIMIT_BYTES, OperatingSystem.LINUX)) == LIMIT_BYTES

    def test_one_that_does_not_compress_enough_is_refused_before_anything_is_asked(
        self, account: AWSHarness, provider: AWSProvider
    ) -> None:
        noise = random.Random(1).randbytes(30_000).hex()
        with pytest.raises(InvalidSettings, match=str(LIMIT_BYTES)):
            provider.create(spec_of("a", script=noise))
        assert account.server.requests == []

    def test_a_compressed_script_arrives(self, account: AWSHarness, provider: AWSProvider) -> None:
        script = "#!/bin/sh\n" + "echo hello\n" * 5000
        assert account.received_script(provider.create(spec_of("a", script=script))) == script.encode()


class TestWindows:
    def test_a_script_is_framed(self) -> None:
        assert user_data_text("Get-Date", OperatingSystem.WINDOWS) == "<powershell>\nGet-Date\n</powershell>"

    @pytest.mark.parametrize(
        "script",
        [
            "<powershell>\nGet-Date\n</powershell>\n<persist>true</persist>",
            "\n<PowerShell>Get-Date</PowerShell>",
            "<script>\ndir\n</script>",
            "version: 1.1\ntasks: []\n",
        ],
    )
    def test_one_that_is_framed_already_stays_as_it_is(self, script: str) -> None:
        assert user_data_text(script, OperatingSystem.WINDOWS) == script

    def test_nothing_stays_nothing(self) -> None:
        assert user_data_bytes("", OperatingSystem.WINDOWS) == b""

    def test_is_never_compressed(self) -> None:
        limit = script_limit_bytes(OperatingSystem.WINDOWS)
        assert limit is not None
        assert len(user_data_bytes("x" * limit, OperatingSystem.WINDOWS)) == LIMIT_BYTES
        with pytest.raises(InvalidSettings, match=str(LIMIT_BYTES)):
            user_data_bytes("x" * (limit + 1), OperatingSystem.WINDOWS)
