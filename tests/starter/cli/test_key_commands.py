"""`api-key`, `secrets rotate`, `database upgrade`, `provider`."""

from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner

from poolwright.store import api_keys, documents
from poolwright.store.sealing import KeyProblem, Sealer, load_keys, new_key, write_keys
from poolwright.store.secrets import all_secrets, reseal_all
from starter import key_rotation
from starter.cli import app
from starter.cli.exit_codes import ExitCode
from starter.key_rotation import rotate_key
from starter.settings import load_settings
from tests.starter.cli.program import CONFIGURATION, Program


class TestAPIKeys:
    def test_the_secret_is_printed_alone_and_works(self, program: Program) -> None:
        result = program.run("api-key", "create", "portal", "--role", "broker")
        with program.store.read() as tx:
            found = api_keys.find_key(tx, result.stdout.strip())
        assert found is not None
        assert found.name == "portal"
        assert "not shown again" in result.stderr

    def test_it_is_never_listed(self, program: Program) -> None:
        secret = program.json("api-key", "create", "portal")["secret"]
        assert secret not in program.run("api-key", "list").output
        assert secret not in str(program.json("api-key", "list"))

    def test_a_taken_name_and_an_unknown_role_are_refused(self, program: Program) -> None:
        program.run("api-key", "create", "portal")
        assert "choose another name" in program.error("api-key", "create", "portal", expect=ExitCode.REFUSED)
        program.run("api-key", "create", "x", "--role", "king", expect=ExitCode.USAGE)

    @pytest.mark.parametrize("name", ["", " ", "x" * 64])
    def test_a_name_is_there_and_short(self, program: Program, name: str) -> None:
        program.run("api-key", "create", name, expect=ExitCode.USAGE)
        assert program.json("api-key", "list") == []

    def test_a_revoked_key_works_no_more(self, program: Program) -> None:
        secret = program.run("api-key", "create", "portal").stdout.strip()
        program.run("api-key", "revoke", "portal")
        with program.store.read() as tx:
            assert api_keys.find_key(tx, secret) is None
        assert program.json("api-key", "list")[0]["revoked_at"]
        program.error("api-key", "revoke", "nobody", expect=ExitCode.NOT_FOUND)


def secrets_of(program: Program) -> list[str]:
    store = load_settings().open_store()
    try:
        with store.read() as tx:
            return sorted(secret.get_secret_value() for secret in all_secrets(tx))
    finally:
        store.close()


class TestRotate:
    def test_secrets_open_with_the_new_key_only(self, program: Program) -> None:
        before, old = secrets_of(program), load_keys(program.directory / "secrets.key")
        said = program.run("secrets", "rotate").stderr
        assert f"Sealed {len(before)} secret(s) with a new key." in said
        new = load_keys(program.directory / "secrets.key")
        assert len(new) == 1
        assert new != old
        assert secrets_of(program) == before
        program.store.sealer = Sealer(old)
        with program.store.read() as tx, pytest.raises(KeyProblem):
            documents.load(tx, "autoscale", "desks-here")

    @pytest.mark.parametrize("crash_at", ["reseal_all", "the second write_keys"])
    def test_a_crash_at_any_point_loses_nothing_and_it_can_be_repeated(
        self, program: Program, monkeypatch: pytest.MonkeyPatch, crash_at: str
    ) -> None:
        before, key_file = secrets_of(program), program.directory / "secrets.key"
        writes: list[int] = []

        def write(file: Path, keys: list[str]) -> None:
            writes.append(len(keys))
            if len(writes) == 2:
                raise OSError("crash")
            write_keys(file, keys)

        def crash(*_: object) -> int:
            raise OSError("crash")

        if crash_at == "reseal_all":
            monkeypatch.setattr(key_rotation, "reseal_all", crash)
        else:
            monkeypatch.setattr(key_rotation, "write_keys", write)
        with pytest.raises(OSError, match="crash"):
            rotate_key(program.store, key_file)
        monkeypatch.setattr(key_rotation, "reseal_all", reseal_all)
        monkeypatch.setattr(key_rotation, "write_keys", write_keys)
        assert secrets_of(program) == before
        program.run("secrets", "rotate")
        assert len(load_keys(key_file)) == 1
        assert secrets_of(program) == before

    def test_two_at_once_lose_nothing(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        before, key_file = secrets_of(program), program.directory / "secrets.key"
        others: list[Thread] = []

        def new_key_while_another_rotates() -> str:
            if not others:
                others.append(Thread(target=rotate_key, args=(program.store, key_file)))
                others[0].start()
                # With nothing to hold it back the other one is through by now.
                others[0].join(timeout=1)
            return new_key()

        monkeypatch.setattr(key_rotation, "new_key", new_key_while_another_rotates)
        rotate_key(program.store, key_file)
        others[0].join()
        assert len(load_keys(key_file)) == 1
        assert secrets_of(program) == before

    def test_a_key_from_the_environment_cannot_be_rotated(
        self, program: Program, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("POOLWRIGHT_KEY", load_keys(program.directory / "secrets.key")[0])
        assert "POOLWRIGHT_KEY_FILE" in program.error("secrets", "rotate", expect=ExitCode.REFUSED)


class TestDatabase:
    def test_upgrade_makes_it_and_may_be_repeated(self, data_directory: Path) -> None:
        for _ in range(2):
            result = CliRunner().invoke(app, ["database", "upgrade"])
            assert (result.exit_code, result.stderr) == (0, "The database is up to date.\n")
        assert CliRunner().invoke(app, ["get"]).exit_code == 0
        assert (data_directory / "secrets.key").stat().st_mode & 0o077 == 0


class TestProviders:
    def test_lists_kinds_with_the_configs_that_use_them(self, program: Program) -> None:
        program.server()
        providers = {one["provider"]: one["configs"] for one in program.json("provider", "list")}
        assert providers["sim"] == [{"name": "small", "in_use": 1, "max_instances": 4}]
        assert providers["local"] == []
        assert "small (1 of 4)" in program.run("provider", "list").stdout

    def test_a_config_without_a_fault_is_fine(self, program: Program) -> None:
        assert "small is fine." in program.run("provider", "check", "small").stderr

    def test_everything_that_is_wrong_is_listed(self, program: Program, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        settings = f"settings: {{directory: {tmp_path / 'file' / 'below'}, shell: no-such-shell}}"
        local = f"kind: vm_provider\nname: broken\nprovider: local\nmax_instances: 1\n{settings}\n"
        program.run("apply", "-", stdin=local)
        findings = program.json("provider", "check", "broken", expect=ExitCode.FAILED)
        assert {finding["setting"] for finding in findings} == {"directory", "shell"}

    def test_an_error_of_the_provider_is_a_finding(self, program: Program) -> None:
        failing = CONFIGURATION.replace(
            "max_instances: 4", "max_instances: 4\nsettings: {world: w, fail_next: {check: {authentication_failed: 1}}}"
        )
        program.run("apply", "-", stdin=failing)
        (finding,) = program.json("provider", "check", "small", expect=ExitCode.FAILED)
        assert finding["problem"].startswith("AuthenticationFailed:")

    def test_an_unknown_config_is_not_found(self, program: Program) -> None:
        program.error("provider", "check", "nothing", expect=ExitCode.NOT_FOUND)
