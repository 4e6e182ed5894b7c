"""What the pages in docs/providers show is accepted, previews included, and their links lead somewhere."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from poolwright.dns import registry as dns_registry
from poolwright.domain.autoscale import DNSRegistration
from poolwright.domain.resources import DNSProviderConfig, VMProviderConfig
from poolwright.providers import registry
from tests.conformance.specs import OURS, spec_of

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted((DOCS / "providers").glob("*.md"))
VM_PAGES = [page for page in PAGES if not page.name.startswith("dns-")]
DNS_PAGES = [page for page in PAGES if page.name.startswith("dns-")]

pytestmark = pytest.mark.slow


def examples(page: Path, language: str = "yaml") -> list[Any]:
    """What stands in the page's blocks of this language."""
    blocks = re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)
    return [yaml.safe_load(block) for block in blocks]


def named(pages: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", pages, ids=lambda page: page.stem)


@pytest.fixture(scope="module")
def keys() -> Mapping[str, str]:
    """What stands behind the references and the shortened keys of the examples, where not any text will do."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    account = {
        "type": "service_account",
        "project_id": "pensive-voice-547511",
        "private_key": pem,
        "client_email": "poolwright@pensive-voice-547511.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return {
        "private_key": pem,
        "ssh_private_key": pem,
        "ssh_public_key": f"{public.decode()} desktops",
        "credentials_json": json.dumps(account),
    }


def filled_in(settings: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Any]:
    """The settings, with a secret for each reference and whole keys for shortened ones."""
    return {
        name: keys.get(name, "s3cret") if re.search("^env:|^file:|[.][.][.]", str(value)) else value
        for name, value in settings.items()
    }


class TestVMProviders:
    def test_each_cloud_has_a_page(self) -> None:
        assert {page.stem for page in VM_PAGES} == set(registry.kinds()) - {"local", "sim"}

    @named(VM_PAGES)
    def test_the_example_with_the_override_makes_a_request(self, page: Path, keys: Mapping[str, str]) -> None:
        document, *others = examples(page)
        (override,) = (
            part for other in others for part in (other, other.get("settings", {})) if "config_override" in part
        )
        config = VMProviderConfig.model_validate(document)
        provider = registry.open_provider(config.provider, {**filled_in(config.settings, keys), **override}, OURS)
        spec = spec_of("a").model_copy(update={"number": config.settings.get("vmid_first")})
        assert provider.preview(spec).request


class TestDNSProviders:
    def test_each_cloud_has_a_page(self) -> None:
        assert {page.stem.removeprefix("dns-") for page in DNS_PAGES} == set(dns_registry.kinds()) - {"rfc2136"}

    @named(DNS_PAGES)
    def test_the_examples_are_accepted(self, page: Path, keys: Mapping[str, str]) -> None:
        document, *registrations = examples(page)
        config = DNSProviderConfig.model_validate(document)
        dns_registry.settings_model(config.provider).model_validate(filled_in(config.settings, keys))
        for registration in registrations:
            assert DNSRegistration.model_validate(registration["dns"]).provider == config.name


class TestPages:
    @named(PAGES)
    def test_their_policies_can_be_pasted(self, page: Path) -> None:
        blocks = re.findall(r"```json\n(.*?)```", page.read_text(), re.DOTALL)
        assert all(isinstance(json.loads(block), dict) for block in blocks)

    @named(PAGES)
    def test_lead_to_all_their_settings(self, page: Path) -> None:
        heading = page.stem.replace("dns-", "DNS ")
        assert f"\n## {heading}\n" in (DOCS / "provider-settings.md").read_text()
        assert f"(../provider-settings.md#{heading.lower().replace(' ', '-')})" in page.read_text()

    @named(PAGES)
    def test_their_links_lead_somewhere(self, page: Path) -> None:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            assert target.startswith("https://") or (page.parent / target).exists(), target
