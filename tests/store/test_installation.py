"""Bringing a database up to date: from nothing, back and forth, and by many at once."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from poolwright.store.check_in_tokens import controller_id, signing_key
from poolwright.store.engine import DatabaseURLError, Store, open_store
from poolwright.store.installation import REVISION, DatabaseOutdated, check_revision, migrations, upgrade
from poolwright.store.sealing import Sealer, new_key
from poolwright.store.tables import Table
from tests.store.scenes import at_once

UPGRADE = """
import sys
import alembic.command
from poolwright.store.check_in_tokens import controller_id
from poolwright.store.engine import open_store
from poolwright.store.installation import upgrade
from poolwright.store.sealing import Sealer
print("ready", flush=True)
sys.stdin.readline()
store = open_store(sys.argv[1], Sealer([sys.argv[2]]))
upgrade(store)
with store.read() as tx:
    print(controller_id(tx))
store.close()
"""


@pytest.fixture
def bare(empty_database_url: str) -> Iterator[Store]:
    """A store without tables."""
    found = open_store(empty_database_url, Sealer([new_key()]))
    yield found
    found.close()


def differences(store: Store) -> list[object]:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, Table.metadata))


def tables(store: Store) -> set[str]:
    with store.engine.connect() as connection:
        return set(inspect(connection).get_table_names())


def downgrade_to_nothing(store: Store) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations()))
    config.set_main_option("path_separator", "os")
    with store.engine.connect().execution_options(poolwright_write=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.downgrade(config, "base")


def identity(store: Store) -> tuple[str, str]:
    """Controller id and signing key: what must never be made twice."""
    with store.read() as tx:
        return controller_id(tx), signing_key(tx).get_secret_value()


class TestMigrations:
    def test_from_nothing_they_give_what_the_program_expects(self, bare: Store) -> None:
        upgrade(bare)
        assert differences(bare) == []
        assert tables(bare) == {*Table.metadata.tables, "alembic_version"}
        check_revision(bare)

    def test_indexes_with_a_condition_have_it(self, bare: Store) -> None:
        upgrade(bare)
        with bare.engine.connect() as connection:
            (index,) = (
                index
                for index in inspect(connection).get_indexes("servers")
                if index["name"] == "one_live_server_per_hostname"
            )
        condition = str(index["dialect_options"][f"{bare.engine.dialect.name}_where"])
        assert index["unique"]
        assert re.search(r"state.* (!=|<>) 'deleted'", condition)

    def test_back_to_nothing_and_up_again(self, bare: Store) -> None:
        upgrade(bare)
        before = identity(bare)
        downgrade_to_nothing(bare)
        assert tables(bare) <= {"alembic_version"}
        upgrade(bare)
        assert differences(bare) == []
        assert identity(bare) != before

    def test_the_program_names_the_newest_of_one_line(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(migrations()))
        config.set_main_option("path_separator", "os")
        scripts = ScriptDirectory.from_config(config)
        assert scripts.get_heads() == [REVISION]
        # Numbers in their order, since the program compares them.
        newest_first = [script.revision for script in scripts.walk_revisions()]
        assert newest_first == [f"{number:04}" for number in range(len(newest_first), 0, -1)]


class TestUpgrade:
    def test_it_may_be_repeated(self, bare: Store) -> None:
        upgrade(bare)
        before = identity(bare)
        upgrade(bare)
        assert identity(bare) == before
        assert re.fullmatch("[0-9a-f]{16}", before[0])

    def test_threads_may_do_it_at_once(self, empty_database_url: str) -> None:
        sealer = Sealer([new_key()])

        def start(_: int) -> tuple[str, str]:
            store = open_store(empty_database_url, sealer)
            upgrade(store)
            found = identity(store)
            store.close()
            return found

        assert len(set(at_once(4, start))) == 1

    @pytest.mark.slow
    def test_processes_may_do_it_at_once(self, tmp_path: Path) -> None:
        # To PostgreSQL a thread is as far away as a process; SQLite locks each of them in another way.
        url, key = f"sqlite:///{tmp_path / 'poolwright.db'}", new_key()
        started = [
            subprocess.Popen([sys.executable, "-c", UPGRADE, url, key], stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True)
            for _ in range(4)
        ]
        assert [process.stdout and process.stdout.readline() for process in started] == ["ready\n"] * 4
        for process in started:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=60) for process in started]
        assert [process.returncode for process in started] == [0] * 4, said
        assert len({answer for answer, _ in said}) == 1

    def test_with_another_key_it_says_so(self, bare: Store, empty_database_url: str) -> None:
        upgrade(bare)
        other = open_store(empty_database_url, Sealer([new_key()]))
        with pytest.raises(Exception, match="check-in-key was sealed with another key"):
            upgrade(other)
        other.close()


class TestRevision:
    def test_a_database_without_tables_is_outdated(self, bare: Store) -> None:
        with pytest.raises(DatabaseOutdated) as problem:
            check_revision(bare)
        assert str(problem.value) == (
            f"the database is at revision none, this program needs {REVISION}: run `poolwright database upgrade`"
        )

    def test_a_newer_database_is_left_alone(self, bare: Store) -> None:
        upgrade(bare)
        with bare.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        for attempt in (check_revision, upgrade):
            with pytest.raises(DatabaseOutdated, match=r"at revision 9999, .* a newer Poolwright has upgraded it"):
                attempt(bare)
        assert differences(bare) == []


class TestDatabaseURL:
    @pytest.mark.parametrize("url", ["", "nonsense", "sqlite", "://"])
    def test_one_that_cannot_be_read_is_refused_without_showing_it(self, url: str) -> None:
        with pytest.raises(DatabaseURLError, match="write sqlite:///FILE or postgresql"):
            open_store(url, Sealer([new_key()]))

    def test_another_database_is_refused(self) -> None:
        with pytest.raises(DatabaseURLError, match="'mysql' is not supported; use sqlite or postgresql"):
            open_store("mysql://user:secret@host/name", Sealer([new_key()]))

    def test_the_driver_need_not_be_named(self) -> None:
        store = open_store("postgresql://user:secret@host/name", Sealer([new_key()]))
        assert store.engine.url.drivername == "postgresql+psycopg"
        store.close()
