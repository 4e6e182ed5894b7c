"""What a process remembers."""

import pytest

from poolwright.providers.digitalocean.memory import Memory

pytestmark = pytest.mark.slow


class TestMemory:
    def test_forgets_the_oldest_of_too_many(self) -> None:
        memory = Memory[str, int](kept=2)
        for number, key in enumerate(("a", "b", "a", "c")):
            memory.put(key, number)
        assert (memory.get("a"), memory.get("b"), memory.get("c")) == (2, None, 3)

    def test_gives_away_once_what_is_taken(self) -> None:
        memory = Memory[str, int]()
        memory.put("a", 1)
        assert (memory.take("a"), memory.take("a")) == (1, None)
