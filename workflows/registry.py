"""Every workflow that there is."""

from workflows.pool_scaling import PoolScaling
from workflows.server_lifecycle import ServerLifecycle
from workflows.sweep import Sweep
from workflows.watchdog import Watchdog

ALL_WORKFLOWS: list[type] = [ServerLifecycle, PoolScaling, Sweep, Watchdog]
"""What a worker runs and a replay test replays."""
