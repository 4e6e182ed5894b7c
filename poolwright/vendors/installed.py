"""Whether a vendor's SDK is there, without the seconds that importing it may take."""

from importlib.util import find_spec


def lack_of(module: str, extra: str) -> str | None:
    """None if this module can be imported, or what is lacking and how to get it. `extra` is the one that brings it.

    Imports the packages that the module lies in, not the module itself.
    """
    try:
        found = find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is not None:
        return None
    return (
        f"needs the Python package {module!r}, which is not installed: install Poolwright's extra {extra!r}, in a "
        f"clone by `.venv/bin/pip install --require-hashes --requirement requirements/{extra}.txt`"
    )
