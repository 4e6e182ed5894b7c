"""Settings for an account at the stand-in."""

from typing import Any

from tests.wire.azure_cloud import GROUP, IMAGE, NAMED, REGION, SIZES, Subscription
from tests.wire.azure_login import CLIENT, SECRET, TENANT
from tests.wire.server import WireServer

PASSWORD = "Administrator-password-1"
SECRETS = (SECRET, PASSWORD)


def settings_for(server: WireServer, subscription: Subscription) -> dict[str, Any]:
    """Settings that work there: one size anywhere in the region."""
    publisher, offer, sku = IMAGE
    return {
        "subscription_id": subscription.id,
        "resource_group": GROUP,
        "tenant_id": TENANT,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "endpoint_url": server.url,
        "authority_url": server.url,
        "ca_file": server.ca_file,
        "region": REGION,
        "vm_sizes": [SIZES[0]],
        "image_reference": {"publisher": publisher, "offer": offer, "sku": sku},
        "os_username": "keeper",
        "os_password": PASSWORD,
        "ssh_public_key": "ssh-ed25519 AAAA keeper",
        **NAMED,
    }
