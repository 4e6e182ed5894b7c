"""What one config of a pool has to know of the others."""

from datetime import datetime

from poolwright.domain.autoscale import DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.planning.failures import judge_failures
from poolwright.domain.planning.terms import terms_at
from poolwright.domain.scaling import FailureRecord, SiblingConfig


def sibling_of(
    autoscale: ServerAutoscale | DockerAgentAutoscale,
    now: datetime,
    *,
    servers: int,
    provider_slots: int,
    paused: bool,
    failures: FailureRecord,
) -> SiblingConfig:
    """The config as the other configs of its pool are to see it in their snapshots.

    `servers` are its servers that are not deleted, `provider_slots` what is left of the caps of its provider configs
    (fallbacks included, without those that have no capacity now), `paused` whether an operator has paused it.
    """
    terms = terms_at(autoscale, now)
    verdict = judge_failures(failures, autoscale.failure, now)
    left_of_config = provider_slots if terms.ceiling is None else terms.ceiling - servers
    return SiblingConfig(
        name=autoscale.name,
        zone=autoscale.zone,
        active=terms.active,
        paused=paused or verdict.paused_until is not None,
        free_slots=max(0, min(provider_slots, left_of_config)),
        most_coming=autoscale.failure.budget if verdict.on_trial else None,
        aggressive=autoscale.aggressive,
        room_per_server=int(terms.new_server[0]) if terms.counts_sessions else 1,
        most_users=terms.imagined.max_users if terms.imagined.counts_users else None,
        most_sessions=terms.imagined.max_sessions,
        agent_size=None if terms.counts_sessions else terms.imagined.size,
    )
