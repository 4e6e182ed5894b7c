"""Secrets in `config_override`: the keys of a vendor's request whose values nobody is to see."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pydantic import GetCoreSchemaHandler, SecretStr
from pydantic_core import CoreSchema, core_schema

_MASK: Final = "**********"


class SecretKeys:
    """In `Annotated[Mapping[str, Any], SecretKeys("adminPassword")]`: whatever the setting has under one of these keys,
    at any depth, is a secret. It is given as text, and is a `SecretStr` from then on."""

    def __init__(self, *keys: str) -> None:
        self._keys = frozenset(key.lower() for key in keys)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The setting's own schema, which sees plain texts, and secrets made of some of them after it."""
        return core_schema.no_info_wrap_validator_function(self._validated, handler(source))

    def places(self, value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
        """Where the value has secrets, and what stands there, which may be anything at all."""
        if isinstance(value, Mapping):
            for key, item in value.items():
                if not self._is_secret(key):
                    yield from self.places(item, (*path, key))
                elif item is not None:
                    yield (*path, key), item
        elif isinstance(value, list | tuple):
            for index, item in enumerate(value):
                yield from self.places(item, (*path, index))

    def masked(self, value: Any) -> Any:
        """The value for people: a mask stands for each secret."""
        return self._replaced(value, lambda _: _MASK)

    def _validated(self, value: Any, inner: Callable[[Any], Any]) -> Any:
        plain = revealed(value)
        for path, secret in self.places(plain):
            # Said here, as what the setting's own schema says of it need not fit a secret.
            if not isinstance(secret, str):
                raise ValueError(f"{path[-1]} is a secret and must be text; put it in quotes")  # noqa: TRY004
        return self._replaced(inner(plain), SecretStr)

    def _is_secret(self, key: object) -> bool:
        # Azure takes its keys in any case.
        return str(key).lower() in self._keys

    def _replaced(self, value: Any, new: Callable[[Any], Any]) -> Any:
        if isinstance(value, Mapping):
            return {
                key: new(item) if self._is_secret(key) and item is not None else self._replaced(item, new)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._replaced(item, new) for item in value]
        return value


def revealed(value: Any) -> Any:
    """The value with plain text in place of each secret."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Mapping):
        return {key: revealed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [revealed(item) for item in value]
    return value
