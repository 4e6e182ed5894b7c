"""A certificate authority of one's own, which the environment must not outvote (trap 12)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from poolwright.providers.errors import InvalidSettings, Transient
from poolwright.providers.oci.provider import open_provider
from tests.wire.guard import only_this_machine
from tests.wire.oci_cloud import OCICloud
from tests.wire.oci_requests import Identity
from tests.wire.server import WireServer

pytestmark = pytest.mark.slow


class TestTLS:
    def test_ca_file_wins_over_the_environment(
        self, account: Mapping[str, Any], identity: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = tmp_path / "other"
        other.mkdir()
        with WireServer(OCICloud(identity), tls_directory=other) as stranger, only_this_machine():
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(stranger.ca_file))
            with WireServer(OCICloud(identity), tls_directory=tmp_path) as server:
                settings = {**account, "endpoint_url": server.url}
                assert open_provider({**settings, "ca_file": server.ca_file}, "controller-1").list_owned() == []
                with pytest.raises(Transient):
                    open_provider(settings, "controller-1").list_owned()

    def test_a_ca_file_that_is_not_there_is_named(self, account: Mapping[str, Any], tmp_path: Path) -> None:
        provider = open_provider({**account, "ca_file": tmp_path / "missing.pem"}, "controller-1")
        with pytest.raises(InvalidSettings, match=r"missing\.pem is no file"):
            provider.list_owned()
        (finding,) = provider.check()
        assert finding.setting == "ca_file"
