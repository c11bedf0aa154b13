"""Hashes of passwords are slow to guess from, and take as long where there is nothing to compare with."""

import time
from statistics import median

import pytest

from sync.store.passwords import hash_password, new_token, password_fits, token_hash

HASH = hash_password("the right one")


def test_only_the_right_password_fits() -> None:
    assert password_fits("the right one", HASH)
    assert not password_fits("The right one", HASH)
    assert not password_fits("", HASH)


def test_the_same_password_never_has_the_same_hash() -> None:
    assert hash_password("the right one") != HASH


def test_a_hash_costs_what_is_recommended() -> None:
    assert HASH.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize("password", ["u\u0308ber den Bergen", "\u00fcber den Bergen", "\uff55\u0308ber den Bergen"])
def test_a_password_may_be_composed_in_every_way(password: str) -> None:
    assert password_fits(password, hash_password("\u00fcber den Bergen"))


def test_it_takes_as_long_where_there_is_no_hash() -> None:
    def seconds(password_hash: str | None) -> float:
        began = time.thread_time()
        assert not password_fits("a wrong one", password_hash)
        return time.thread_time() - began

    seconds(None)
    with_hash, without = (median(seconds(one) for _ in range(5)) for one in (HASH, None))
    assert 0.5 < without / with_hash < 2


def test_a_token_has_256_random_bits_and_can_be_looked_up() -> None:
    token = new_token()
    assert len(token) == 43
    assert token != new_token()
    assert token_hash(token) == token_hash(token)
    assert token not in token_hash(token)
