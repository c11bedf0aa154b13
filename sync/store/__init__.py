"""The local side: the schema, connections and transactions, bulk upserts, checkpoints and migrations.

What a row means, and when it is read or written, is decided above. Nothing in here speaks HTTP.
"""
