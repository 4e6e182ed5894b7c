"""Secrets that are left blank, as a form that was not filled in leaves them."""

from typing import Annotated

from pydantic import AfterValidator, SecretStr


def _left_out_if_blank(secret: SecretStr | None) -> SecretStr | None:
    return secret if secret and secret.get_secret_value().strip() else None


OptionalSecret = Annotated[SecretStr | None, AfterValidator(_left_out_if_blank)]
"""A secret that may be left out. Blank is the same as left out."""
