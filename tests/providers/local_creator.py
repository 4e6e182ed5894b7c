"""Workers in processes of their own, which create one machine each and may die by SIGKILL on the way."""

import multiprocessing
import os
import signal
from multiprocessing.process import BaseProcess
from unittest.mock import patch

from poolwright.providers.base import VMSpec
from poolwright.providers.local import processes
from poolwright.providers.local.machines import Machines
from poolwright.providers.local.provider import LocalProvider
from poolwright.providers.local.settings import Settings

# One process that has imported everything is forked for each worker.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


def start_worker(settings: Settings, spec: VMSpec, dies: str = "never") -> BaseProcess:
    """Start a worker that creates the machine. It dies `before the start` of the machine's process, `after the start`,
    `when all is done`, or `never`, and then ends well."""
    worker = _CONTEXT.Process(target=_work, args=(settings, spec, dies))
    worker.start()
    return worker


def create_and_die(settings: Settings, spec: VMSpec, dies: str) -> None:
    """Run such a worker until it is dead."""
    worker = start_worker(settings, spec, dies)
    worker.join()
    assert worker.exitcode == -signal.SIGKILL


def _work(settings: Settings, spec: VMSpec, dies: str) -> None:
    provider = LocalProvider(settings, spec.mark.controller_id)
    match dies:
        case "before the start":
            with patch.object(processes, "start", _die):
                provider.create(spec)
        case "after the start":
            with patch.object(Machines, "record_process", _die):
                provider.create(spec)
        case "when all is done":
            provider.create(spec)
            _die()
        case _:
            provider.create(spec)


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
