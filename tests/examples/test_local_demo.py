"""The startup script of the local demo, run as a machine runs it, against an endpoint that is away at first."""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from poolwright.domain.startup_script import render

SCRIPT = Path(__file__).parents[2] / "examples" / "startup-scripts" / "local-demo.sh"
TOKEN = "t0ken.w1th'quotes"
ADDRESS = "127.88.0.1"
PATIENCE_SECONDS = 90


class Endpoint(ThreadingHTTPServer):
    """Takes check-ins, and answers each with the next of the given codes, the last one for ever."""

    def __init__(self, *codes: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.codes = list(codes)
        self.reports: list[dict[str, str]] = []
        self.tokens: set[str | None] = set()


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        assert self.path == "/api/set_server_status"
        self.server.tokens.add(self.headers["Authorization"])
        self.server.reports.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.codes.pop(0) if len(self.server.codes) > 1 else self.server.codes[0])
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@contextmanager
def endpoint(*codes: int) -> Iterator[Endpoint]:
    server = Endpoint(*codes)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def rendered(port: int) -> str:
    values = {
        "server_hostname": "demo-0001",
        "upstream_auth_address": f"127.0.0.1:{port}",
        "checkin_jwt": TOKEN,
        "connection_username": "a demo'person",
    }
    return render(SCRIPT.read_text(), values, "server").get_secret_value()


@contextmanager
def machine(script: str, directory: Path) -> Iterator[subprocess.Popen[str]]:
    """The script under way; everything that it started is stopped in the end."""
    file = directory / "startup.sh"
    file.write_text(script)
    environment = {"PATH": os.environ["PATH"], "POOLWRIGHT_ADDRESS": ADDRESS}
    process = subprocess.Popen(
        ["bash", str(file)],
        env=environment,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for left in psutil.process_iter():
            try:
                if os.getsid(left.pid) == process.pid:
                    left.kill()
            except (psutil.NoSuchProcess, ProcessLookupError):
                continue
        process.communicate()


class TestScript:
    def test_bash_understands_it(self) -> None:
        subprocess.run(["bash", "-n"], input=rendered(1), text=True, check=True)

    @pytest.mark.slow
    def test_it_reports_its_way_to_running_and_then_serves(self, tmp_path: Path) -> None:
        # The first answers are those of an endpoint that starts.
        with endpoint(503, 500, 202) as reports, machine(rendered(reports.server_port), tmp_path) as process:
            assert process.wait(PATIENCE_SECONDS) == 0
            said = [(report["status"], report["status_progress"]) for report in reports.reports]
            assert said[:3] == [("starting", "5")] * 3
            assert said[3:] == [
                ("configuring", "10"),
                ("configuring", "35"),
                ("configuring", "60"),
                ("configuring", "85"),
                ("running", "100"),
            ]
            assert reports.tokens == {f"Bearer {TOKEN}"}
            with socket.create_connection((ADDRESS, 2222), timeout=PATIENCE_SECONDS) as person:
                lines = person.makefile()
                assert lines.readline() == "Hello a demo'person, this is demo-0001.\n"
                person.sendall(b"ping\n")
                assert lines.readline() == "ping\n"

    @pytest.mark.slow
    def test_a_server_that_is_gone_stops_at_once(self, tmp_path: Path) -> None:
        with endpoint(410) as reports, machine(rendered(reports.server_port), tmp_path) as process:
            assert process.wait(PATIENCE_SECONDS) == 1
            assert [report["status"] for report in reports.reports] == ["starting", "error"]

    @pytest.mark.slow
    def test_a_failure_is_reported(self, tmp_path: Path) -> None:
        broken = rendered(1).replace("sleep 0.3", "no_such_program")
        with endpoint(202) as reports:
            script = broken.replace("127.0.0.1:1/", f"127.0.0.1:{reports.server_port}/")
            with machine(script, tmp_path) as process:
                assert process.wait(PATIENCE_SECONDS) != 0
            assert reports.reports[-1]["status"] == "error"
            assert "console log" in reports.reports[-1]["status_message"]

    @pytest.mark.slow
    def test_the_token_is_in_no_list_of_processes(self, tmp_path: Path) -> None:
        with endpoint(503) as reports, machine(rendered(reports.server_port), tmp_path) as process:
            while not reports.reports:
                assert process.poll() is None
            shown = [
                " ".join(one.cmdline())
                for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(True)]
            ]
            assert any("python3 -" in line for line in shown)
            assert TOKEN not in "".join(shown)
