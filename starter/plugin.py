"""One plugin configures client, worker, endpoint, CLI and replay tests alike."""

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.plugin import SimplePlugin


def poolwright_plugin() -> SimplePlugin:
    """Payloads are pydantic models."""
    return SimplePlugin("poolwright", data_converter=pydantic_data_converter)
