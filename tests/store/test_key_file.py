"""The file of the key ring: made once however many begin at once, and read by its owner only."""

import subprocess
import sys
from pathlib import Path

import pytest

from poolwright.store import sealing
from poolwright.store.sealing import KeyProblem, load_keys, new_key, write_keys

START = """
import sys
from pathlib import Path
from poolwright.store.sealing import load_keys
for line in sys.stdin:
    print(*load_keys(Path(line.strip())), flush=True)
"""


class TestMakingIt:
    """A file that is missing is made, once."""

    def test_its_key_is_there_the_next_time(self, tmp_path: Path) -> None:
        file = tmp_path / "data" / "secrets.key"
        assert load_keys(file) == load_keys(file)
        assert file.stat().st_mode & 0o777 == 0o600
        assert list(file.parent.iterdir()) == [file]

    def test_who_comes_second_takes_the_key_of_who_came_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "secrets.key"
        first: list[str] = []

        def another_process_is_faster() -> str:
            monkeypatch.undo()
            first.extend(load_keys(file))
            return new_key()

        monkeypatch.setattr(sealing, "new_key", another_process_is_faster)
        assert load_keys(file) == first
        assert load_keys(file) == first

    def test_what_a_crash_left_behind_is_no_hindrance(self, tmp_path: Path) -> None:
        file = tmp_path / "secrets.key"
        for number in range(5):
            (tmp_path / f"secrets.key.{number}").write_text("half a ke")
        assert len(load_keys(file)) == 1

    @pytest.mark.slow
    def test_processes_that_start_at_once_agree(self, tmp_path: Path) -> None:
        command = [sys.executable, "-c", START]
        processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
        ]
        wanted = "".join(f"{tmp_path / str(number) / 'secrets.key'}\n" for number in range(200))
        for process in processes:
            assert process.stdin
            process.stdin.write(wanted)
            process.stdin.flush()
        answers = [process.communicate(timeout=60)[0].splitlines() for process in processes]
        assert len(answers[0]) == 200
        assert answers[0] == answers[1] == answers[2]


class TestReplacingIt:
    """`write_keys`."""

    def test_the_new_ring_takes_the_place_of_the_old(self, tmp_path: Path) -> None:
        file = tmp_path / "secrets.key"
        old = load_keys(file)
        ring = [new_key(), *old]
        write_keys(file, ring)
        assert load_keys(file) == ring
        assert file.stat().st_mode & 0o777 == 0o600
        assert list(tmp_path.iterdir()) == [file]


class TestReadingIt:
    """Nobody else may."""

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o622, 0o644])
    def test_a_file_that_others_can_read_is_refused_with_the_way_out(self, tmp_path: Path, mode: int) -> None:
        file = tmp_path / "secrets.key"
        load_keys(file)
        file.chmod(mode)
        with pytest.raises(KeyProblem, match="chmod 600"):
            load_keys(file)
