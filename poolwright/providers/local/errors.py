"""What the operating system answers -> the closed error tree."""

import errno
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psutil

from poolwright.providers.errors import (
    CapacityUnavailable,
    Conflict,
    InvalidSettings,
    PermissionDenied,
    ProviderError,
    QuotaExceeded,
    Transient,
)

_BY_NUMBER: Mapping[int, tuple[type[ProviderError], str]] = {
    errno.EACCES: (PermissionDenied, "give this user the right to it"),
    errno.EPERM: (PermissionDenied, "give this user the right to it"),
    errno.EROFS: (PermissionDenied, "choose a directory that can be written"),
    errno.ENOTDIR: (InvalidSettings, "choose a directory whose parents are directories"),
    errno.EISDIR: (InvalidSettings, "choose a file where a file is needed"),
    errno.ENAMETOOLONG: (InvalidSettings, "choose a shorter directory"),
    errno.ELOOP: (InvalidSettings, "mend the symbolic links of the directory"),
    errno.ENOEXEC: (InvalidSettings, "choose a shell that this computer can run"),
    errno.EDQUOT: (QuotaExceeded, "raise this user's disk quota, or delete machines"),
    errno.ENOSPC: (CapacityUnavailable, "make room on the disk, or delete machines"),
    errno.ENOMEM: (CapacityUnavailable, "free memory, or delete machines"),
    errno.EAGAIN: (CapacityUnavailable, "raise this user's limit of processes, or delete machines"),
    errno.EMFILE: (CapacityUnavailable, "raise this process's limit of open files"),
    errno.ENFILE: (CapacityUnavailable, "raise the system's limit of open files"),
}


class BrokenRecord(Conflict):
    """A directory has a machine's name and nothing in it says whose it is."""


class LockHeld(Transient):
    """Another process kept the lock of all machines for too long."""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise as errors of the tree what the operating system answers within; `doing` says what was tried."""
    try:
        yield
    except OSError as error:
        kind, way_out = _BY_NUMBER.get(error.errno or 0, (Transient, "it is tried again"))
        raise kind(f"{doing} failed: {error}; {way_out}") from error
    except psutil.AccessDenied as error:
        raise PermissionDenied(
            f"{doing} failed: process {error.pid} belongs to another user; end it by hand, or run as that user"
        ) from error
    except psutil.Error as error:
        raise Transient(f"{doing} failed: {error}; it is tried again") from error
    except subprocess.TimeoutExpired as error:
        raise Transient(f"{doing} took more than {error.timeout} s; it is tried again") from error
