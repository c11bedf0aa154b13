"""Many accounts at once: which are wanted, in what order, and how lists, the board and the overview show them."""
