"""The board, and what of it is asked for and not yet done."""
