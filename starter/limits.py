"""How long texts may be that people hand in, and how far priorities go: the same at the command line and in the API."""

from typing import Final

MOST_USER_CHARACTERS: Final = 255
MOST_KEY_CHARACTERS: Final = 80
MOST_REASON_CHARACTERS: Final = 1_000
HIGHEST_PRIORITY: Final = 1_000_000
