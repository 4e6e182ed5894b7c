"""`sweep list|now|pause|resume`."""

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starter.cli import completion, temporal
from starter.cli.database import open_database
from starter.cli.exit_codes import ExitCode
from starter.cli.failures import CommandFailed
from starter.cli.output import Output, OutputFormat, emit, moment, note, print_facts, say
from starter.cli.texts import of_at_most
from starter.limits import MOST_REASON_CHARACTERS

if TYPE_CHECKING:
    from poolwright.store.engine import Store
    from poolwright.store.sweeps import SweepState
    from starter.signals import Signals

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look for VMs, computer records and DNS records that outlived their servers.",
)

Name = Annotated[
    str,
    typer.Argument(
        help="Name of a VM provider, DNS provider or LDAP config.",
        autocompletion=completion.swept_documents,
        show_default=False,
    ),
]
Kind = Annotated[
    str | None,
    typer.Option(help="Only the config of this kind, where several have the name.", show_default=False),
]


@app.command("list")
def list_sweeps(
    config: Annotated[
        str | None,
        typer.Option(
            help="Only the sweeps of configs of this name.",
            autocompletion=completion.swept_documents,
            show_default=False,
        ),
    ] = None,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Show what the last round of each sweep found, with a sentence for each thing.

    \b
    Examples:
      poolwright sweep list
      poolwright sweep list --config corp -o json
    """
    with open_database() as store:
        states = _states(store, config, None)
    emit(output, [state.model_dump(mode="json") for state in states], lambda: _print(states))


@app.command()
def now(name: Name, kind: Kind = None) -> None:
    """Make a round of a config's sweep at once, by its settings: without mode `delete` it only reports.

    \b
    Example:
      poolwright sweep now campus
    """
    with open_database() as store:
        states = _states(store, name, kind)
    for state in states:
        if state.paused_because is not None:
            raise CommandFailed(
                f"the sweep of {state.kind} {name} is paused ({state.paused_because}): "
                f"`poolwright sweep resume {name}` first",
                ExitCode.REFUSED,
            )

    async def ask() -> list[str]:
        signals = await temporal.open_signals()
        return await _each(
            signals, states, lambda to, one: to.sweep_now(one.kind, one.name, "an operator asked for it")
        )

    if missed := temporal.run(ask):
        raise CommandFailed(f"no sweep runs for {', '.join(missed)}: the watchdog starts one within a minute")
    note(f"A round is asked for; `poolwright sweep list --config {name}` shows what it finds.")


@app.command()
def pause(
    name: Name,
    kind: Kind = None,
    reason: Annotated[
        str, typer.Option(help="Why, for those who look.", callback=of_at_most(MOST_REASON_CHARACTERS))
    ] = "an operator paused it",
) -> None:
    """Make no more rounds for a config until it is resumed.

    \b
    Example:
      poolwright sweep pause campus --reason "restored from a backup"
    """
    _set_paused(name, kind, reason)
    note(f"The sweep of {name} is paused: {reason}.")


@app.command()
def resume(name: Name, kind: Kind = None) -> None:
    """Make rounds again for a config whose sweep was paused.

    \b
    Example:
      poolwright sweep resume campus
    """
    _set_paused(name, kind, None)
    note(f"The sweep of {name} is resumed.")


def _set_paused(name: str, kind: str | None, reason: str | None) -> None:
    """Store the wish first, so that it holds even while the loop is down; then tell the loop."""
    from poolwright.store import sweeps

    with open_database() as store:
        states = _states(store, name, kind)
        with store.write() as tx:
            for state in states:
                sweeps.set_paused(tx, state.kind, state.name, reason)
    temporal.tell(
        lambda signals: _each(signals, states, lambda one, state: one.sweep_settings_changed(state.kind, state.name)),
        "Temporal does not answer now; it is stored, and holds from the next round on.",
    )


def _states(store: "Store", name: str | None, kind: str | None) -> "Sequence[SweepState]":
    from poolwright.store import sweeps

    with store.read() as tx:
        found = sweeps.sweep_states(tx, None if name is None else [name])
    found = [state for state in found if kind in (None, state.kind)]
    if name is not None and not found:
        kinds = ", ".join(sweeps.SWEPT_KINDS)
        raise CommandFailed(f"there is no config {name!r} that is swept; those kinds are: {kinds}", ExitCode.NOT_FOUND)
    return found


async def _each(
    signals: "Signals",
    states: "Sequence[SweepState]",
    ask: "Callable[[Signals, SweepState], Coroutine[Any, Any, bool]]",
) -> list[str]:
    """Those that no loop took."""
    return [f"{state.kind} {state.name}" for state in states if not await ask(signals, state)]


def _print(states: "Sequence[SweepState]") -> None:
    for index, state in enumerate(states):
        if index:
            typer.echo("")
        _print_state(state)
    if not states:
        note("There is nothing to sweep: no VM provider, DNS provider or LDAP config is declared.")


def _print_state(state: "SweepState") -> None:
    swept = state.last_round
    settings = state.settings
    print_facts(
        [
            (state.kind, f"{state.name}, mode {settings.mode}"),
            ("zone", state.zone or "none: no autoscale config uses it, so there is nothing to do"),
            ("paused", state.paused_because),
            ("last round", moment(swept.at) if swept else "none yet"),
            ("found", swept.summary if swept else None),
            ("problem", swept.problem if swept else None),
        ]
    )
    for entry in swept.entries if swept else ():
        say(f"  - {entry.outcome}: {entry.sentence}")
