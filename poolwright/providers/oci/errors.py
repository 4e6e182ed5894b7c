"""What a failed call to OCI is in Poolwright's terms."""

from collections.abc import Iterator
from contextlib import contextmanager

from poolwright.providers.errors import PermissionDenied, ProviderError
from poolwright.providers.faults import error_for
from poolwright.vendors.oci import CallFailed


@contextmanager
def translated() -> Iterator[None]:
    """Let failed calls leave as errors of a VM provider."""
    try:
        yield
    except CallFailed as failure:
        raise provider_error(failure) from None


def provider_error(failure: CallFailed) -> ProviderError:
    """The error that says the same."""
    # "Not authorized or not found" never proves that something is gone. Where it could, the caller asks further.
    return error_for(
        failure.fault, str(failure), missing=PermissionDenied, retry_after_seconds=failure.retry_after_seconds
    )
