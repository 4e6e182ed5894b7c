"""Activities on what runs inside a VM: its startup script, and the password that its provider made."""

from collections.abc import Sequence
from datetime import datetime

from temporalio import activity

from activities.accounts import Accounts
from activities.boundary import boundary, failure, without_secrets
from activities.contract import RETRIEVE_PASSWORD, RUN_STARTUP_SCRIPT
from activities.lives import now
from activities.patience import not_yet
from activities.startup import render_startup_script
from poolwright.domain.check_ins import without_tokens
from poolwright.store.check_ins import LOG_LINES_KEPT, LogLine, append_logs, prune_logs
from poolwright.store.engine import Store
from poolwright.store.secrets import put_secret, server_password_id
from poolwright.store.tables import ServerRow

_MOST_CHARACTERS = 4_000
"""Of one line of output."""


class GuestActivities:
    """Steps of `ServerLifecycle` that reach into a guest through its provider; they run on the zone's task queue."""

    def __init__(self, store: Store, accounts: Accounts, advertised_address: str) -> None:
        self._store = store
        self._accounts = accounts
        self._advertised_address = advertised_address

    @activity.defn(name=RUN_STARTUP_SCRIPT, no_thread_cancel_exception=True)
    def run_startup_script(self, server_id: str) -> None:
        """Run the startup script inside the guest to its end, once, where the provider works that way.

        Its output is kept with the server's logs.
        """
        with boundary(self._store, settings_are_final=True):
            with self._store.write() as tx:
                row = tx.get_one(ServerRow, server_id)
                script = render_startup_script(tx, row, self._advertised_address)
                vm_provider, reference = row.vm_provider or "", row.provider_reference or ""
            result = self._accounts.provider(vm_provider).run_startup_script(reference, script)
            if not result.finished:
                raise not_yet("the startup script runs in the guest")
            self._keep_output(server_id, result.output, result.exit_code)
            if result.exit_code:
                raise failure(
                    f"the startup script ended with exit code {result.exit_code}; `poolwright server logs {server_id}` "
                    "shows what it wrote",
                    "StartupScriptFailed",
                    retryable=False,
                )

    @activity.defn(name=RETRIEVE_PASSWORD, no_thread_cancel_exception=True)
    def retrieve_password(self, server_id: str) -> None:
        """Ask the provider for the password that it made, until there is one, and store it sealed."""
        with boundary(self._store, settings_are_final=True):
            with self._store.read() as tx:
                row = tx.get_one(ServerRow, server_id)
                vm_provider, reference = row.vm_provider or "", row.provider_reference or ""
            password = self._accounts.provider(vm_provider).password(reference)
            if password is None:
                raise not_yet("the provider has not made the password yet")
            with self._store.write() as tx:
                put_secret(tx, server_password_id(server_id), password, now())

    def _keep_output(self, server_id: str, output: str, exit_code: int | None) -> None:
        at = now()
        with self._store.write() as tx:
            append_logs(tx, server_id, _lines(without_secrets(output, self._store), exit_code, at), at)
            tx.flush()
            prune_logs(tx, server_id, LOG_LINES_KEPT)


def _lines(output: str, exit_code: int | None, at: datetime) -> Sequence[LogLine]:
    said = [line[:_MOST_CHARACTERS] for line in without_tokens(output).splitlines()][-LOG_LINES_KEPT:]
    said.append(f"ended with exit code {exit_code}")
    level = "error" if exit_code else "info"
    return [LogLine(at=at.isoformat(), application="startup script", level=level, message=line) for line in said]
