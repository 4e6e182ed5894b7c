"""The package that an image installs holds every module and data file of the tree."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("poolwright", "activities", "workflows", "starter")


@pytest.mark.slow
class TestWheel:
    def test_it_holds_what_the_tree_holds(self, tmp_path: Path) -> None:
        arguments = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", str(tmp_path)]
        source = tmp_path / "source"
        self._copy_sources(source)
        subprocess.run([sys.executable, "-m", "pip", "wheel", *arguments, source], check=True, capture_output=True)
        [wheel] = tmp_path.glob("*.whl")
        held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
        files = (path for place in [*PACKAGES, "worker.py"] for path in [source / place, *(source / place).rglob("*")])
        assert held == {path.relative_to(source).as_posix() for path in files if path.is_file()}

    def _copy_sources(self, target: Path) -> None:
        # What git knows, not what lies about: a build must not depend on caches and leftovers.
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--", *PACKAGES, "worker.py", "pyproject.toml", "README.md", "LICENSE"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for name in filter(None, listed.split("\0")):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((ROOT / name).read_bytes())
