"""What an account is: built from the mirrored organizations, deals and activities, in SQL.

The rules are written down in docs/accounts.md. Nothing in here speaks HTTP or knows where rows came from.
"""
