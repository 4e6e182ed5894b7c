"""Decisions in Markdown, for a workflow's page in the Temporal Web UI."""

from poolwright.domain.autoscale import AutoscaleConfig
from poolwright.domain.scaling import Plan
from poolwright.store.scaling import Recorded


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
