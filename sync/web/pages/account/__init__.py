"""The page of one account, a module for each part of it."""
