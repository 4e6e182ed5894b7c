"""An Active Directory domain controller of the test run's own: Samba, on one loopback address, with all it writes in
one temporary directory."""

import os
import secrets
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple, NoReturn

import psutil
import pytest

from tests.servers.certificates import Authority

DOMAIN = "ad.test"
REALM = "AD.TEST"
BASE_DN = "DC=ad,DC=test"
HOST = f"dc1.{DOMAIN}"
PACKAGES = ("samba-ad-dc", "samba-ad-provision", "winbind", "adcli", "krb5-user")
PROGRAMS = ("samba", "samba-tool", "samba_spnupdate", "winbindd", "unshare", "adcli", "kinit")
PROVISIONING_DATA = Path("/usr/share/samba/setup")
PORTS = (53, 88, 135, 389, 445, 464, 636)
START_SECONDS = 120
FIRST_TEST_SECONDS = 400
STOP_SECONDS = 10
LONGEST_RUN_SECONDS = 3600
"""The server ends itself after this, should the test run be killed."""
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class DomainController(NamedTuple):
    """A running domain controller."""

    directory: Path
    address: str
    """Loopback address; LDAPS and all else on the usual ports."""
    ca_file: Path
    administrator_password: str

    @property
    def url(self) -> str:
        """LDAPS URL, by its address, which is in the certificate."""
        return f"ldaps://{self.address}"

    @property
    def kerberos_settings(self) -> Path:
        """A krb5.conf for clients, without DNS."""
        return self.directory / "krb5.conf"

    def tool(self, *arguments: str) -> str:
        """Run samba-tool on the database itself, as nobody could from outside; what it printed."""
        database = ("-H", str(self.directory / "dc/private/sam.ldb"), "-s", str(self.directory / "smb.conf"))
        return _run(["samba-tool", *arguments, *database])

    def kinit(self, principal: str, password: str) -> bool:
        """Whether Kerberos accepts this password."""
        environment = {"PATH": SYSTEM_PATH, "KRB5_CONFIG": str(self.kerberos_settings), "KRB5CCNAME": "MEMORY:"}
        asked = subprocess.run(
            ["kinit", f"{principal}@{REALM}"], input=f"{password}\n", env=environment, capture_output=True, text=True
        )
        return asked.returncode == 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test comes first waits for the domain to be made, on a busy machine for minutes."""
    for item in items:
        if "domain_controller" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(FIRST_TEST_SECONDS))


@pytest.fixture(scope="session")
def domain_controller() -> Iterator[DomainController]:
    """A running domain controller of the empty domain ad.test. Shared by a run's tests: use an OU of your own."""
    require_samba()
    # Not pytest's own temporary directory: the names of sockets below it may have at most 107 characters.
    directory = Path(tempfile.mkdtemp(prefix="poolwright-samba-"))
    server = _Server(directory, _free_address())
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(directory)


def require_samba(programs: Sequence[str] = PROGRAMS, provisioning_data: Path = PROVISIONING_DATA) -> None:
    """Where a domain controller cannot run, the test is skipped on a person's machine and fails in CI."""
    absent = [program for program in programs if shutil.which(program, path=SYSTEM_PATH) is None]
    if absent or not provisioning_data.exists():
        _give_up(
            f"no domain controller can be started here ({', '.join(absent) or provisioning_data} is missing): "
            f"on Debian, apt install {' '.join(PACKAGES)}"
        )
    if os.geteuid() != 0:
        _give_up("a domain controller needs root, since it listens on ports below 1024")
    if subprocess.run(["unshare", "--mount", "--uts", "true"], capture_output=True).returncode:
        _give_up("a domain controller needs mount namespaces of its own, which are forbidden here")


class _Server:
    def __init__(self, directory: Path, address: str) -> None:
        self._directory = directory
        self._address = address
        self._root: subprocess.Popen[bytes] | None = None
        self._settings = directory / "smb.conf"

    def start(self) -> DomainController:
        """Make the domain and start its controller; returns when it answers."""
        for name in ("run", "log"):
            (self._directory / name).mkdir()
        running = DomainController(
            directory=self._directory,
            address=self._address,
            ca_file=self._directory / "ca.pem",
            # Complex enough for any policy.
            administrator_password=f"Aa1.{secrets.token_hex(12)}",
        )
        self._provision(running)
        # Samba's own certificate would cost seconds of processor time and name no address.
        Authority(self._directory, "ca.pem").sign("server", HOST, DOMAIN, self._address, "127.0.0.1")
        _write_server_settings(self._settings, self._directory, self._address)
        running.kerberos_settings.write_text(_kerberos_settings(self._address))
        # Left to itself, the server would add the names that Kerberos clients ask for some time after its start.
        _run(["samba_spnupdate", f"--configfile={self._settings}"])
        self._launch(running)
        self._await_answers(running)
        return running

    def stop(self) -> None:
        """End the server with all its processes, if it runs."""
        if self._root is None:
            return
        root = psutil.Process(self._root.pid) if self._root.poll() is None else None
        family = [root, *root.children(recursive=True)] if root else []
        self._root.terminate()
        _, left = psutil.wait_procs(family, timeout=STOP_SECONDS)
        for process in left:
            process.kill()
        self._root.wait()

    def _provision(self, running: DomainController) -> None:
        # An empty settings file, so that the machine's own is not read.
        empty = self._directory / "empty.conf"
        empty.write_text(f"[global]\nldb:nosync = true\nlog file = {self._directory}/log/provision\n")
        _run(
            [
                *("samba-tool", "domain", "provision", f"--configfile={empty}", f"--targetdir={self._directory}/dc"),
                *("--server-role=dc", "--dns-backend=SAMBA_INTERNAL", "--use-rfc2307"),
                *(f"--realm={REALM}", "--domain=ADTEST", "--host-name=dc1", f"--host-ip={self._address}"),
                f"--adminpass={running.administrator_password}",
                *(f"--option=interfaces={self._address}/8", "--option=bind interfaces only=yes"),
            ]
        )
        (self._directory / "dc/cache").mkdir(exist_ok=True)

    def _launch(self, running: DomainController) -> None:
        # smbd looks for winbindd in /run/samba whatever its settings say, so it gets a /run/samba of its own.
        Path("/run/samba").mkdir(parents=True, exist_ok=True)
        with (self._directory / "log/samba.log").open("ab") as log:
            self._root = subprocess.Popen(
                [
                    *("unshare", "--mount", "--propagation", "private"),
                    *("sh", "-c", 'mount --bind "$1" /run/samba && shift && exec "$@"', "sh", self._directory / "run"),
                    *(
                        "samba",
                        "--foreground",
                        "--no-process-group",
                        "--debug-stdout",
                        f"--configfile={self._settings}",
                    ),
                    *("--model=prefork", "--option=prefork children=1", f"--maximum-runtime={LONGEST_RUN_SECONDS}"),
                ],
                env={"PATH": SYSTEM_PATH, "LC_ALL": "C", "KRB5_CONFIG": str(running.kerberos_settings)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _await_answers(self, running: DomainController) -> None:
        assert self._root is not None
        deadline = time.monotonic() + START_SECONDS
        while not _answers(running):
            if self._root.poll() is not None or time.monotonic() > deadline:
                log = (self._directory / "log/samba.log").read_text(errors="replace")
                raise RuntimeError(f"the domain controller did not start: {log[-2000:]}")
            time.sleep(0.1)


def _answers(running: DomainController) -> bool:
    try:
        for port in PORTS:
            socket.create_connection((running.address, port), timeout=1).close()
        context = ssl.create_default_context(cafile=str(running.ca_file))
        with (
            socket.create_connection((running.address, 636), timeout=5) as connection,
            context.wrap_socket(connection, server_hostname=running.address),
        ):
            return True
    except OSError:
        return False


def _free_address() -> str:
    for _ in range(10):
        address = str(IPv4Address("127.128.0.0") + 256 * secrets.randbelow(2**14) + 7)
        with socket.socket() as listener:
            try:
                listener.bind((address, 636))
            except OSError:
                continue
            return address
    raise RuntimeError("no loopback address is free")


def _run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    finished = subprocess.run(
        command,
        env={"PATH": SYSTEM_PATH, "LC_ALL": "C", **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if finished.returncode:
        raise RuntimeError(f"{' '.join(command[:3])} ended with {finished.returncode}: {finished.stdout}")
    return finished.stdout


def _write_server_settings(file: Path, directory: Path, address: str) -> None:
    settings = {
        "netbios name": "DC1",
        "realm": REALM,
        "workgroup": "ADTEST",
        "server role": "active directory domain controller",
        "server services": "ldap, cldap, kdc, rpc, s3fs, winbindd, dns",
        "interfaces": f"{address}/8",
        "bind interfaces only": "yes",
        "disable netbios": "yes",
        "smb ports": "445",
        "tls certfile": directory / "server.pem",
        "tls keyfile": directory / "server-key.pem",
        "tls cafile": directory / "ca.pem",
        "private dir": directory / "dc/private",
        "state directory": directory / "dc/state",
        "cache directory": directory / "dc/cache",
        "lock directory": directory / "dc",
        "binddns dir": directory / "dc/bind-dns",
        "pid directory": directory / "run",
        "ncalrpc dir": directory / "run/ncalrpc",
        "winbindd socket directory": "/run/samba/winbindd",
        "ntp signd socket directory": directory / "run/ntp_signd",
        "usershare path": "",
        "log file": directory / "log/%m.log",
        "panic action": "",
        "load printers": "no",
        "printcap name": "/dev/null",
        "printing": "bsd",
        "disable spoolss": "yes",
        "allow dns updates": "disabled",
        "ldb:nosync": "true",
    }
    shares = {"sysvol": "", "netlogon": f"/{DOMAIN}/scripts"}
    file.write_text(
        "\n".join(
            [
                "[global]",
                *(f"{name} = {value}" for name, value in settings.items()),
                *(f"[{name}]\npath = {directory}/dc/state/sysvol{below}" for name, below in shares.items()),
            ]
        )
        + "\n"
    )


def _kerberos_settings(address: str) -> str:
    return f"""
[libdefaults]
    default_realm = {REALM}
    dns_lookup_realm = false
    dns_lookup_kdc = false
    dns_canonicalize_hostname = false
    rdns = false
    udp_preference_limit = 1
[realms]
    {REALM} = {{
        kdc = {address}
        kpasswd_server = {address}
    }}
[domain_realm]
    .{DOMAIN} = {REALM}
    {DOMAIN} = {REALM}
"""


def _give_up(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
