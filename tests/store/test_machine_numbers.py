"""Numbers of VMs: reserved with their servers, free again with them."""

import pytest
from sqlalchemy.exc import IntegrityError

from poolwright.domain.states import ServerState
from poolwright.store.engine import Store
from poolwright.store.machine_numbers import NumbersExhausted, reserve_another, reserve_number
from poolwright.store.servers import lock_server
from tests.store.scenes import move, reserve, server_pool


def number_of(store: Store, server_id: str, first: int = 100, last: int = 102) -> int:
    with store.write() as tx:
        return reserve_number(tx, lock_server(tx, server_id), first, last)


def another_for(store: Store, server_id: str) -> int:
    with store.write() as tx:
        return reserve_another(tx, lock_server(tx, server_id), 100, 102)


class TestReserve:
    def test_each_server_gets_the_lowest_free_number_and_keeps_it(self, store: Store) -> None:
        server_pool(store)
        first, second = reserve(store, count=2)
        assert [number_of(store, first), number_of(store, second), number_of(store, first)] == [100, 101, 100]

    def test_a_number_is_free_again_when_its_server_is_deleted(self, store: Store) -> None:
        server_pool(store)
        first, second = reserve(store, count=2)
        assert number_of(store, first) == 100
        move(store, first, ServerState.DELETING)
        assert number_of(store, second) == 101
        move(store, first, ServerState.DELETED)
        (third,) = reserve(store)
        assert number_of(store, third) == 100

    def test_a_range_that_is_full_says_so(self, store: Store) -> None:
        server_pool(store)
        first, second = reserve(store, count=2)
        number_of(store, first, 100, 100)
        with pytest.raises(NumbersExhausted, match="from 100 to 100 are taken by 1 servers: widen the range"):
            number_of(store, second, 100, 100)

    def test_no_two_living_servers_of_one_provider_have_the_same(self, store: Store) -> None:
        server_pool(store)
        first, second = reserve(store, count=2)
        number_of(store, first)
        with pytest.raises(IntegrityError), store.write() as tx:
            lock_server(tx, second).machine_number = 100


class TestAnother:
    def test_the_next_one_is_above_and_after_the_last_comes_the_first(self, store: Store) -> None:
        server_pool(store)
        first, second = reserve(store, count=2)
        number_of(store, second)
        assert number_of(store, first) == 101
        assert another_for(store, first) == 102
        assert another_for(store, second) == 101
        assert another_for(store, first) == 100
