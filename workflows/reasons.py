"""What operators send with a signal: the Web UI and the CLI take anything, and any number of inputs."""


def in_words(given: object, otherwise: str) -> str:
    """What was given as a reason, of whatever type; `otherwise` when it says nothing."""
    said = "" if given is None else str(given).strip()
    return said or otherwise
