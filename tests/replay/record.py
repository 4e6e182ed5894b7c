"""Records the histories that the replay tests read: `make histories`.

Plays whose history is not there yet are played; nothing that is there is touched. `--again` plays those too: allowed
only while no release holds them, for a history of a past release is what a life that outlasts the release looks like.
"""

import asyncio
import logging
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tests.replay import histories
from tests.replay.fingerprints import accept, accepted, fingerprint
from tests.replay.lives import LIVES
from tests.replay.loops import SCALING, SWEEPS, WATCHDOGS
from tests.replay.plays import Play

PLAYS = (*LIVES, *SCALING, *SWEEPS, *WATCHDOGS)


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Only these, as WORKFLOW/PATH.")] = None,
    *,
    again: Annotated[bool, typer.Option(help="Record anew what is recorded. Only before its release!")] = False,
    accept_order: Annotated[
        bool, typer.Option("--accept", help="Record nothing; accept the fingerprints of all histories as they are.")
    ] = False,
) -> None:
    """Play what is not recorded yet and write its history and its fingerprint."""
    if accept_order:
        accept({name: fingerprint(histories.read(name)) for name in histories.names()})
        return
    # Plays are full of errors that are meant to happen.
    logging.disable()
    known = set(histories.names())
    for play in PLAYS:
        if (not names or play.name in names) and (again or play.name not in known):
            typer.echo(play.name)
            asyncio.run(_record(play))
    new = {name: fingerprint(histories.read(name)) for name in histories.names()}
    # What has a fingerprint keeps it: a changed one is for a person to look at and accept.
    accept({**new, **{name: lines for name, lines in accepted().items() if name in new}})


async def _record(play: Play) -> None:
    with tempfile.TemporaryDirectory() as directory:
        histories.write(play.name, await play.perform(Path(directory)))


if __name__ == "__main__":
    typer.run(main)
