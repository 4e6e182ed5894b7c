"""What several files of this folder share."""

from collections.abc import Iterator

import pytest

from tests.dns.azure_account import Rig, serving


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A stand-in for Azure, for one file."""
    with serving(tmp_path_factory.mktemp("tls")) as rig:
        yield rig
