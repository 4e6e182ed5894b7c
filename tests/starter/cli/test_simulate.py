"""`poolwright simulate`, run as people run it."""

import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner, Result

from starter.cli import app
from starter.cli.exit_codes import ExitCode

pytestmark = pytest.mark.slow

POOL = """
kind: zone
name: here
---
kind: pool
name: desks
type: server
---
kind: vm_provider
name: small
provider: sim
max_instances: 20
---
kind: autoscale
name: desks-here
type: server
pool: desks
zone: here
vm_provider: small
minimum_available_sessions: 2
schedules: [{days: [mon, tue, wed, thu, fri], start: "06:00", end: "20:00", timezone: Europe/Berlin}]
"""
TRACE = """start,user,length_minutes
2026-03-02T08:00:00,ann,30
2026-03-02T08:00:10,bob,30
2026-03-02T08:00:20,cid,30
"""
QUICK = ("--shape", "class-start", "--sessions", "20", "--days", "1", "--boot", "60")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with `pool.yaml`; no installation anywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POOLWRIGHT_DATABASE_URL", raising=False)
    monkeypatch.setenv("POOLWRIGHT_DATA_DIRECTORY", str(tmp_path / "nowhere"))
    (tmp_path / "pool.yaml").write_text(POOL)
    return tmp_path


def run(*arguments: str, expect: ExitCode = ExitCode.OK, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(app, ["simulate", *arguments], input=stdin)
    assert result.exit_code == expect, f"{result.exit_code}\n{result.stdout}\n{result.stderr}"
    return result


def figures(*arguments: str) -> list[dict[str, Any]]:
    """Those of each alternative."""
    answer = json.loads(run(*arguments, "-o", "json").stdout)
    return [one["outcome"]["total"] for one in answer["alternatives"]]


def error(*arguments: str, expect: ExitCode) -> str:
    """What it says on standard error, in one sentence."""
    result = run(*arguments, expect=expect)
    assert result.stderr.startswith("Error: ")
    return result.stderr


@pytest.mark.usefixtures("here")
class TestFigures:
    def test_a_shape_is_played_and_told_as_a_table(self) -> None:
        result = run("pool.yaml", *QUICK, "--price", "0.5")
        assert result.stdout.startswith("class-start, 20 sessions a day, 2026-03-01 23:00 to 2026-03-02 23:00 UTC")
        rows = (line.strip().rpartition("  ") for line in result.stdout.splitlines())
        told = {label.strip(): value for label, _, value in rows}
        assert told["sessions asked for"] == "20"
        assert float(told["cost"]) == pytest.approx(float(told["VM-hours"]) / 2, abs=0.05)

    def test_a_vm_provider_without_a_price_is_named(self, here: Path) -> None:
        more = "---\nkind: vm_provider\nname: large\nprovider: sim\nmax_instances: 20\n"
        (here / "pool.yaml").write_text(POOL + more)
        result = run("pool.yaml", *QUICK, "--price", "large=2")
        assert "cost  " not in result.stdout
        assert "No cost is shown for alternatives with VMs on small: name a --price for these too." in result.stderr

    def test_an_offset_in_a_trace_is_told_in_utc(self, here: Path) -> None:
        (here / "trace.csv").write_text("start,user,length_minutes\n2026-03-02T08:00:00+05:00,ann,30\n")
        told = run("pool.yaml", "--demand", "trace.csv").stdout
        assert "2026-03-02 02:00 to 2026-03-02 04:30 UTC" in told

    def test_the_same_command_gives_the_same_figures(self) -> None:
        assert run("pool.yaml", *QUICK).stdout == run("pool.yaml", *QUICK).stdout

    def test_another_seed_gives_others(self) -> None:
        assert figures("pool.yaml", *QUICK) != figures("pool.yaml", *QUICK, "--seed", "2")

    def test_a_trace_is_played(self, here: Path) -> None:
        (here / "trace.csv").write_text(TRACE)
        (told,) = figures("pool.yaml", "--demand", "trace.csv", "--boot", "60")
        # Times without an offset are those of the schedule's zone; two find the standby, cid waits for ann's refill.
        assert (told["served"], told["served_at_once"]) == (3, 2)
        assert told["waiting"]["max_seconds"] == 40

    def test_json_holds_everything_that_was_asked_and_found(self) -> None:
        answer = json.loads(run("pool.yaml", *QUICK, "--price", "small=0.5", "--failures", "0.1", "-o", "json").stdout)
        (alternative,) = answer["alternatives"]
        assert answer["conditions"]["prices_per_hour"] == {"small": 0.5}
        assert answer["conditions"]["failures"] == {"share": 0.1, "after_seconds": None}
        assert alternative["files"] == ["pool.yaml"]
        series = alternative["outcome"]["pools"][0]["series"]
        assert len(series["at"]) == len(series["demand"]) == len(series["waiting_peak"]) == 720

    def test_the_configuration_may_come_on_standard_input(self) -> None:
        assert "20 sessions a day" in run("-", *QUICK, stdin=POOL).stdout

    def test_files_given_together_are_one_configuration(self, here: Path) -> None:
        first, *rest = POOL.split("---\n")
        (here / "zone.yaml").write_text(first)
        (here / "rest.yaml").write_text("---\n".join(rest))
        assert figures("zone.yaml", "rest.yaml", *QUICK) == figures("pool.yaml", *QUICK)

    def test_several_pools_are_told_one_by_one(self, here: Path) -> None:
        second = POOL.replace("desks-here", "lab-here").replace("desks", "lab").partition("name: here\n---\n")[2]
        lab = second.replace("name: small", "name: big").replace("vm_provider: small", "vm_provider: big")
        (here / "lab.yaml").write_text(lab)
        assert "say which of them" in error("pool.yaml", "lab.yaml", *QUICK, expect=ExitCode.USAGE)
        told = run("pool.yaml", "lab.yaml", *QUICK, "--pool", "lab").stdout
        rows = [line.split() for line in told.partition("ALTERNATIVE")[2].splitlines()]
        assert {row[3]: row[4] for row in rows if "desks" in row or "lab" in row} == {"desks": "0", "lab": "20"}

    def test_boots_that_miss_their_deadline_are_pointed_out(self, here: Path) -> None:
        (here / "pool.yaml").write_text(POOL + "failure: {boot_deadline_seconds: 30}\n")
        assert "took longer to boot than failure.boot_deadline_seconds" in run("pool.yaml", *QUICK).stderr

    def test_nothing_is_written_and_no_installation_is_needed(self, here: Path) -> None:
        run("pool.yaml", *QUICK)
        assert [path.name for path in here.iterdir()] == ["pool.yaml"]

    def test_the_example_can_be_played(self) -> None:
        example = Path(__file__).parents[3] / "examples" / "local.yaml"
        assert figures(str(example), *QUICK)[0]["sessions"] == 20


@pytest.mark.usefixtures("here")
class TestComparing:
    def test_another_configuration_meets_the_same_demand(self, here: Path) -> None:
        (here / "bigger.yaml").write_text(
            POOL.replace("minimum_available_sessions: 2", "minimum_available_sessions: 9")
        )
        small, big = figures("pool.yaml", *QUICK, "--compare", "bigger.yaml")
        assert small["sessions"] == big["sessions"] == 20
        assert small["served_at_once"] < big["served_at_once"]
        table = run("pool.yaml", *QUICK, "--compare", "bigger.yaml").stdout
        assert "pool.yaml" in table
        assert "bigger.yaml" in table
        assert "(+" in table

    def test_a_setting_can_be_varied(self) -> None:
        answer = json.loads(run("pool.yaml", *QUICK, "--vary", "minimum_available_sessions=0,2,9", "-o", "json").stdout)
        found = {one["name"]: one["outcome"]["total"] for one in answer["alternatives"]}
        assert list(found) == [f"minimum_available_sessions={n}" for n in (0, 2, 9)]
        hours = [one["vm_hours"]["total"] for one in found.values()]
        assert hours == sorted(hours)
        assert found["minimum_available_sessions=2"] == figures("pool.yaml", *QUICK)[0]


@pytest.mark.usefixtures("here")
class TestPictures:
    def test_a_png(self, here: Path) -> None:
        run("pool.yaml", *QUICK, "--picture", "out.png")
        assert (here / "out.png").read_bytes().startswith(b"\x89PNG")

    def test_everything_has_room_in_it_and_alternatives_have_one_scale(self, monkeypatch: pytest.MonkeyPatch) -> None:
        drawn: list[Figure] = []

        def keep(figure: Figure, form: str) -> bytes:
            drawn.append(figure)
            return b""

        monkeypatch.setattr("starter.simulation.picture._saved", keep)
        run("pool.yaml", *QUICK, "--vary", "minimum_available_sessions=0,19", "--picture", "out.png")
        axes = drawn[0].axes
        for kind in (axes[0::2], axes[1::2]):
            (top,) = {one.get_ylim()[1] for one in kind}
            assert all(0 < one.dataLim.y1 < top for one in kind if one.dataLim.y1)
        assert len({one.dataLim.y1 for one in axes[0::2]}) > 1

    def test_nobody_who_comes_to_any_of_several_alternatives(self, here: Path) -> None:
        run("pool.yaml", *QUICK, "--weekdays", "sunday", "--vary", "total_floor=0,1", "--picture", "out.svg")
        assert (here / "out.svg").read_text().count("nobody has to wait") == 2

    def test_the_same_command_draws_the_same_picture(self, here: Path) -> None:
        run("pool.yaml", *QUICK, "--picture", "one.svg")
        run("pool.yaml", *QUICK, "--picture", "two.svg")
        assert (here / "one.svg").read_bytes() == (here / "two.svg").read_bytes()

    def test_a_page_that_needs_nothing_beside_it(self, here: Path) -> None:
        run("pool.yaml", *QUICK, "--price", "2", "--vary", "minimum_available_sessions=0,9", "--picture", "out.html")
        page = (here / "out.html").read_text()
        for text in (
            "minimum_available_sessions=9",
            "demand (in use and waiting)",
            "clocks of Europe/Berlin",
            "VM-hours",
        ):
            assert text in page
        assert "src=" not in page
        assert "A VM on small costs 2 an hour." in page

    def test_a_long_time_shows_its_peaks(self, here: Path) -> None:
        run("pool.yaml", "--sessions", "2", "--days", "60", "--boot", "60", "--picture", "out.svg")
        assert "highest in 2 h" in (here / "out.svg").read_text()


@pytest.mark.usefixtures("here")
class TestErrors:
    def test_a_configuration_with_problems_is_refused_as_by_apply(self, here: Path) -> None:
        (here / "pool.yaml").write_text(POOL + "max_sesions_per_server: 3\n")
        said = error("pool.yaml", *QUICK, expect=ExitCode.REFUSED)
        assert "pool.yaml:" in said
        assert "max_sesions_per_server" in said

    def test_a_trace_with_problems_is_refused_with_line_and_column(self, here: Path) -> None:
        (here / "trace.csv").write_text(TRACE + "tomorrow,dee,9\n")
        said = error("pool.yaml", "--demand", "trace.csv", expect=ExitCode.REFUSED)
        assert "trace.csv, line 5, column 'start': 'tomorrow' is no ISO 8601 time" in said

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--boot", "soon"), "--boot: 'soon' cannot be used"),
            (("--boot", "large=60"), "there is no vm_provider 'large'; the files declare small"),
            (("--price", "cheap"), "--price: 'cheap' is no price"),
            (("--price", "small=-1"), "--price: '-1' is no price"),
            (("--shape", "lunch"), "--shape: 'lunch' is no shape of demand"),
            (("--delete-seconds", "inf"), "Error: --delete-seconds inf is no time; write a number of seconds"),
            (("--fail-after", "inf"), "Error: --fail-after inf is no time; write a number of seconds"),
            (("--mean-minutes", "inf"), "--mean-minutes: Input should be a finite number"),
            (("--days", "9000000"), "--from and --days reach beyond the calendar"),
            (("--weekdays", "mon,moonday"), "--weekdays: 'moonday' is not a weekday"),
            (
                ("--timezone", "Berlin"),
                "--timezone: 'Berlin' is not the name of an IANA time zone. Did you mean Europe/",
            ),
            (("--vary", "minimum_available_sessions"), "names no values"),
            (("--vary", "minimum_sessions=1"), "Did you mean minimum_available_sessions?"),
            (("--pool", "lab"), "the demand names pool 'lab'; the configuration has desks"),
            (("--demand", "x.csv", "--shape", "steady"), "--demand and --shape are both given"),
            (("--picture", "out.gif"), "name a file that ends in .png, .svg, .html"),
            (("--picture", "there/out.png"), "there is no directory there"),
        ],
    )
    def test_what_cannot_be_used_is_refused_with_the_way_out(self, arguments: tuple[str, ...], said: str) -> None:
        assert said in error("pool.yaml", *arguments, expect=ExitCode.USAGE)

    def test_more_sessions_than_anybody_could_play(self) -> None:
        assert "equal to 1000000" in run("pool.yaml", "--sessions", "9" * 25, expect=ExitCode.USAGE).stderr

    def test_a_trace_that_is_not_there(self) -> None:
        assert "x.csv cannot be read: No such file" in error("pool.yaml", "--demand", "x.csv", expect=ExitCode.REFUSED)
