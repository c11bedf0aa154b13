"""Outwards: what was changed about an account here travels to Pipedrive, once, and none of it is ever lost.

The database sees the edits (triggers), `accounts.planner` decides, this room reads, writes, and keeps the journal.
"""
