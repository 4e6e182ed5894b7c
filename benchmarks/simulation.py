"""How long `poolwright simulate` takes for a year of a busy office: `python -m benchmarks.simulation`.

The command itself, as a process of its own, on a pool of servers for 5 sessions each, with 1,000 and with 10,000
sessions a working day. The aim is minutes, taken as ten, for a year of 10,000-session days.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

from rich.table import Table

from benchmarks.reporting import Aim, Conditions, report

DAYS: Final = 365
SESSIONS_PER_DAY: Final = (1_000, 10_000)
SESSIONS_PER_SERVER: Final = (5,)
AIM_SECONDS: Final = 600.0
POOL: Final = """
kind: zone
name: north
---
kind: vm_provider
name: cloud
provider: sim
max_instances: 20000
---
kind: pool
name: office
type: server
---
kind: autoscale
name: office
type: server
pool: office
zone: north
vm_provider: cloud
minimum_available_sessions: 50
max_sessions_per_server: {sessions}
max_users_per_server: {sessions}
reusable: true
downscale_backoff_seconds: 900
"""


@dataclass(frozen=True)
class Measurement:
    """One simulated year."""

    sessions_per_server: int
    sessions_per_day: int
    sessions: int
    seconds: float
    microseconds_per_session: float
    growth: float | None
    """Times the seconds of a tenth of the sessions; 10 is in proportion."""


def main() -> None:
    """Play every year."""
    conditions = Conditions()
    measurements: list[Measurement] = []
    for sessions_per_server in SESSIONS_PER_SERVER:
        before: float | None = None
        for sessions_per_day in SESSIONS_PER_DAY:
            seconds, sessions = _play(sessions_per_server, sessions_per_day)
            measurements.append(
                Measurement(
                    sessions_per_server=sessions_per_server,
                    sessions_per_day=sessions_per_day,
                    sessions=sessions,
                    seconds=round(seconds, 1),
                    microseconds_per_session=round(1e6 * seconds / sessions, 1),
                    growth=None if before is None else round(seconds / before, 1),
                )
            )
            before = seconds
    biggest = [one for one in measurements if one.sessions_per_day == SESSIONS_PER_DAY[-1]]
    aims = [
        Aim(
            f"a year of {one.sessions_per_day:,}-session days, {one.sessions_per_server} on a server",
            one.seconds,
            "s",
            at_most=AIM_SECONDS,
        )
        for one in biggest
    ]
    aims += [
        Aim(
            f"growth with ten times the sessions, {one.sessions_per_server} on a server",
            one.growth or 0,
            "x",
            at_most=12,
        )
        for one in biggest
    ]
    facts = {"days": DAYS, "results": [asdict(one) for one in measurements]}
    report("simulation", "A simulated year", conditions, aims, facts, [_table(measurements)])


def _play(sessions_per_server: int, sessions_per_day: int) -> tuple[float, int]:
    """Seconds of the whole command, and the sessions that it played."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "office.yaml"
        file.write_text(POOL.format(sessions=sessions_per_server))
        command = [sys.executable, "-m", "starter.cli", "simulate", str(file), "--sessions", str(sessions_per_day)]
        begun = perf_counter()
        done = subprocess.run([*command, "--days", str(DAYS), "-o", "json"], check=True, capture_output=True)
        seconds = perf_counter() - begun
    (played,) = json.loads(done.stdout)["alternatives"]
    return seconds, int(played["outcome"]["total"]["sessions"])


def _table(measurements: list[Measurement]) -> Table:
    table = Table("on a server", "sessions a day", "sessions", "seconds", "µs a session", "times a tenth")
    for one in measurements:
        growth = "" if one.growth is None else f"{one.growth:.1f}"
        table.add_row(
            str(one.sessions_per_server),
            f"{one.sessions_per_day:,}",
            f"{one.sessions:,}",
            f"{one.seconds:.1f}",
            f"{one.microseconds_per_session:.1f}",
            growth,
        )
    return table


if __name__ == "__main__":
    main()
