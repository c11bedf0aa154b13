"""The background service: what is to be done and when, on how many tokens, and who is the one that does it.

What a job does is done by the rooms below; how often, follows from what is left of the day's tokens.
"""
