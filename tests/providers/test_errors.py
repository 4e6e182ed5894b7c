import errno
import os
import subprocess

import psutil
import pytest

from poolwright.providers import errors
from poolwright.providers.errors import ProviderError, Throttled
from poolwright.providers.local.errors import translated
from poolwright.providers.sim.errors import planned
from poolwright.providers.sim.settings import Failure, Operation

TREE = (
    errors.AuthenticationFailed,
    errors.PermissionDenied,
    errors.QuotaExceeded,
    errors.CapacityUnavailable,
    errors.InvalidSettings,
    errors.NotFound,
    errors.Conflict,
    errors.Throttled,
    errors.Transient,
)


class TestTheTree:
    @pytest.mark.parametrize("error", TREE)
    def test_says_of_each_whether_it_can_be_tried_again(self, error: type[ProviderError]) -> None:
        assert isinstance(error("what happened; the way out").retryable, bool)
        assert str(error("what happened; the way out")) == "what happened; the way out"

    def test_never_tries_again_what_somebody_has_to_mend(self) -> None:
        lasting = {error for error in TREE if not error.retryable}
        assert lasting == {
            errors.AuthenticationFailed,
            errors.PermissionDenied,
            errors.InvalidSettings,
            errors.NotFound,
        }

    def test_tells_how_long_to_wait_when_throttled(self) -> None:
        assert Throttled("too fast").retry_after_seconds is None
        assert Throttled("too fast", 1.5).retry_after_seconds == 1.5

    def test_is_covered_by_what_can_be_simulated(self) -> None:
        simulated = {type(planned(failure, Operation.GET)) for failure in Failure}
        assert simulated == set(TREE)


class TestWhatTheOperatingSystemAnswers:
    @pytest.mark.parametrize(
        ("number", "expected"),
        [
            (errno.EACCES, errors.PermissionDenied),
            (errno.EROFS, errors.PermissionDenied),
            (errno.ENOTDIR, errors.InvalidSettings),
            (errno.ENOSPC, errors.CapacityUnavailable),
            (errno.EAGAIN, errors.CapacityUnavailable),
            (errno.EDQUOT, errors.QuotaExceeded),
            (errno.EIO, errors.Transient),
            # A file that is missing is no proof that a machine is.
            (errno.ENOENT, errors.Transient),
        ],
    )
    def test_becomes_an_error_of_the_tree(self, number: int, expected: type[ProviderError]) -> None:
        with pytest.raises(ProviderError, match=r"creating pw-a failed: .*; ") as failure, translated("creating pw-a"):
            raise OSError(number, os.strerror(number), "a file")
        assert failure.type is expected

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (psutil.AccessDenied(pid=4711), errors.PermissionDenied),
            (psutil.NoSuchProcess(pid=4711), errors.Transient),
            (subprocess.TimeoutExpired("bash", 10), errors.Transient),
        ],
    )
    def test_about_processes_as_well(self, error: Exception, expected: type[ProviderError]) -> None:
        with pytest.raises(expected), translated("creating pw-a"):
            raise error
