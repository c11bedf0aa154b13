"""Inwards: how what is at Pipedrive gets into the mirror.

`backfill` copies everything once, `poll` fetches what changed since, `reference` reads the small lists whole, `sweep`
finds what no change tells of: deletions, and records no poll can show. `cycle` is one round of them all. What a record
or an account is, is decided below.
"""
