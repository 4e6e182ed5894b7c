"""Between our exceptions and Temporal's: types that policy can match, and not one secret."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from pydantic import SecretStr, ValidationError
from sqlalchemy.exc import SQLAlchemyError
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.contract import INTERNAL_ERROR
from poolwright.directory.errors import DirectoryError
from poolwright.dns.errors import DNSError
from poolwright.dns.errors import Throttled as DNSThrottled
from poolwright.dns.registry import UnknownDNSProvider
from poolwright.domain.check_ins import without_tokens
from poolwright.domain.startup_script import ScriptProblems
from poolwright.providers.errors import ProviderError, Throttled
from poolwright.providers.registry import UnknownProvider
from poolwright.store.documents import UnknownDocument
from poolwright.store.engine import Store
from poolwright.store.secrets import all_secrets

_LOGGER = logging.getLogger(__name__)
_SHORTEST_SECRET = 4
"""A shorter one would blank out ordinary text."""
_SLOWEST_SECONDS = 60.0
OUTSIDE_ERRORS = (ProviderError, DNSError, DirectoryError)
"""What the adapters raise: types with a policy, messages without secrets."""
CONFIGURATION_ERRORS = (ScriptProblems, UnknownDocument, UnknownProvider, UnknownDNSProvider, ValidationError)
"""A configuration that cannot be used as it stands."""


@contextmanager
def boundary(store: Store, *, settings_are_final: bool = False) -> Iterator[None]:
    """Let only `ApplicationError`s out, with a type and without a secret.

    An error of a provider keeps its type's name and whether it can be retried. With `settings_are_final`, a
    configuration that cannot be used ends the step. Anything else is a bug of ours: it is logged, and the step is tried
    again without end, since tearing a healthy VM down would not mend it.
    """
    try:
        yield
    except ApplicationError:
        raise
    except OUTSIDE_ERRORS as error:
        delay = _throttled_seconds(error) if isinstance(error, Throttled | DNSThrottled) else None
        raise failure(
            words(error, store), type(error).__name__, retryable=error.retryable, retry_in_seconds=delay
        ) from None
    except CONFIGURATION_ERRORS as error:
        raise failure(words(error, store), "InvalidSettings", retryable=not settings_are_final) from None
    except Exception as error:  # noqa: BLE001  nothing unredacted may leave an activity
        _LOGGER.error(  # noqa: TRY400  the traceback goes through redaction first
            "activity %s failed unexpectedly with %s:\n%s",
            activity.info().activity_type,
            type(error).__name__,
            without_secrets(traceback.format_exc(), store),
        )
        raise failure(
            f"{words(error, store)}; the step is tried again until it is mended", INTERNAL_ERROR, retryable=True
        ) from None


def failure(
    message: str, kind: str, *, retryable: bool, retry_in_seconds: float | None = None, expected: bool = False
) -> ApplicationError:
    """An error for the workflow. `expected`: an ordinary answer such as "not yet", kept out of logs and metrics."""
    return ApplicationError(
        message,
        type=kind,
        non_retryable=not retryable,
        next_retry_delay=None if retry_in_seconds is None else timedelta(seconds=retry_in_seconds),
        category=ApplicationErrorCategory.BENIGN if expected else ApplicationErrorCategory.UNSPECIFIED,
    )


def words(error: Exception, store: Store) -> str:
    """What the error says, fit to be stored and shown: without a secret, and nothing of what it was not made to say."""
    if isinstance(error, (*OUTSIDE_ERRORS, *CONFIGURATION_ERRORS)):
        return without_secrets(_plain(error), store)
    return f"{type(error).__name__} in {activity.info().activity_type}: the worker's log has the details"


def without_secrets(text: str, store: Store) -> str:
    """The text with every secret of this installation blanked out; nothing of it while nobody knows the secrets."""
    try:
        secrets = _secrets(store)
    except SQLAlchemyError as error:
        # The driver's own words: the statement with its values is not among them.
        return f"not shown, since the database that knows the secrets does not answer: {getattr(error, 'orig', error)}"
    return redact(text, secrets)


def redact(text: str, secrets: list[SecretStr]) -> str:
    """The text with every secret blanked out, and every check-in token: those are minted, never stored."""
    text = without_tokens(text)
    values = sorted((secret.get_secret_value() for secret in secrets), key=len, reverse=True)
    for value in values:
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, "**********")
    return text


def _throttled_seconds(error: Throttled | DNSThrottled) -> float | None:
    """At least what the provider asks for, and longer from try to try: many servers may wait for the same account."""
    if error.retry_after_seconds is None:
        return None
    return max(error.retry_after_seconds, min(_SLOWEST_SECONDS, 2.0 ** min(activity.info().attempt, 10)))


def _plain(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    # pydantic quotes the input; only where it is wrong may be shown.
    places = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False))
    return f"{error.title}: {'; '.join(places)}"


def _secrets(store: Store) -> list[SecretStr]:
    with store.read() as session:
        return all_secrets(session)
