"""Where secrets come from, and that they show up nowhere but where they are sealed."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from poolwright.store import documents
from poolwright.store.engine import open_store
from poolwright.store.sealing import Sealer, new_key
from starter.configuration import checked
from starter.configuration.exporting import declared_body, export, full_body, to_yaml
from tests.starter.configuration.declarations import Declarations, place

DESKS = (
    "kind: autoscale\nname: desks-here\ntype: server\npool: desks\nzone: here\nvm_provider: small\n"
    "connection:\n  username: ada\n  password: {password}\n"
)
PLANTED = "pl4nt3d-s3cr3t"
NEWER = "n3w3r-s3cr3t"


def password_of(declared: Declarations) -> object:
    return declared.body("autoscale", "desks-here")["connection"]["password"]


class TestWhereTheyComeFrom:
    def test_from_the_file_itself(self, declared: Declarations) -> None:
        declared.apply(DESKS.format(password=PLANTED))
        assert password_of(declared) == PLANTED

    def test_from_an_environment_variable(self, declared: Declarations) -> None:
        declared.apply(DESKS.format(password="env:DESK_PASSWORD"), environment={"DESK_PASSWORD": PLANTED})
        assert password_of(declared) == PLANTED

    def test_from_another_file_without_its_last_line_break(self, declared: Declarations) -> None:
        declared.write("secrets/password", f"{PLANTED}\n")
        declared.apply(DESKS.format(password="file:secrets/password"))
        assert password_of(declared) == PLANTED

    def test_kept_as_stored(self, declared: Declarations) -> None:
        declared.apply(DESKS.format(password=PLANTED))
        declared.apply(DESKS.format(password="'stored:'").replace("ada", "bob"))
        assert password_of(declared) == PLANTED

    def test_anywhere_in_the_settings_of_a_provider(self, empty: Declarations, walled: None) -> None:
        empty.write("token", f"{PLANTED}-2\n")
        empty.apply(WALLED.format(region="north"), environment={"KEY": PLANTED})
        settings = empty.body("vm_provider", "one")["settings"]
        assert settings == {
            "region": "north",
            "api_key": PLANTED,
            "networks": [{"name": "a"}, {"name": "b", "join_token": f"{PLANTED}-2"}],
            "header_secrets": {"X-Key": f"{PLANTED}-3"},
        }

    def test_every_text_of_settings_that_no_model_describes_is_taken_for_a_secret(
        self, empty: Declarations, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(checked, "settings_model", lambda *_: None)
        empty.apply(
            f"kind: dns_provider\nname: zone\nprovider: route53\nsettings: {{a: {{b: {PLANTED}}}, c: [x-{PLANTED}]}}\n"
        )
        with empty.store.read() as tx:
            assert PLANTED not in str(documents.get_row(tx, "dns_provider", "zone").body)


WALLED = f"""
kind: vm_provider
name: one
provider: walled
max_instances: 1
settings:
  region: {{region}}
  api_key: env:KEY
  networks: [{{{{name: a}}}}, {{{{name: b, join_token: 'file:token'}}}}]
  header_secrets: {{{{X-Key: {PLANTED}-3}}}}
"""


class TestWhatCanBeWrong:
    def test_a_variable_that_is_not_set(self, declared: Declarations) -> None:
        problem = declared.problem(DESKS.format(password="env:DESK_PASSWORD"))
        assert place(problem) == ("test.yaml", 9, "autoscale desks-here", "connection.password", "env:DESK_PASSWORD")
        assert problem.what == "the environment variable DESK_PASSWORD is not set"
        assert "Set it where you run this command" in problem.remedy

    def test_a_variable_that_is_empty(self, declared: Declarations) -> None:
        problem = declared.problem(DESKS.format(password="env:DESK_PASSWORD"), environment={"DESK_PASSWORD": ""})
        assert problem.what == "the environment variable DESK_PASSWORD is empty"

    def test_a_file_that_is_not_there(self, declared: Declarations) -> None:
        problem = declared.problem(DESKS.format(password="file:gone"))
        assert place(problem) == ("test.yaml", 9, "autoscale desks-here", "connection.password", "file:gone")
        assert f"the file {declared.directory / 'gone'} cannot be read" in problem.what
        assert "relative to the YAML file" in problem.remedy

    def test_a_file_of_somebody_unknown(self, declared: Declarations) -> None:
        problem = declared.problem(DESKS.format(password="file:~nobody-of-this-name/password"))
        assert "~nobody-of-this-name/password cannot be read: No such file" in problem.what

    @pytest.mark.parametrize(("content", "what"), [(b"\n", "is empty"), (b"\xff\n", "is not UTF-8 text")])
    def test_a_file_that_holds_no_secret(self, declared: Declarations, content: bytes, what: str) -> None:
        (declared.directory / "password").write_bytes(content)
        assert declared.problem(DESKS.format(password="file:password")).what.endswith(what)

    def test_nothing_is_stored_yet(self, declared: Declarations) -> None:
        problem = declared.problem(DESKS.format(password="'stored:'"))
        assert place(problem) == ("test.yaml", 9, "autoscale desks-here", "connection.password", "stored:")
        assert "nothing is stored here" in problem.what
        assert problem.remedy == "Write the secret itself, env:NAME or file:PATH."

    @pytest.mark.parametrize("password", [f"[{PLANTED}]", f"{{{{a: {PLANTED}}}}}", "12345678", "true"])
    def test_a_secret_of_a_wrong_type_is_not_shown(self, declared: Declarations, password: str) -> None:
        problem = declared.problem(DESKS.format(password=password.replace("{{", "{").replace("}}", "}")))
        assert place(problem) == ("test.yaml", 9, "autoscale desks-here", "connection.password", "(secret)")
        assert problem.remedy == "Put it in quotes."
        assert PLANTED not in str(problem)
        assert "12345678" not in str(problem)

    def test_what_a_secret_is_not_is_only_said_when_it_is_there(self, empty: Declarations, walled: None) -> None:
        empty.write("token", "x")
        text = WALLED.format(region="north")
        assert empty.problem(text).what == "the environment variable KEY is not set"
        wrong = empty.problem(text, environment={"KEY": "*****"})
        assert (wrong.line, wrong.key, wrong.value) == (7, "settings.api_key", "(secret)")
        assert wrong.what == "is no key of this cloud: it has stars"

    def test_a_provider_that_tells_too_much_is_cut_short(self, empty: Declarations, walled: None) -> None:
        empty.write("token", "x")
        problem = empty.problem(WALLED.format(region="leaky"), environment={"KEY": PLANTED})
        assert (problem.line, problem.key, problem.value) == (6, "settings.region", '"leaky"')
        assert problem.what == "region leaky does not take the key (secret)"


class TestChanges:
    def test_a_new_secret_is_called_changed_without_being_shown(self, declared: Declarations) -> None:
        declared.apply(DESKS.format(password=PLANTED))
        (change,) = declared.difference(DESKS.format(password=NEWER))
        assert [str(field) for field in change.fields] == ["connection.password: (secret changed)"]
        assert change.reshapes

    def test_the_same_secret_from_elsewhere_is_no_change(self, declared: Declarations) -> None:
        declared.apply(DESKS.format(password=PLANTED))
        (change,) = declared.difference(DESKS.format(password="env:P"), {"P": PLANTED})
        assert change.change == "unchanged"

    def test_a_secret_that_is_left_out_is_called_removed_and_is_forgotten(self, declared: Declarations) -> None:
        declared.apply(DESKS.format(password=PLANTED))
        applied = declared.apply(DESKS.replace("  password: {password}\n", ""))
        assert [str(field) for field in applied.changes[0].fields] == ["connection.password: (secret removed)"]
        assert all(not str(row[0]).startswith("autoscale/") for row in declared.tables()["secrets"])

    def test_the_key_to_an_account_changes_no_vm(self, empty: Declarations, walled: None) -> None:
        empty.write("token", "x")
        empty.apply(WALLED.format(region="north"), environment={"KEY": PLANTED})
        (change,) = empty.difference(WALLED.format(region="north"), {"KEY": NEWER})
        assert [str(field) for field in change.fields] == ["settings.api_key: (secret changed)"]
        assert not change.reshapes
        (change,) = empty.difference(WALLED.format(region="south"), {"KEY": PLANTED})
        assert change.reshapes

    def test_after_the_key_is_lost_the_file_can_be_applied_again(self, declared: Declarations, tmp_path: Path) -> None:
        declared.apply(DESKS.format(password=PLANTED))
        declared.store.close()
        lost = open_store(f"sqlite:///{tmp_path / 'poolwright.db'}", Sealer([new_key()]))
        again = Declarations(lost, declared.directory)
        assert "sealed with a key that is gone" in again.problem(DESKS.format(password="'stored:'")).what
        again.apply(DESKS.format(password=PLANTED))
        assert password_of(again) == PLANTED
        lost.close()


class TestNothingLeaks:
    @pytest.fixture
    def everything(self, declared: Declarations, walled: None) -> Declarations:
        declared.write("token", PLANTED)
        declared.apply(
            WALLED.format(region="north")
            + "---\n"
            + DESKS.format(password=PLANTED)
            + f"---\nkind: ldap\nname: corp\nurls: ['ldaps://x']\nsearch_base: DC=x\nservice_account_dn: CN=s\n"
            f"service_account_password: {PLANTED}\n",
            environment={"KEY": PLANTED},
        )
        return declared

    def test_not_into_the_database_files(self, everything: Declarations, tmp_path: Path) -> None:
        everything.store.close()
        files = list(tmp_path.glob("poolwright.db*"))
        assert files
        for file in files:
            assert PLANTED.encode() not in file.read_bytes()

    def test_not_into_exports_with_or_without_defaults(self, everything: Declarations) -> None:
        with everything.store.read() as tx:
            rows = documents.rows(tx)
            texts = [export(tx), to_yaml(map(full_body, rows)), to_yaml(map(declared_body, rows))]
        for text in texts:
            assert PLANTED not in text
            assert "password: 'stored:'" in text

    def test_not_into_the_words_about_changes(self, everything: Declarations) -> None:
        changes = everything.difference(DESKS.format(password=NEWER))
        said = "".join(
            f"{change!r}{change.model_dump_json()}{[str(field) for field in change.fields]}" for change in changes
        )
        assert PLANTED not in said
        assert NEWER not in said

    @pytest.mark.parametrize("key", ["labels", "connection: {info", "connection: {info: {note"])
    def test_not_where_a_mapping_names_what_is_sealed(self, everything: Declarations, key: str) -> None:
        content = DESKS.format(password="'stored:'").partition("connection:")[0]
        content += f"{key}: {{$secret: ldap/corp/service_account_password}}" + "}" * key.count("{")
        problem = everything.problem(content)
        assert (problem.line, problem.what) == (7, "is what sealed secrets are stored under")
        assert (problem.key or "").endswith(".$secret")

    def test_not_even_into_a_problem_of_the_same_document(self, everything: Declarations) -> None:
        problems = everything.problems(DESKS.format(password=NEWER) + "nonsense: 1\ntotal_floor: 100\n")
        assert NEWER not in "".join(problem.model_dump_json() + str(problem) for problem in problems)


PROXMOX = f"""
kind: vm_provider
name: cluster
provider: proxmox
max_instances: 1
settings:
  host: pve.example.org
  username: keeper@pve!pools
  token_value: {PLANTED}
  template: golden
  vmid_first: 1000
  vmid_last: 1099
  config_override: {{{{onboot: true, cipassword: {{password}}}}}}
"""


class TestInOverrides:
    """Keys of a request of free form that are known to hold secrets."""

    @pytest.mark.parametrize("written", [NEWER, "env:GUEST", "'file:guest'"])
    def test_they_are_sealed_and_never_printed(self, empty: Declarations, written: str) -> None:
        empty.write("guest", f"{NEWER}\n")
        changed = empty.apply(PROXMOX.format(password=written), environment={"GUEST": NEWER}).changes
        assert empty.body("vm_provider", "cluster")["settings"]["config_override"] == {
            "onboot": True,
            "cipassword": NEWER,
        }
        with empty.store.read() as tx:
            (row,) = documents.rows(tx, "vm_provider")
            texts = [str(row.body), str(changed), export(tx), to_yaml([full_body(row)]), to_yaml([declared_body(row)])]
        assert NEWER not in "".join(texts)
        assert "cipassword: 'stored:'" in texts[2]

    def test_they_are_kept_as_stored(self, empty: Declarations) -> None:
        empty.apply(PROXMOX.format(password=NEWER))
        assert [str(one.change) for one in empty.difference(PROXMOX.format(password="'stored:'"))] == ["unchanged"]

    def test_what_was_stored_unsealed_is_sealed_without_being_shown(self, empty: Declarations) -> None:
        empty.apply(PROXMOX.format(password=NEWER))
        with empty.store.write() as tx:
            row = documents.get_row(tx, "vm_provider", "cluster")
            settings = {**row.body["settings"], "config_override": {"onboot": True, "cipassword": NEWER}}
            row.body = {**row.body, "settings": settings}
        changed = empty.apply(PROXMOX.format(password=NEWER)).changes
        assert NEWER not in str(changed)
        with empty.store.read() as tx:
            assert NEWER not in str(documents.get_row(tx, "vm_provider", "cluster").body)

    @pytest.mark.parametrize("password", ["12345678", "[12345678]"])
    def test_one_of_a_wrong_type_is_refused_and_not_shown(self, empty: Declarations, password: str) -> None:
        problem = empty.problem(PROXMOX.format(password=password))
        assert "cipassword is a secret and must be text; put it in quotes" in str(problem)
        assert password not in str(problem)


class TestAgainstATable:
    def test_the_environment_is_only_asked_for_what_is_named(self, declared: Declarations) -> None:
        asked: list[str] = []

        class Environment(Mapping[str, str]):
            def __getitem__(self, name: str) -> str:
                asked.append(name)
                return PLANTED

            def __iter__(self) -> Iterator[str]:
                raise AssertionError("nobody lists the environment")

            def __len__(self) -> int:
                return 1

        declared.apply(DESKS.format(password="env:ONLY_THIS"), environment=Environment())
        assert set(asked) == {"ONLY_THIS"}
