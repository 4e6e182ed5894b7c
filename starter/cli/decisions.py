"""`explain`, `plan` and `schedule preview`: why a pool is as it is, and what comes next."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from starter.cli import completion
from starter.cli.database import open_database
from starter.cli.output import Output, OutputFormat, emit, moment, note, print_table, say

if TYPE_CHECKING:
    from poolwright.domain.schedules import PreviewRow
    from starter.answers import ConfigExplanation, Explanation

schedule = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look ahead at schedules.")

Pool = Annotated[
    str, typer.Argument(help="Name of the pool.", autocompletion=completion.documents_of("pool"), show_default=False)
]


def explain(
    pool: Pool,
    at: Annotated[
        str | None, typer.Option(help="As of this time, such as 2026-03-29T09:00+02:00; without an offset: UTC.")
    ] = None,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Say why a pool is as large as it is: the last decisions with their figures and reasons.

    \b
    Examples:
      poolwright explain demo
      poolwright explain demo --at 2026-03-29T09:00Z -o json
    """
    from starter.answering import explain as explain_pool

    with open_database() as store, store.read() as tx:
        explanation = explain_pool(tx, pool, _parsed(at))
    emit(output, explanation.model_dump(mode="json"), lambda: _print_explanation(explanation))


def plan(pool: Pool, output: Output = OutputFormat.TABLE) -> None:
    """Show what would be decided for a pool right now. Nothing is written and nothing is done.

    \b
    Example:
      poolwright plan demo
    """
    from starter.cli.dry_run import dry_run

    with open_database() as store, store.read() as tx:
        explanation = dry_run(tx, pool, store.clock())
    emit(output, explanation.model_dump(mode="json"), lambda: _print_explanation(explanation))


@schedule.command()
def preview(
    autoscale: Annotated[
        str,
        typer.Argument(
            help="Name of the autoscale config.",
            autocompletion=completion.documents_of("autoscale"),
            show_default=False,
        ),
    ],
    days: Annotated[int, typer.Option(help="How many days to look ahead.", min=1, max=366)] = 14,
    output: Output = OutputFormat.TABLE,
) -> None:
    """List when an autoscale config will be active, with its targets, and what clock changes do to it.

    \b
    Example:
      poolwright schedule preview demo-local --days 30
    """
    from poolwright.domain.schedules import preview as preview_schedules
    from poolwright.store.scaling import load_autoscale

    with open_database() as store, store.read() as tx:
        rows = preview_schedules(load_autoscale(tx, autoscale).schedules, store.clock(), days)
    table = [(_local(row.start_local), _local(row.end_local), row.length, _targets(row), row.note) for row in rows]
    data = [row.model_dump(mode="json") for row in rows]
    empty = f"Its schedules match at no time of the next {days} days."
    emit(output, data, lambda: print_table(("from", "to", "length", "targets", "note"), table, empty))


def _parsed(at: str | None) -> datetime | None:
    if at is None:
        return None
    try:
        parsed = datetime.fromisoformat(at)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{at!r} is no time; write it as 2026-03-29T09:00+02:00", param_hint="--at") from None


def _print_explanation(explanation: "Explanation") -> None:
    for config in explanation.configs:
        typer.echo(f"{config.autoscale}, decided {moment(config.at)}, still so {moment(config.confirmed_at)}")
        _print_config(config)
    decided = {config.autoscale for config in explanation.configs}
    if not decided:
        for reason in explanation.reasons:
            note(reason)


def _print_config(config: "ConfigExplanation") -> None:
    for reason in config.reasons:
        say(f"  - {reason}")
    for action in config.actions:
        say(f"  > {action.kind} {action.server_id or action.vm_provider or 'a server'}: {action.reason}")
    for name, value in config.numbers.items():
        typer.echo(f"    {name.replace('_', ' ')}: {value}")


def _local(at: datetime) -> str:
    return f"{at:%a %Y-%m-%d %H:%M%z}"


def _targets(row: "PreviewRow") -> str:
    targets = row.targets.model_dump(mode="json", exclude_defaults=True)
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in targets.items())
