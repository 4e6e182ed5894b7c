"""The example startup scripts that join a domain: their tags, their size and their syntax."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Parser

from poolwright.domain.startup_script import TAGS, check, render, shell_of, size_problem

SCRIPTS = Path(__file__).parents[2] / "examples/startup-scripts"
LINUX = SCRIPTS / "join-linux.sh"
WINDOWS = SCRIPTS / "join-windows.ps1"
SMALLEST_LIMIT_BYTES = 16_384
JOIN_TAGS = {"ad_join_credential", "domain", "server_hostname", "checkin_jwt", "upstream_auth_address"}
# Quotes of every kind: a value that is not quoted breaks the script.
VALUES = {name: f"a'b\"c$d`e {name}" for name in JOIN_TAGS} | {"upstream_auth_address": "poolwright.corp.example"}


def rendered(script: Path, values: Mapping[str, str] = VALUES) -> str:
    return render(script.read_text(), values, "server").get_secret_value()


@pytest.mark.parametrize("script", [LINUX, WINDOWS], ids=lambda path: path.name)
class TestBoth:
    def test_the_tags_are_those_that_a_server_with_a_computer_record_has(self, script: Path) -> None:
        assert check(script.read_text(), JOIN_TAGS, "server") == ()
        used = set(re.findall(r"(?<!\{)\{(\w+)(?::\w+)?\}(?!\})", script.read_text()))
        assert used & TAGS.keys() == JOIN_TAGS

    def test_without_a_computer_record_it_is_refused(self, script: Path) -> None:
        problems = check(script.read_text(), JOIN_TAGS - {"ad_join_credential"}, "server")
        assert ["computer_record" in problem.message for problem in problems] == [True]

    def test_it_fits_where_the_least_is_taken(self, script: Path) -> None:
        assert size_problem(rendered(script), SMALLEST_LIMIT_BYTES, "any provider") is None

    def test_both_secrets_are_quoted_and_stand_in_one_place(self, script: Path) -> None:
        text = script.read_text()
        assert len(re.findall(r"\{ad_join_credential:(sh|powershell)\}", text)) == text.count("ad_join_credential") == 1
        assert len(re.findall(r"\{checkin_jwt:(json|powershell)\}", text)) == text.count("checkin_jwt") == 1


class TestLinux:
    def test_it_is_for_bash(self) -> None:
        assert shell_of(LINUX.read_text()) == "bash"

    def test_bash_can_read_it(self) -> None:
        read = subprocess.run(["bash", "-n"], input=rendered(LINUX), capture_output=True, text=True)
        assert (read.returncode, read.stderr) == (0, "")

    def test_shellcheck_has_nothing_to_say(self) -> None:
        shellcheck = shutil.which("shellcheck", path=str(Path(sys.executable).parent))
        assert shellcheck is not None
        # Of difficult values it would say that their dollar signs mean nothing: they should not.
        plain = dict.fromkeys(JOIN_TAGS, "value")
        read = subprocess.run([shellcheck, "-"], input=rendered(LINUX, plain), capture_output=True, text=True)
        assert (read.returncode, read.stdout) == (0, "")

    def test_the_password_is_given_to_a_builtin_and_goes_through_a_pipe(self) -> None:
        (line,) = (line for line in LINUX.read_text().splitlines() if "ad_join_credential" in line)
        assert line.strip().startswith("printf '%s' {ad_join_credential:sh} | adcli join ")


class TestWindows:
    def test_it_is_for_powershell(self) -> None:
        assert shell_of(WINDOWS.read_text()) == "powershell"

    def test_a_powershell_grammar_can_read_it(self) -> None:
        parser = Parser(Language(tree_sitter_powershell.language()))
        assert not parser.parse(rendered(WINDOWS).encode()).root_node.has_error
        assert parser.parse(WINDOWS.read_text().encode()).root_node.has_error, "the grammar takes anything"

    def test_the_files_that_it_leaves_for_the_restart_can_be_read_too(self) -> None:
        parser = Parser(Language(tree_sitter_powershell.language()))
        files = re.findall(r"= @'\n(.*?)\n'@", rendered(WINDOWS), re.DOTALL)
        assert len(files) == 2
        for file in files:
            assert not parser.parse(file.encode()).root_node.has_error

    def test_the_password_is_an_argument_of_no_program(self) -> None:
        (line,) = (line for line in WINDOWS.read_text().splitlines() if "ad_join_credential" in line)
        assert line.strip() == (
            "$password = ConvertTo-SecureString -String {ad_join_credential:powershell} -AsPlainText -Force"
        )
