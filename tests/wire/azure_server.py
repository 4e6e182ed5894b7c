"""The stand-in for Azure, served over TLS."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.wire.azure_cloud import AzureCloud
from tests.wire.server import WireServer


@contextmanager
def azure_server(directory: Path) -> Iterator[tuple[WireServer, AzureCloud]]:
    """The server and its app. `directory` takes the certificate authority's file."""
    cloud = AzureCloud()
    with WireServer(cloud, tls_directory=directory) as server:
        cloud.login.base_url = server.url
        yield server, cloud
