"""`pool list|show|pause|resume|rollout`."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starter.cli import completion, temporal
from starter.cli.database import open_database
from starter.cli.exit_codes import ExitCode
from starter.cli.failures import CommandFailed
from starter.cli.output import Output, OutputFormat, emit, moment, note, print_facts, print_table, say
from starter.cli.texts import of_at_most
from starter.limits import MOST_REASON_CHARACTERS

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from starter.cli.pool_report import AutoscaleReport, PoolReport
    from starter.signals import Signals

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at pools; pause, resume and renew them.")

Name = Annotated[
    str, typer.Argument(help="Name of the pool.", autocompletion=completion.documents_of("pool"), show_default=False)
]


@app.command("list")
def list_pools(output: Output = OutputFormat.TABLE) -> None:
    """List pools with how many servers and sessions they have in each state.

    \b
    Example:
      poolwright pool list
    """
    from starter.answering import answer_pools

    with open_database() as store, store.read() as tx:
        pools = answer_pools(tx)
    rows = [
        (
            pool.name,
            pool.type,
            ", ".join(pool.autoscales),
            _counts(pool.servers),
            _counts(pool.sessions),
            pool.description,
        )
        for pool in pools
    ]
    columns = ("name", "type", "autoscale", "servers", "sessions", "description")
    data = [pool.model_dump(mode="json") for pool in pools]
    emit(output, data, lambda: print_table(columns, rows, "There is no pool."))


@app.command()
def show(name: Name, output: Output = OutputFormat.TABLE) -> None:
    """Show a pool: counts, and for each autoscale config its caps, drift, failures, pauses and last decision.

    \b
    Example:
      poolwright pool show demo
    """
    from starter.cli.pool_report import report

    with open_database() as store, store.read() as tx:
        pool = report(tx, name, store.clock())
    emit(output, pool.model_dump(mode="json"), lambda: _print_pool(pool))


@app.command()
def pause(
    name: Name,
    reason: Annotated[
        str, typer.Option(help="Why, for the explanations.", callback=of_at_most(MOST_REASON_CHARACTERS))
    ] = "an operator paused it",
) -> None:
    """Make no more decisions for a pool: no server is made or taken away. Sessions go on being placed.

    \b
    Example:
      poolwright pool pause demo --reason "provider maintenance"
    """
    from poolwright.store.scaling import set_paused

    def remember(tx: "Session", autoscale: str) -> None:
        set_paused(tx, autoscale, reason)

    _change(name, remember, lambda signals, autoscale: signals.pause(autoscale, reason))
    note(f"Pool {name} is paused: {reason}.")


@app.command()
def resume(
    name: Name,
    forgive: Annotated[bool, typer.Option("--forgive", help="Forget failures too, and the pause they led to.")] = False,
) -> None:
    """Decide again for a pool that was paused.

    \b
    Example:
      poolwright pool resume demo
    """
    from poolwright.store.scaling import forgive_failures, set_paused

    def remember(tx: "Session", autoscale: str) -> None:
        set_paused(tx, autoscale, None)
        if forgive:
            forgive_failures(tx, autoscale)

    _change(name, remember, lambda signals, autoscale: signals.resume(autoscale))
    note(f"Pool {name} is resumed.")


@app.command()
def rollout(name: Name) -> None:
    """Replace every drifted server of a pool: those made before the last change of its configuration.

    Replacements come first as far as the caps allow, and nobody's session is ended.

    \b
    Example:
      poolwright pool rollout demo
    """
    from poolwright.store import ledger, scaling

    with open_database() as store:
        with store.write() as tx:
            names = _autoscales(tx, name)
            marked = sum(
                scaling.mark_rollout(tx, one, ledger.autoscale_revision(tx, scaling.load_autoscale(tx, one)))
                for one in names
            )
        if marked:
            temporal.wake_loops(store, names, "a rollout was asked for")
    note(f"{marked} server(s) of pool {name} will be replaced." if marked else f"No server of pool {name} is drifted.")


def _change(
    pool: str,
    remember: "Callable[[Session, str], None]",
    tell: "Callable[[Signals, str], Coroutine[Any, Any, object]]",
) -> None:
    """Store the wish first, so that it holds even while a loop is down; then tell the loops."""
    with open_database() as store, store.write() as tx:
        names = _autoscales(tx, pool)
        if not names:
            raise CommandFailed(f"pool {pool} has no autoscale config: nothing decides for it", ExitCode.REFUSED)
        for autoscale in names:
            remember(tx, autoscale)

    async def tell_all(signals: "Signals") -> None:
        for autoscale in names:
            await tell(signals, autoscale)

    temporal.tell(tell_all, "Temporal does not answer now; it is stored, and holds from the next decision on.")


def _autoscales(tx: "Session", pool: str) -> list[str]:
    from poolwright.store import documents, scaling

    documents.get_row(tx, "pool", pool)
    return scaling.autoscales_of_pool(tx, pool)


def _counts(counts: Any) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or "none"


def _print_pool(pool: "PoolReport") -> None:
    print_facts(
        [
            ("pool", pool.name),
            ("type", pool.type),
            ("description", pool.description),
            ("servers", _counts(pool.servers)),
            ("sessions", _counts(pool.sessions)),
        ]
    )
    for config in pool.configs:
        typer.echo("")
        _print_config(config)
    if not pool.configs:
        note("It has no autoscale config: nothing makes or deletes servers in it.")


def _print_config(config: "AutoscaleReport") -> None:
    caps = ", ".join(
        f"{cap.in_use} of {'any number' if cap.max_instances is None else cap.max_instances} on {name}"
        for name, cap in config.caps.items()
    )
    state = "enabled" if config.enabled else "disabled"
    print_facts(
        [
            (
                "autoscale",
                f"{config.name}, {state}{', observes only' if config.observe else ''}, in zone {config.zone}",
            ),
            ("schedule", config.schedule),
            ("paused", config.paused_because),
            ("paused after failures until", moment(config.paused_until)),
            ("failures since success", len(config.failures) or None),
            ("last failure", config.failures[-1] if config.failures else None),
            ("slots", caps),
            ("drifted servers", config.drifted),
            ("last decision", moment(config.decided_at) or "none yet"),
        ]
    )
    for reason in config.reasons:
        say(f"  - {reason}")
    if numbers := {name: value for name, value in config.numbers.items() if value}:
        typer.echo("  " + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in numbers.items()))
