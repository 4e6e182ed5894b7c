"""A machine that joins the test domain: programs of this computer, run as if on another host.

A private view of the file system and a host name of its own; what the program writes to /etc and Samba's directories
stays in a directory of the member.
"""

import subprocess
from pathlib import Path

from tests.servers.samba import DOMAIN, REALM, SYSTEM_PATH, DomainController

# $1: directory of the member, $2: its host name; then the command.
_ENTER = """
set -e
member=$1 name=$2
shift 2
hostname "$name"
mount -t tmpfs -o mode=755 none "$member/over"
mkdir "$member/over/upper" "$member/over/work"
mount -t overlay -o "lowerdir=/etc,upperdir=$member/over/upper,workdir=$member/over/work" none /etc
for file in hosts resolv.conf krb5.conf krb5.keytab; do
    rm -f "/etc/$file"
    ln -s "$member/etc/$file" "/etc/$file"
done
for directory in /etc/samba /var/lib/samba /var/cache/samba /run/samba; do
    mkdir -p "$directory" "$member$directory"
    mount --bind "$member$directory" "$directory"
done
exec "$@"
"""


class DomainMember:
    """A host of the domain's network, which is not in the domain yet."""

    def __init__(self, domain_controller: DomainController, directory: Path, name: str) -> None:
        """`directory` is empty and the member's own."""
        self._directory = directory
        self._name = name
        for below in ("etc", "over", "etc/samba"):
            (directory / below).mkdir(parents=True, exist_ok=True)
        etc = directory / "etc"
        etc.joinpath("hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}.{DOMAIN} {name}\n")
        etc.joinpath("resolv.conf").write_text(f"nameserver {domain_controller.address}\nsearch {DOMAIN}\n")
        # As on a real member, domain controllers are found through DNS.
        etc.joinpath("krb5.conf").write_text(
            f"[libdefaults]\ndefault_realm = {REALM}\nrdns = false\ndns_canonicalize_hostname = false\n"
            "udp_preference_limit = 1\n"
        )
        etc.joinpath("krb5.keytab").write_bytes(b"\x05\x02")

    def run(
        self, *command: str | Path, entered: str = "", environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run this on the member; `entered` is its standard input."""
        return subprocess.run(
            [
                *("unshare", "--mount", "--uts", "--propagation", "private"),
                *("sh", "-c", _ENTER, "sh", self._directory, self._name, *command),
            ],
            input=entered,
            env={
                "PATH": SYSTEM_PATH,
                "LC_ALL": "C",
                "KRB5CCNAME": f"FILE:{self._directory}/tickets",
                **(environment or {}),
            },
            capture_output=True,
            text=True,
        )
