"""Secrets that people and programs sign in with, and what the database holds in their stead.

Passwords are short, so their hashes are slow to guess from (Argon2id, as OWASP recommends it for servers with little
memory); what this program makes up itself is too long to be guessed, and a plain hash of it can be looked up.
"""

import hashlib
import secrets
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 10, 1024  # characters of a password


def hash_password(password: str) -> str:
    """A salted hash that is slow to guess from."""
    return _hasher().hash(_composed(password))


def password_fits(password: str, password_hash: str | None) -> bool:
    """Whether a password is the one of the hash. It takes as long where there is no hash, and nothing fits."""
    from argon2.exceptions import VerificationError

    decoy = _decoy()  # made before it is known whether it is needed
    try:
        _hasher().verify(password_hash or decoy, _composed(password))
    except VerificationError:
        return False
    return password_hash is not None


def new_token() -> str:
    """256 random bits, as text that fits into cookies and headers."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What the database holds of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _composed(password: str) -> str:
    """A password in the one way to write it: keyboards compose the same letters differently."""
    return unicodedata.normalize("NFKC", password)


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # takes 50 ms to import, for which no other command should wait

    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


@cache
def _decoy() -> str:
    return hash_password(new_token())
