"""Errors of every command: one clear sentence on standard error, and an exit code with a meaning."""

from collections.abc import Mapping
from typing import Final

from starter.cli.exit_codes import ExitCode

_CODES: Final[Mapping[str, ExitCode]] = {
    "poolwright.dns.registry.DNSProviderNotInstalled": ExitCode.FAILED,
    "poolwright.dns.registry.UnknownDNSProvider": ExitCode.NOT_FOUND,
    "poolwright.providers.errors.ProviderError": ExitCode.FAILED,
    "poolwright.providers.registry.ProviderNotInstalled": ExitCode.FAILED,
    "poolwright.providers.registry.UnknownProvider": ExitCode.NOT_FOUND,
    "poolwright.store.api_keys.APIKeyProblem": ExitCode.REFUSED,
    "poolwright.store.documents.UnknownDocument": ExitCode.NOT_FOUND,
    "poolwright.store.engine.DatabaseURLError": ExitCode.FAILED,
    "poolwright.store.installation.DatabaseOutdated": ExitCode.FAILED,
    "poolwright.store.sealing.KeyProblem": ExitCode.FAILED,
    "poolwright.store.servers.UnknownServer": ExitCode.NOT_FOUND,
    "poolwright.store.sessions.SessionRefused": ExitCode.REFUSED,
    "poolwright.store.sessions.UnknownSession": ExitCode.NOT_FOUND,
    "poolwright.store.static_servers.NameInUse": ExitCode.REFUSED,
    "starter.binaries.BinaryNotFoundError": ExitCode.FAILED,
    "starter.configuration.applying.AppliedMeanwhile": ExitCode.FAILED,
    "starter.configuration.problems.ConfigurationRefused": ExitCode.REFUSED,
    "starter.connection.TemporalSettingsProblem": ExitCode.FAILED,
    "starter.connection.TemporalUnreachable": ExitCode.UNREACHABLE,
    "starter.sessions.RequestKeyReused": ExitCode.REFUSED,
    "starter.stack.background.NotStarted": ExitCode.FAILED,
    "starter.stack.running.AlreadyRunning": ExitCode.REFUSED,
    "starter.stack.supervisor.ComponentDied": ExitCode.FAILED,
    "starter.stack.processes.PortTaken": ExitCode.REFUSED,
    "builtins.OSError": ExitCode.FAILED,
}
"""Errors whose own words are fit for people, by full name: naming them costs no import."""


class CommandFailed(Exception):
    """The command ends here. The message is one sentence with the way out."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code


def explained(error: Exception) -> tuple[str, ExitCode]:
    """What to say of this error, and how to end."""
    if isinstance(error, CommandFailed):
        return str(error), error.code
    names = [f"{cls.__module__}.{cls.__qualname__}" for cls in type(error).__mro__]
    if "temporalio.service.RPCError" in names:
        return f"Temporal does not answer: {error}. Is `poolwright up` running?", ExitCode.UNREACHABLE
    if "sqlalchemy.exc.OperationalError" in names:
        # Not the error's own text, which holds the statement and its values.
        reason = str(getattr(error, "orig", error)).strip().partition("\n")[0]
        return f"the database cannot be used: {reason}", ExitCode.UNREACHABLE
    if isinstance(error, UnicodeEncodeError) and any("\ud800" <= character <= "\udfff" for character in error.object):
        # That is how Python hands over bytes of the command line that it could not read.
        return "what was given is not UTF-8 text: check the encoding of your terminal or script", ExitCode.USAGE
    for name in names:
        if name in _CODES:
            return str(error), _CODES[name]
    # Its own words were not written for people, and nobody knows what they quote.
    return f"unexpected {type(error).__name__}; run it again with --debug to see where it came from", ExitCode.FAILED
