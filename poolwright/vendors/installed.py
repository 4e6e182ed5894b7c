"""Whether a vendor's SDK is there, without the seconds that importing it may take."""

from importlib.util import find_spec


def is_installed(module: str) -> bool:
    """Whether this module could be imported. Imports the packages that it lies in, not itself."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
