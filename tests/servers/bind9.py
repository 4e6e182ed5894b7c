"""BIND name servers of the test run's own: throw-away zones on a port of 127.0.0.1, written and read with TSIG."""

import base64
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple, NoReturn, TypeVar

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.zone
import pytest
from dns.update import UpdateMessage
from dns.xfr import make_query

ZONE: Final = "pool.test"
NESTED_ZONE: Final = f"agents.{ZONE}"
"""A zone of its own below `ZONE`, on the same server."""
DELEGATED: Final = f"elsewhere.{ZONE}"
"""A domain below `ZONE` that other servers have."""
REVERSE_ZONE: Final = "2.0.192.in-addr.arpa"
REVERSE_ZONE_6: Final = "8.b.d.0.1.0.0.2.ip6.arpa"
NESTED_REVERSE_ZONE: Final = f"f.f.f.f.{REVERSE_ZONE_6}"
ZONES: Final = (ZONE, NESTED_ZONE, REVERSE_ZONE, REVERSE_ZONE_6, NESTED_REVERSE_ZONE)
BROKEN_ZONE: Final = "broken.test"
"""Configured, but its file is missing: the server answers SERVFAIL."""

START_SECONDS: Final = 20.0
STARTS: Final = 3
"""How often to start with another port, since a port that was free a moment ago may be taken by then."""
ANSWER_SECONDS: Final = 30.0
BATCH: Final = 200

Item = TypeVar("Item")


class Access(StrEnum):
    """Who may update and transfer."""

    KEYS = "keys"
    """The keys, as their names say."""
    ADMINISTRATOR = "administrator"
    """One key alone."""
    ANYBODY = "anybody"
    """Whoever asks, with no signature needed."""


class Key(NamedTuple):
    """A shared key of the server."""

    name: str
    algorithm: str
    secret: str
    """Base64."""

    def signer(self) -> dns.tsig.Key:
        """As the DNS library wants it."""
        return dns.tsig.Key(self.name, self.secret, self.algorithm)


class Record(NamedTuple):
    """A record, with its data in the spelling of zone files."""

    name: str
    """Without a dot at its end."""
    kind: str
    data: str
    ttl_seconds: int = 60


@dataclass(frozen=True)
class Keys:
    """The keys that each server knows, each named after what it may do."""

    updater: Key
    updater_384: Key
    updater_512: Key
    writer: Key
    """May update but not transfer."""
    reader: Key
    """May transfer but not update."""
    administrator: Key
    """The site's own: writes whatever it likes."""

    def all(self) -> Sequence[Key]:
        """All of them."""
        return tuple(vars(self).values())


def new_keys() -> Keys:
    """Keys that no other server knows."""

    def key(name: str, bits: int = 256) -> Key:
        return Key(name, f"hmac-sha{bits}", base64.b64encode(secrets.token_bytes(bits // 8)).decode())

    return Keys(
        updater=key("updater"),
        updater_384=key("updater-384", 384),
        updater_512=key("updater-512", 512),
        writer=key("writer"),
        reader=key("reader"),
        administrator=key("administrator"),
    )


@pytest.fixture(scope="session")
def bind9() -> Iterator["Nameserver"]:
    """A running name server with `ZONES`, shared by a run's tests: leave its zones as they were found."""
    with throw_away_nameserver() as server:
        yield server


@contextmanager
def throw_away_nameserver(keys: Keys | None = None, access: Access = Access.KEYS) -> Iterator["Nameserver"]:
    """A server of one's own with empty zones. Left out: new keys."""
    program = server_program()
    account = _unprivileged_account()
    # Not pytest's own temporary directory: that one is closed to the account which the server runs as.
    directory = Path(tempfile.mkdtemp(prefix="poolwright-bind9-"))
    server = Nameserver(program, directory, keys or new_keys(), account, access)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory)


def server_program(search_path: str | None = None) -> Path:
    """BIND's server program.

    Where there is none, the test that asked is skipped on a person's machine and fails in CI.
    """
    # Debian keeps it in a directory that only root has in PATH.
    found = shutil.which("named", path=search_path or f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        _give_up("BIND's server program is not installed (named is missing): on Debian, apt install bind9")
    return Path(found)


class Nameserver:
    """One BIND on 127.0.0.1. `port` takes both UDP and TCP and stays the same over a restart."""

    def __init__(
        self, program: Path, directory: Path, keys: Keys, account: pwd.struct_passwd | None, access: Access
    ) -> None:
        self.keys = keys
        self.port = 0
        self._directory = directory
        self._account = account
        self._process: subprocess.Popen[bytes] | None = None
        self._log = directory / "log"
        # A copy, since a system that confines programs by their path lets the installed one read no foreign directory.
        self._program = Path(shutil.copy(program, directory / "named"))
        self._access = access
        for zone in ZONES:
            (directory / zone).write_text(_zone_file(zone))

    def start(self) -> None:
        """Start, and wait until it answers: on its port if it had one, else on a free one."""
        for attempt in range(1, STARTS + 1):
            port = self.port or _free_port()
            (self._directory / "named.conf").write_text(self._configuration(port))
            self._give_directory_away()
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    [self._program, "-g", "-n", "1", "-c", self._directory / "named.conf"],
                    user=self._account and self._account.pw_uid,
                    group=self._account and self._account.pw_gid,
                    extra_groups=self._account and [],
                    cwd=self._directory,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            if self._answers(port):
                self.port = port
                return
            self.stop()
            if attempt == STARTS:
                raise RuntimeError(f"named does not answer on port {port}:\n{self._log.read_text()}")

    def stop(self) -> None:
        """Kill it, as a power cut would. What it accepted is in its journals, and there after the next start."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def add(self, *records: Record) -> None:
        """Add records as the site's administrator: no condition, no owner mark."""
        for batch in _batches(records, lambda record: record.name):
            update = self._update(batch[0].name)
            for record in batch:
                update.add(f"{record.name}.", record.ttl_seconds, record.kind, record.data)
            self._send(update)

    def remove(self, *names: str, kind: str | None = None) -> None:
        """Remove the records of this kind at these names, or all."""
        for batch in _batches(names, lambda name: name):
            update = self._update(batch[0])
            for name in batch:
                update.delete(f"{name}.", *([kind] if kind else []))
            self._send(update)

    def serial(self) -> int:
        """The serial number of `ZONE`: it grows with every change."""
        query = dns.message.make_query(f"{ZONE}.", "SOA")
        ((soa,),) = dns.query.tcp(query, "127.0.0.1", ANSWER_SECONDS, self.port).answer
        return int(soa.serial)

    def records(self) -> frozenset[Record]:
        """All records of all zones, but for those that every zone is born with."""
        found: set[Record] = set()
        for zone in ZONES:
            born_with = {(name, kind) for name, kind, _ in _FIRST_RECORDS.get(zone, ())} | {(zone, "SOA"), (zone, "NS")}
            found |= {record for record in self._transfer(zone) if (record.name, record.kind) not in born_with}
        return frozenset(found)

    def clear(self) -> None:
        """Remove whatever `records` tells."""
        self.remove(*{record.name for record in self.records()})

    def _transfer(self, zone: str) -> Iterator[Record]:
        content = dns.zone.Zone(f"{zone}.", relativize=False)
        query, _ = make_query(content, keyring=self.keys.administrator.signer())
        dns.query.inbound_xfr("127.0.0.1", content, query, self.port, lifetime=ANSWER_SECONDS)
        for name, ttl, data in content.iterate_rdatas():
            yield Record(name.to_text(omit_final_dot=True), data.rdtype.name, data.to_text(), ttl)

    def _update(self, name: str) -> UpdateMessage:
        return UpdateMessage(f"{_zone_of(name)}.", keyring=self.keys.administrator.signer())

    def _send(self, update: UpdateMessage) -> None:
        answer = dns.query.tcp(update, "127.0.0.1", ANSWER_SECONDS, self.port)
        assert answer.rcode() == dns.rcode.NOERROR, dns.rcode.to_text(answer.rcode())

    def _answers(self, port: int) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        question = dns.message.make_query(f"{ZONE}.", "SOA")
        # Signed, so that only this very server can answer, not another one that has taken the port.
        question.use_tsig(self.keys.administrator.signer())
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                return bool(dns.query.tcp(question, "127.0.0.1", 1, port).answer)
            except (OSError, EOFError, dns.exception.DNSException):
                time.sleep(0.02)
        return False

    def _configuration(self, port: int) -> str:
        keys = "\n".join(
            f'key "{key.name}" {{ algorithm {key.algorithm}; secret "{key.secret}"; }};' for key in self.keys.all()
        )
        updating, transferring = self._allowed(but="reader"), self._allowed(but="writer")
        zones = "\n".join(
            f'zone "{zone}" {{ type primary; file "{zone}"; allow-update {updating}; allow-transfer {transferring}; }};'
            for zone in (*ZONES, BROKEN_ZONE)
        )
        return f"""\
options {{
    directory "{self._directory}"; managed-keys-directory "{self._directory}";
    pid-file none; session-keyfile none; lock-file none;
    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    recursion no; dnssec-validation no; notify no; empty-zones-enable no;
}};
controls {{ }};
{keys}
{zones}
"""

    def _allowed(self, but: str) -> str:
        match self._access:
            case Access.KEYS:
                names = [key.name for key in self.keys.all() if key.name != but]
            case Access.ADMINISTRATOR:
                names = [self.keys.administrator.name]
            case Access.ANYBODY:
                return "{ any; }"
        return f"{{ {' '.join(f'key {name};' for name in names)} }}"

    def _give_directory_away(self) -> None:
        if self._account is not None:
            for path in (self._directory, *self._directory.iterdir()):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)


_FIRST_RECORDS: Final[Mapping[str, Sequence[tuple[str, str, str]]]] = {
    ZONE: (
        (f"ns.{ZONE}", "A", "127.0.0.1"),
        (NESTED_ZONE, "NS", f"ns.{ZONE}."),
        (DELEGATED, "NS", f"ns.{DELEGATED}."),
        (f"ns.{DELEGATED}", "A", "127.0.0.2"),
    )
}


def _zone_file(zone: str) -> str:
    first = "".join(f"{name}. {kind} {data}\n" for name, kind, data in _FIRST_RECORDS.get(zone, ()))
    return f"$TTL 60\n@ SOA ns.{ZONE}. hostmaster.{ZONE}. 1 3600 600 86400 60\n@ NS ns.{ZONE}.\n{first}"


def _zone_of(name: str) -> str:
    return max((zone for zone in ZONES if f".{name}".endswith(f".{zone}")), key=len)


def _batches(items: Iterable[Item], name_of: Callable[[Item], str]) -> Iterator[Sequence[Item]]:
    """Items of one zone at a time, and no more than fit into one message."""
    by_zone: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_zone[_zone_of(name_of(item))].append(item)
    for found in by_zone.values():
        yield from (found[start : start + BATCH] for start in range(0, len(found), BATCH))


def _unprivileged_account() -> pwd.struct_passwd | None:
    # As root it would run, but a name server has no business with that, nor has a test.
    if os.geteuid() != 0:
        return None
    accounts = {account.pw_name: account for account in pwd.getpwall()}
    return accounts.get("bind") or accounts.get("nobody")


def _free_port() -> int:
    while True:
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            stream.bind(("127.0.0.1", 0))
            port: int = stream.getsockname()[1]
            try:
                datagrams.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _give_up(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
