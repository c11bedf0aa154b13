"""The JSON API for programs, version 1: accounts with what hangs on them, conflicts, the state of everything.

It reads the local database and records what is to be done, as the pages do; nothing in here calls Pipedrive. What is
refused is a problem document (RFC 9457). The description of it all (OpenAPI) is made from the operations themselves.
"""
