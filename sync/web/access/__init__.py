"""Who may use the pages and the JSON API: addresses they are reached by, sessions, tokens, a trusted proxy, roles.

Everything here stands before the pages, and knows none of them.
"""
