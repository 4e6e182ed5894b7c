"""Starting the local stack in the background."""

import stat
from pathlib import Path

import pytest

from starter.cli.exit_codes import ExitCode
from starter.settings import Settings
from starter.stack import background
from starter.stack.background import NotStarted


class TestUp:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        """What cannot start: two servers on one port."""
        return Settings(data_directory=tmp_path / "data", temporal_port=7233, ui_port=7233)

    def test_a_refusal_keeps_its_words_and_its_exit_code(self, settings: Settings) -> None:
        with pytest.raises(NotStarted, match="choose another with --ui-port") as refused:
            background.up(settings, [])
        assert refused.value.code == ExitCode.REFUSED

    def test_nobody_else_may_look_into_the_data_directory(self, settings: Settings) -> None:
        with pytest.raises(NotStarted):
            background.up(settings, [])
        assert stat.S_IMODE(settings.data_directory.stat().st_mode) == 0o700
