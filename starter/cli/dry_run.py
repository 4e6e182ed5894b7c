"""The decision that would be made now, without making it."""

from datetime import datetime

from sqlalchemy.orm import Session

from poolwright.domain.planning import plan
from poolwright.store import documents, scaling
from starter.answers import ConfigExplanation, ExplainedAction, Explanation


def dry_run(tx: Session, pool: str, now: datetime) -> Explanation:
    """What each autoscale config of the pool would decide now, in the shape of `explain`. Raises `UnknownDocument`."""
    documents.get_row(tx, "pool", pool)
    names = scaling.autoscales_of_pool(tx, pool)
    configs = tuple(_decide(tx, name, now) for name in names)
    several = len(names) > 1
    return Explanation(
        pool=pool,
        autoscale=names[0] if len(names) == 1 else None,
        at=now if names else None,
        numbers={
            f"{config.autoscale}.{name}" if several else name: number
            for config in configs
            for name, number in config.numbers.items()
        },
        actions=tuple(
            ExplainedAction(**action.model_dump(), autoscale=config.autoscale)
            for config in configs
            for action in config.actions
        ),
        reasons=tuple(
            f"{config.autoscale}: {reason}" if several else reason for config in configs for reason in config.reasons
        )
        or (f"The pool {pool} has no autoscale config: nothing makes or deletes servers in it.",),
        configs=configs,
    )


def _decide(tx: Session, name: str, now: datetime) -> ConfigExplanation:
    planned = plan(scaling.take_snapshot(tx, name, now), now)
    return ConfigExplanation(
        autoscale=name,
        at=now,
        confirmed_at=now,
        numbers=planned.numbers,
        actions=planned.actions,
        reasons=planned.reasons,
    )
