"""What an operator reads in the Temporal Web UI, in a real browser."""

from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.browser import Browser, browser
from tests.e2e.stacks import Stack, stack_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with two running servers."""
    with stack_in(tmp_path_factory.mktemp("operator")) as found:
        found.up()
        found.until_running(2)
        yield found


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    """A browser window."""
    with browser() as found:
        yield found


def metadata_page(stack: Stack, workflow: str) -> str:
    """The page *User Metadata* of a workflow's current run."""
    answer = httpx.get(f"{stack.ui_url}/api/v1/namespaces/default/workflows/{workflow}", timeout=30).json()
    run = answer["workflowExecutionInfo"]["execution"]["runId"]
    return f"{stack.ui_url}/namespaces/default/workflows/{workflow}/{run}/user-metadata"


class TestServerPage:
    """A server's page."""

    def test_it_shows_state_story_and_what_an_operator_can_do(
        self, stack: Stack, window: Browser, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        server = stack.servers()[0]
        page = metadata_page(stack, f"server-{server['id']}")
        text = window.open(
            page, "running", server["hostname"], "Story (UTC)", "booting", "What you can do", "terminate"
        )
        assert "Waits for nothing: it serves sessions until it is drained" in text
        assert text.count("Request Cancellation") == 2, "the button, and what it does"
        assert (
            text.index("preparing") < text.index("creating") < text.index("booting") < text.index("its startup script")
        )
        window.picture(tmp_path_factory.mktemp("pictures") / "server.png")

    def test_a_draining_server_says_for_what_it_waits(self, stack: Stack, window: Browser) -> None:
        session = stack.json("session", "request", "--pool", "demo", "--user", "ada", "--wait")
        server = session["server"]["id"]
        stack.run("server", "drain", server)
        stack.until(lambda: any(one["state"] == "draining" for one in stack.servers()), "it drains")
        window.open(metadata_page(stack, f"server-{server}"), "draining", "Waits for 1 session(s) to end")
        stack.run("session", "end", session["id"])
        stack.until_running(2)

    def test_the_list_can_be_searched_by_state_and_pool(self, stack: Stack, window: Browser) -> None:
        query = "Pool%3D%22demo%22%20AND%20ServerState%3D%22running%22"
        hosts = [f"server-{server['id']}" for server in stack.servers()]
        window.open(f"{stack.ui_url}/namespaces/default/workflows?query={query}", *hosts)


class TestPoolPage:
    """A scaling loop's page."""

    def test_it_shows_the_last_decision_with_its_reasons(self, stack: Stack, window: Browser) -> None:
        reasons = stack.json("explain", "demo")["reasons"]
        text = window.open(metadata_page(stack, "scale-demo-local"), "Decision", "Why", "Figures", "scale_now")
        assert any(reason in text for reason in reasons)
