"""The remote side: how to talk to Pipedrive, and what its records look like.

`entities` is the one table of everything that is mirrored; `records` translates a record to a storable row and back;
`listing` reads lists page by page; `client` sends requests within the `limits`. Nothing in here knows a database.
"""
