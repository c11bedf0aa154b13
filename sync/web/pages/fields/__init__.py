"""Fields of accounts on any page: how their values look, the forms for them, and what an edit does."""
