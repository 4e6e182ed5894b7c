"""Where no domain controller can run, a person is told what to install and CI fails."""

from pathlib import Path

import pytest

from tests.servers.samba import require_samba


class TestWithoutSamba:
    def test_a_person_is_told_what_to_install(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("CI", raising=False)
        with pytest.raises(pytest.skip.Exception, match="apt install samba-ad-dc samba-ad-provision winbind"):
            require_samba(provisioning_data=tmp_path / "absent")

    def test_ci_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CI", "true")
        with pytest.raises(pytest.fail.Exception, match=r"\(no-such-program is missing\)"):
            require_samba(programs=("no-such-program",))
