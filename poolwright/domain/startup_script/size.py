"""Compares a startup script with the size that the VM provider takes."""

from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr

from poolwright.domain.base import Model
from poolwright.domain.startup_script.rendering import filled, plain_texts
from poolwright.domain.startup_script.tags import TAGS

TOKEN_BYTES: Final = 600
"""Assumed size of a token that is not made yet. A signed web token has about 50 bytes of header, 200 of claims and 342
of an RSA signature; one signed with a shared key is shorter, so the assumption errs towards a warning."""

VALUE_BYTES: Final = 64
"""Assumed size of any other unknown value: a host name has at most 63 bytes, an id 36."""

_TOKENS: Final = frozenset({"manager_token", "checkin_jwt", "registration_token"})
_STAND_INS: Final = {name: "x" * (TOKEN_BYTES if name in _TOKENS else VALUE_BYTES) for name in TAGS}


class SizeProblem(Model):
    """A startup script is larger than the VM provider takes."""

    size_bytes: int
    limit_bytes: int
    message: str

    def __str__(self) -> str:
        """The message."""
        return self.message


def size_problem(rendered: str, limit_bytes: int | None, provider: str) -> SizeProblem | None:
    """The problem with a rendered script whose UTF-8 form is over the provider's limit; None when it fits.

    `limit_bytes` None: the provider has no limit worth a check. `provider` is its name as the message shows it.
    """
    return _compared(_utf8_bytes(rendered), limit_bytes, provider, "is")


def estimated_size_problem(
    script: str, known_values: Mapping[str, str | SecretStr | None], limit_bytes: int | None, provider: str
) -> SizeProblem | None:
    """Like `size_problem`, for a script that is not rendered yet, with the size that `estimated_size` gives."""
    return _compared(estimated_size(script, known_values), limit_bytes, provider, "will be about")


def estimated_size(script: str, known_values: Mapping[str, str | SecretStr | None]) -> int:
    """About how many UTF-8 bytes the rendered script will have, whatever problems the script has.

    Tags in `known_values` count as they will be rendered, filters included. For the others a token is taken to have
    TOKEN_BYTES, any other value VALUE_BYTES.
    """
    return _utf8_bytes(filled(script, _STAND_INS | plain_texts(known_values)))


def _compared(size_bytes: int, limit_bytes: int | None, provider: str, verb: str) -> SizeProblem | None:
    if limit_bytes is None or size_bytes <= limit_bytes:
        return None
    message = (
        f"The startup script {verb} {size_bytes} bytes once its tags are filled in, and {provider} takes at most "
        f"{limit_bytes} bytes: {size_bytes - limit_bytes} too many. Take out comments and blank lines; put each token "
        f"into a variable once, since every use of its tag adds about {TOKEN_BYTES} bytes; let a short script fetch "
        "the rest from a server of yours; or bake the rest into the image."
    )
    return SizeProblem(size_bytes=size_bytes, limit_bytes=limit_bytes, message=message)


def _utf8_bytes(text: str) -> int:
    # A lone surrogate cannot be encoded otherwise, and a size check is no place to fail for it.
    return len(text.encode("utf-8", errors="surrogatepass"))
