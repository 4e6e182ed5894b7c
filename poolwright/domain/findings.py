"""What a live check of a configuration found wrong."""

from poolwright.domain.base import Model


class Finding(Model):
    """One thing that a check found wrong, with what to do."""

    setting: str
    problem: str
    remedy: str
