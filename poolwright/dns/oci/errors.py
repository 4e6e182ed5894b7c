"""What a failed call to OCI is to a DNS provider."""

from poolwright.dns.errors import DNSError, PermissionDenied
from poolwright.dns.faults import error_for
from poolwright.vendors.oci import CallFailed


def dns_error(failure: CallFailed) -> DNSError:
    """The error that says the same."""
    # OCI gives one answer for gone and for forbidden.
    return error_for(
        failure.fault, str(failure), missing=PermissionDenied, retry_after_seconds=failure.retry_after_seconds
    )
