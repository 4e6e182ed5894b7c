"""Computer records in Active Directory. Only what opens a directory pays for its LDAP library."""

from typing import TYPE_CHECKING

from poolwright.directory.errors import InvalidSettings
from poolwright.domain.resources import LDAPConfig

if TYPE_CHECKING:
    from poolwright.directory.active_directory import ComputerDirectory


def open_directory(config: LDAPConfig, controller_id: str) -> "ComputerDirectory":
    """The directory of this LDAP config, on behalf of this installation. No call to a domain controller.

    Raises `InvalidSettings` for settings that can never work.
    """
    try:
        from poolwright.directory.active_directory import ComputerDirectory
    except ModuleNotFoundError as error:
        raise InvalidSettings(
            f"computer records need the package {error.name}, which is not installed", "install poolwright[directory]"
        ) from error
    return ComputerDirectory(config, controller_id)
