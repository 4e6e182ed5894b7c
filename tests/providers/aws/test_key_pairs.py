"""The key pair of an installation, and Windows passwords."""

from typing import Any

import pytest

from poolwright.providers.aws.provider import AWSProvider
from poolwright.providers.errors import InvalidSettings, NotFound, Transient
from tests.conformance.base import until, until_running
from tests.conformance.specs import OURS, THEIRS, spec_of
from tests.providers.aws.keys import PRIVATE_KEY, PUBLIC_KEY, new_private_key, pem
from tests.wire.aws import AWSHarness
from tests.wire.ec2 import PASSWORD, asks_for

pytestmark = pytest.mark.slow


def windows(account: AWSHarness, **settings: Any) -> AWSProvider:
    """A provider that asks for passwords."""
    given = {
        "ami_id": account.windows_image,
        "operating_system": "windows",
        "retrieve_windows_password": True,
        "ssh_private_key": pem(PRIVATE_KEY),
    }
    return account.open(OURS, **(given | ({} if "key_name" in settings else {"ssh_public_key": PUBLIC_KEY}) | settings))


class TestImportedKeyPair:
    def test_is_imported_once_for_all_vms_and_workers(self, account: AWSHarness) -> None:
        for number in range(4):
            account.open(OURS, ssh_public_key=PUBLIC_KEY).create(spec_of(f"server-{number}"))
        provider = account.open(OURS, ssh_public_key=PUBLIC_KEY)
        provider.create(spec_of("server-5"))
        account.now += 10
        provider.create(spec_of("server-6"))
        assert len(account.ec2.backend.key_pairs) == 1
        (pair,) = account.ec2.backend.key_pairs.values()
        assert {tag["key"]: tag["value"] for tag in pair.get_tags()} == {"poolwright:controller": OURS}
        assert {one.key_name for one in account.ec2.instances()} == {pair.key_name}

    def test_costs_one_call_for_a_provider(self, account: AWSHarness) -> None:
        provider = account.open(OURS, ssh_public_key=PUBLIC_KEY)
        for number in range(3):
            provider.create(spec_of(f"server-{number}"))
        assert account.server.count(asks_for("ImportKeyPair")) == 1

    def test_is_another_for_another_controller(self, account: AWSHarness) -> None:
        for name in (OURS, THEIRS):
            provider = account.open(name, ssh_public_key=PUBLIC_KEY)
            provider.create(spec_of("a", controller_id=name))
        assert len(account.ec2.backend.key_pairs) == 2

    def test_that_somebody_deleted_is_imported_again(self, account: AWSHarness) -> None:
        provider = account.open(OURS, ssh_public_key=PUBLIC_KEY)
        provider.create(spec_of("a"))
        account.ec2.backend.key_pairs.clear()
        with pytest.raises(Transient, match="imported again"):
            provider.create(spec_of("b"))
        provider.create(spec_of("b"))
        assert len(account.ec2.backend.key_pairs) == 1

    def test_is_shown_in_previews(self, account: AWSHarness) -> None:
        preview = account.open(OURS, ssh_public_key=PUBLIC_KEY).preview(spec_of("a"))
        assert preview.also["ImportKeyPair"]["KeyName"] == preview.request["KeyName"]

    def test_a_named_one_that_does_not_exist_is_named(self, account: AWSHarness) -> None:
        with pytest.raises(InvalidSettings, match="'mine'") as refused:
            account.open(OURS, key_name="mine").create(spec_of("a"))
        assert refused.type is InvalidSettings


class TestWindowsPassword:
    def test_is_none_until_windows_has_made_it(self, account: AWSHarness) -> None:
        provider = windows(account)
        assert provider.capabilities().retrieves_password
        vm = until_running(account, provider, provider.create(spec_of("a")))
        assert provider.password(vm.reference) is None
        password = until(account, lambda: provider.password(vm.reference))
        assert password is not None
        assert password.get_secret_value() == PASSWORD
        assert PASSWORD not in repr(password)

    def test_works_with_a_key_pair_that_exists(self, account: AWSHarness) -> None:
        account.ec2.backend.import_key_pair("mine", PUBLIC_KEY.encode(), {})
        provider = windows(account, key_name="mine")
        vm = until_running(account, provider, provider.create(spec_of("a")))
        assert until(account, lambda: provider.password(vm.reference))

    def test_for_another_key_says_so(self, account: AWSHarness) -> None:
        account.ec2.backend.import_key_pair("mine", PUBLIC_KEY.encode(), {})
        provider = windows(account, key_name="mine", ssh_private_key=pem(new_private_key()))
        vm = until_running(account, provider, provider.create(spec_of("a")))
        account.ec2.password_after_ticks = 0
        with pytest.raises(InvalidSettings, match="another key"):
            provider.password(vm.reference)

    def test_of_a_strangers_vm_is_not_told(self, account: AWSHarness) -> None:
        theirs = account.open(THEIRS)
        vm = theirs.create(spec_of("a", controller_id=THEIRS))
        with pytest.raises(NotFound):
            windows(account).password(vm.reference)
