"""Measures how fast the mirror is filled, and with how much memory, against the targets that were set for it.

Everything runs on this machine, against a simulated Pipedrive in another process. Each part is a module with a
`measure` that gives rows of one table; what is compared with a target is a ratio or a count wherever that is possible.
"""
