"""What a person meets at `make`: a Python that plays along stands in for the real one, so that nothing is installed."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PYTHON = """\
#!/bin/sh
echo "$*" >> calls
case "$*" in
  *version_info*) [ ! -e too-old ] ;;
  --version) echo Python 3.9.18 ;;
  *ensurepip*) [ ! -e no-venv ] ;;
  "-m venv .venv") mkdir -p .venv/bin && cp python .venv/bin/python && cp poolwright .venv/bin/poolwright ;;
  *"pip install"*|*" install "*) [ ! -e no-network ] || { echo "ERROR: no route to host"; exit 1; } ;;
esac
"""

POOLWRIGHT = """\
#!/bin/sh
trap 'echo stopped; exit 0' INT TERM
echo "poolwright $*"
[ ! -e stays ] || while :; do sleep 0.05; done
"""


class Checkout:
    """A directory with the project's Makefile and programs that play along."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        shutil.copy(ROOT / "Makefile", directory)
        shutil.copy(ROOT / "pyproject.toml", directory)
        shutil.copytree(ROOT / "requirements", directory / "requirements")
        for name, text in {"python": PYTHON, "poolwright": POOLWRIGHT}.items():
            (directory / name).write_text(text)
            (directory / name).chmod(0o755)

    def make(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(self.command(*arguments), cwd=self.directory, capture_output=True, text=True)

    def command(self, *arguments: str) -> list[str]:
        # Not this run's own settings: the outer make may have been given a PYTHON of its own.
        return ["env", "-u", "MAKEFLAGS", "-u", "MAKELEVEL", "make", "PYTHON=./python", *arguments]

    def installs(self) -> list[str]:
        return [call for call in (self.directory / "calls").read_text().splitlines() if "--requirement" in call]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


class TestHelp:
    def test_make_alone_explains_and_does_nothing(self, checkout: Checkout) -> None:
        answer = checkout.make()
        assert "make run " in answer.stdout
        assert not (checkout.directory / ".venv").exists()

    def test_every_target_that_a_person_may_type_is_explained(self, checkout: Checkout) -> None:
        phony = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY:"))
        unexplained = {"help", "static"}
        for target in set(phony.removeprefix(".PHONY:").split()) - unexplained:
            assert f"make {target} " in checkout.make().stdout


class TestRun:
    def test_one_command_installs_and_runs_and_says_little(self, checkout: Checkout) -> None:
        answer = checkout.make("run", "ARGS=--port 1")
        assert answer.stdout.splitlines() == [
            "Installing the packages of requirements/run.txt into .venv (only when they have changed)",
            "poolwright up --port 1",
        ]
        assert answer.stderr == ""

    def test_the_second_time_nothing_is_installed(self, checkout: Checkout) -> None:
        checkout.make("run")
        assert checkout.make("run").stdout == "poolwright up\n"
        assert len(checkout.installs()) == 1

    def test_a_changed_pin_is_installed_and_so_is_the_way_back(self, checkout: Checkout) -> None:
        pins = checkout.directory / "requirements" / "run.txt"
        before = pins.read_text()
        for text in [before, before + "# changed\n", before]:
            pins.write_text(text)
            checkout.make("run")
        assert len(checkout.installs()) == 3

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_stops_poolwright_and_make_calls_it_no_error(
        self, checkout: Checkout, number: signal.Signals
    ) -> None:
        (checkout.directory / "stays").touch()
        running = subprocess.Popen(
            checkout.command("run"),
            cwd=checkout.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert running.stdout is not None
        while not running.stdout.readline().startswith("poolwright up"):
            assert running.poll() is None
        if number == signal.SIGINT:
            os.killpg(running.pid, number)  # a terminal sends Ctrl-C to make and to its children
        else:
            running.send_signal(number)
        rest, _ = running.communicate(timeout=60)
        # Where poolwright ends at the very moment make is told to stop, GNU make grumbles that it has no child left.
        assert rest.startswith("stopped\n")
        assert "Error" not in rest


class TestTrouble:
    def test_an_old_python_is_named_with_the_way_out(self, checkout: Checkout) -> None:
        (checkout.directory / "too-old").touch()
        answer = checkout.make("run")
        assert "needs Python 3.11 or newer, and './python' is Python 3.9.18" in answer.stderr
        assert "make PYTHON=python3.12" in answer.stderr

    def test_a_missing_python_is_named(self, checkout: Checkout) -> None:
        answer = checkout.make("run", "PYTHON=no-such-python")
        assert "'no-such-python' does not start" in answer.stderr

    def test_a_missing_venv_module_is_named_with_its_package(self, checkout: Checkout) -> None:
        (checkout.directory / "no-venv").touch()
        assert "apt install python3-venv" in checkout.make("run").stderr

    def test_the_words_of_pip_are_shown_and_the_next_try_installs_again(self, checkout: Checkout) -> None:
        (checkout.directory / "no-network").touch()
        failed = checkout.make("run")
        assert failed.returncode != 0
        assert "no route to host" in failed.stderr
        (checkout.directory / "no-network").unlink()
        assert checkout.make("run").stdout.endswith("poolwright up\n")


class TestInstalling:
    def test_every_package_is_checked_against_its_hash(self, checkout: Checkout) -> None:
        checkout.make("run")
        [install] = checkout.installs()
        assert "--require-hashes" in install

    def test_what_the_tests_need_holds_what_running_needs(self, checkout: Checkout) -> None:
        checkout.make("format")  # fails later: the stand-in brings no ruff
        checkout.make("run")
        assert [call.split()[-1] for call in checkout.installs()] == ["requirements/dev.txt"]
