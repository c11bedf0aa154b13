"""pipedrive-sync: a Pipedrive company mirrored into SQL, with the accounts Pipedrive took away.

The package reads top-down: `cli` calls `mirror` and `accounts`, which stand on `store` (the database) and `pipedrive`
(the remote side). `sandbox` is a simulated Pipedrive for the demo and the tests.
"""

__version__ = "0.1.0"
