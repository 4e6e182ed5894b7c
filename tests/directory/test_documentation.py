"""What docs/directory.md says is what the check looks for and the tests grant."""

import inspect
import re
from pathlib import Path

from poolwright.directory import errors
from poolwright.directory.access_rights import NEEDED
from poolwright.directory.errors import DirectoryError
from poolwright.domain.autoscale import ComputerRecord
from poolwright.domain.resources import LDAPConfig
from tests.directory.administrator import DELEGATION

PAGE = (Path(__file__).parents[2] / "docs/directory.md").read_text()


class TestRights:
    def test_windows_commands_are_those_of_the_check(self) -> None:
        commands = re.findall(r'^dsacls "[^"]+" (.*)$', PAGE, re.MULTILINE)
        assert sorted(commands) == sorted(needed.grant.format(account="CORP\\svc-poolwright") for needed in NEEDED)

    def test_sambas_command_is_what_the_tests_grant(self) -> None:
        entries = re.findall(r"^(\(OA;.*\))", PAGE, re.MULTILINE)
        assert entries == [entry.format(sid="$SID") for entry in DELEGATION.values()]


class TestTables:
    def test_every_error_is_explained(self) -> None:
        kinds = {
            name
            for name, kind in inspect.getmembers(errors, inspect.isclass)
            if issubclass(kind, DirectoryError) and kind is not DirectoryError
        }
        assert set(re.findall(r"^\| `([A-Z]\w+)` \|", PAGE, re.MULTILINE)) == kinds

    def test_every_setting_in_the_examples_exists(self) -> None:
        ldap, record = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
        assert set(re.findall(r"^   (\w+):", ldap, re.MULTILINE)) <= LDAPConfig.model_fields.keys()
        assert set(re.findall(r"^     (\w+):", record, re.MULTILINE)) <= ComputerRecord.model_fields.keys()
