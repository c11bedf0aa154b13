"""The list of accounts: what is asked for, its columns, saved lists, the export, and changing many at once."""
