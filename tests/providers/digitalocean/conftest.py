"""An account and a provider on it for each test of this folder."""

from collections.abc import Iterator

import pytest

from poolwright.providers.digitalocean.provider import DigitalOceanProvider
from tests.providers.digitalocean.account import Account, AccountServer, account_server


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccountServer]:
    with account_server(tmp_path_factory.mktemp("digitalocean")) as server:
        yield server


@pytest.fixture
def account(serving: AccountServer) -> Iterator[Account]:
    account = serving.new_account()
    yield account
    assert account.cloud.complaints == []


@pytest.fixture
def provider(account: Account) -> DigitalOceanProvider:
    return account.open()
