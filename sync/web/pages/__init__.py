"""The pages that people work with: one module each, all of them made of plain functions from a `Visit` to an answer.

They read the database and record what people want done; nothing in here calls Pipedrive. Without JavaScript every page
is links and forms; with it (`static/`), the same forms change parts of the page in place.
"""
