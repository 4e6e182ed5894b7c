"""A Proxmox VE cluster for tests: fakepve, whose guests' agents write files and run programs for real.

fakepve checks every request by the schema of Proxmox VE 9 and answers 400 to what that does not allow.
"""

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from fakepve import FakePve
from fakepve.certs import make_cert
from fakepve.model import PveError

TOKEN_ID = "poolwright@pve!tests"
TOKEN_VALUE = "f00dfeed-0000-4000-8000-c0ffeec0ffee"
TEMPLATE = "golden"
SCRIPT_DIRECTORY = "/root"
STORAGE = "local-lvm"
ANSWER_SECONDS = 60
SETTLE_SECONDS = 0.4
"""How long the agent waits for a program before it answers that it has started it."""


@cache
def _certificate() -> tuple[str, str]:
    certificate, key, _ = make_cert(mkdtemp(prefix="fakepve-"), hosts=("127.0.0.1",))
    return certificate, key


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="fakepve", daemon=True).start()
    return loop


class ProxmoxCluster(FakePve):  # type: ignore[misc]
    """Two nodes, a template called `golden` on each, and a token that may do everything."""

    def __init__(self, directory: Path) -> None:
        super().__init__(host="127.0.0.1", port=0)
        self._directory = directory
        self._programs: dict[tuple[int, int], subprocess.Popen[bytes]] = {}
        self.loses_answers_to = ""
        """Requests whose path ends so have their effect, and then the connection breaks."""
        self.before_clones: Callable[[], object] | None = None
        """What somebody else does just before the next clone."""
        self.listed_as: dict[int, str] = {}
        """VM -> status that the list still tells of it."""
        self.apitokens[TOKEN_ID] = TOKEN_VALUE
        self.storages[STORAGE]["volumes"] = {}
        self.add_node("pve2")
        self.add_template(100, "pve1")
        self.add_template(101, "pve2")

    @property
    def ca_file(self) -> str:
        return _certificate()[0]

    def settings(self) -> dict[str, Any]:
        """Settings of a provider on this cluster."""
        return {
            "host": self.url,
            "username": "poolwright@pve",
            "token_name": "tests",
            "token_value": TOKEN_VALUE,
            "ca_file": self.ca_file,
            "template": TEMPLATE,
            "vmid_first": 1_000,
            "vmid_last": 901_000,
        }

    def serve(self) -> None:
        """Listen until `close`."""
        self.run(self.start(*_certificate()))

    def close(self) -> None:
        for program in self._programs.values():
            _kill(program)
        self.run(self.stop())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do this in the cluster's own thread."""
        return asyncio.run_coroutine_threadsafe(work, _loop()).result(ANSWER_SECONDS)

    def add_template(self, number: int, node: str, name: str = TEMPLATE) -> Any:
        disk = f"base-{number}-disk-0"
        self.storages[STORAGE]["volumes"][disk] = {
            "content": "images",
            "format": "raw",
            "size": 1024**3,
            "vmid": number,
            "ctime": 1,
        }
        config = {
            "scsi0": f"{STORAGE}:{disk},size=1G",
            "net0": f"virtio=BC:24:11:00:{number:02X}:01,bridge=vmbr0",
            "agent": "1",
            "template": 1,
            "tags": "golden",
        }
        return self.add_vm(number, name, node=node, template=True, config=config)

    def boot(self, number: int, *addresses: str) -> None:
        """The guest's agent begins to answer."""
        vm = self.vm(number)
        own = str(vm.config["net0"]).partition("=")[2].partition(",")[0]
        told = addresses or (f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",)
        vm.agent = {
            "interfaces": [
                {"name": "lo", "hardware-address": "00:00:00:00:00:00", "ip-addresses": [_address("127.0.0.1")]},
                {
                    "name": "eth0",
                    "hardware-address": own.lower(),
                    "ip-addresses": [_address("fe80::1"), *(_address(address) for address in told)],
                },
            ]
        }

    def clones(self) -> list[Any]:
        return [vm for vm in self.vms if not vm.template]

    def disks(self) -> list[str]:
        """Disks that are not the templates'."""
        volumes = self.storages[STORAGE]["volumes"]
        return [name for name in volumes if not name.startswith("base-")]

    def count(self, method: str, end: str = "") -> int:
        """How many such requests came."""
        return sum(one == method and path.endswith(end) for one, path, _ in self.requests)

    def guest_directory(self, number: int) -> Path:
        """What the guest has at `/root`."""
        directory = self._directory / f"guest-{number}"
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def restart_guest(self, number: int) -> None:
        """All that runs in the guest dies."""
        for (vm, _), program in self._programs.items():
            if vm == number:
                _kill(program)
        self._programs = {key: program for key, program in self._programs.items() if key[0] != number}

    @contextmanager
    def failing(self, status: int, message: str, *ends: tuple[str, str]) -> Iterator[None]:
        """Answer requests of this method and end of path so; all requests where none are named."""
        rules = ends or tuple((method, "") for method in ("GET", "POST", "PUT", "DELETE"))
        for method, end in rules:
            self.fail(method, end, status, message)
        yield
        for rule in rules:
            self.failures.pop(rule, None)

    async def _answer(self, request: Any, handler: Any, generic: Any, path_node: Any) -> Any:
        if self.before_clones and request.path.endswith("/clone"):
            self.before_clones()
            self.before_clones = None
        response = await super()._answer(request, handler, generic, path_node)
        if self.loses_answers_to and request.path.endswith(self.loses_answers_to):
            request.transport.close()
        return response

    async def _resources(self, request: Any) -> Any:
        true = {vm: vm.status for vm in self.vms}
        for vm in self.vms:
            vm.status = self.listed_as.get(vm.vmid, vm.status)
        try:
            return await super()._resources(request)
        finally:
            for vm, status in true.items():
                vm.status = status

    async def _qm_destroy(self, values: Any, user: str) -> Any:
        # Proxmox VE, unlike fakepve, destroys a hibernated VM without regard to its lock.
        vm = self.find(values["node"], values["vmid"])
        if vm.lock == "suspended":
            self.unlock(vm.vmid)
        return await super()._qm_destroy(values, user)

    async def _agent_call(self, match: Any, values: Any) -> Any:
        number, command = int(values["vmid"]), match.template.rsplit("/", 1)[1]
        if command == "exec-status" and (number, values["pid"]) not in self._programs:
            raise PveError(500, f"Agent error: Invalid parameter 'PID {values['pid']}'")
        answer = await super()._agent_call(match, values)
        if command == "file-write":
            self._in_guest(number, values["file"]).write_bytes(values["content"].encode())
        elif command == "exec":
            await asyncio.to_thread(self._execute, number, answer["pid"], list(values["command"]))
        elif command == "exec-status":
            return self._status(number, values["pid"])
        return answer

    def _execute(self, number: int, process: int, arguments: list[str]) -> None:
        root = str(self.guest_directory(number))
        arguments = [root if argument == SCRIPT_DIRECTORY else argument for argument in arguments]
        program = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"]},
            start_new_session=True,
        )
        self._programs[number, process] = program
        with suppress(subprocess.TimeoutExpired):
            program.wait(SETTLE_SECONDS)

    def _status(self, number: int, process: int) -> dict[str, Any]:
        program = self._programs[number, process]
        if program.poll() is None:
            return {"exited": False}
        # An agent tells of an end once.
        del self._programs[number, process]
        output, errors = program.communicate()
        return {
            "exited": True,
            "exitcode": program.returncode,
            "out-data": output.decode("latin-1"),
            "err-data": errors.decode("latin-1"),
        }

    def _in_guest(self, number: int, path: str) -> Path:
        if not path.startswith(f"{SCRIPT_DIRECTORY}/"):
            raise PveError(500, f"Agent error: failed to open file '{path}' (mode: 'w'): No such file or directory")
        return self.guest_directory(number) / Path(path).relative_to(SCRIPT_DIRECTORY)


def _kill(program: subprocess.Popen[bytes]) -> None:
    """With all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGKILL)
    program.communicate()


def _address(text: str) -> dict[str, Any]:
    kind = "ipv6" if ":" in text else "ipv4"
    return {"ip-address": text, "ip-address-type": kind, "prefix": 64 if kind == "ipv6" else 24}
