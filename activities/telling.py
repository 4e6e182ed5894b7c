"""Decisions and sweeps in Markdown, for a workflow's page in the Temporal Web UI."""

from poolwright.domain.autoscale import AutoscaleConfig
from poolwright.domain.scaling import Plan
from poolwright.domain.wording import duration, moment
from poolwright.store.scaling import Recorded
from poolwright.store.sweeps import SweepState

_MOST_SENTENCES = 100


def decision_markdown(autoscale: AutoscaleConfig, plan: Plan, recorded: Recorded) -> str:
    """The decision with its figures and sentences."""
    where = f"pool `{autoscale.pool}`, zone `{autoscale.zone}`, on `{autoscale.vm_provider}`"
    lines = [f"**Decision {recorded.decision_id}** at {plan.at:%Y-%m-%d %H:%M:%S} UTC for {where}", ""]
    if recorded.paused is not None:
        lines += [f"**Paused**: {recorded.paused}. Send the signal `resume` to go on.", ""]
    if autoscale.observe:
        lines += ["**Observed only**: decisions are recorded, nothing is done.", ""]
    lines += ["### Why", "", *(f"- {reason}" for reason in plan.reasons), ""]
    if plan.actions:
        lines += ["### What was done", ""]
        lines += [f"- {action.kind} {action.server_id or 'a server'}: {action.reason}" for action in plan.actions]
        lines.append("")
    lines += ["### Figures", "", "| figure | value |", "|---|---|"]
    lines += [f"| {name.replace('_', ' ')} | {value} |" for name, value in plan.numbers.items()]
    return "\n".join(lines)


def sweep_markdown(state: SweepState) -> str:
    """The sweep's last round with its sentences, and when the next one comes."""
    settings = state.settings
    lines = [f"**Sweep** of {state.kind} `{state.name}`, mode `{settings.mode}`", ""]
    if state.paused_because is not None:
        lines += [f"**Paused**: {state.paused_because}. Send the signal `resume` to go on.", ""]
    if state.zone is None:
        lines += ["No autoscale config uses it, so there is no zone to look from: **nothing to do**.", ""]
    else:
        lines += [f"It looks from zone `{state.zone}`, every {duration(settings.period_seconds)}.", ""]
    swept = state.last_round
    if swept is None:
        return "\n".join([*lines, "No round was made yet."])
    lines += [f"### Last round, {moment(swept.at)}", "", swept.summary, ""]
    if swept.problem is not None:
        lines += [f"**It could not look**: {swept.problem}", ""]
    lines += [f"- {entry.outcome}: {entry.sentence}" for entry in swept.entries[:_MOST_SENTENCES]]
    if len(swept.entries) > _MOST_SENTENCES:
        lines.append(f"- and {len(swept.entries) - _MOST_SENTENCES:,} more: `poolwright sweep list`")
    return "\n".join(lines)
