"""The filter of accounts as parameters of the API: the same names as in the addresses of the pages, and strict.

What means nothing is refused, and so is a name that nothing has: a typing error must not answer every account.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Depends, Query
from starlette.requests import Request

from sync.accounts.lists.calendar import Bucket
from sync.accounts.lists.filtering import Filter, Status
from sync.web.api.cursors import PROPER
from sync.web.api.problems import Wrong
from sync.web.pages.asking import OPTION, Unintelligible, filter_of

_MOST = 10**15
_MOST_CHOICES = 500
_OF_PAGES = ("cursor", "limit")

_Id = Annotated[int, Query(ge=1, le=PROPER)]
_Owner = Annotated[str, Query(pattern="^(none|[1-9][0-9]{0,14})$")]
_MOST_DAYS = 36_500
_Amount = Annotated[
    Decimal | None,
    Query(gt=-_MOST, lt=_MOST, description="In `currency`, or else in the company's.", examples=["1000"]),
]
_Day = Annotated[
    date | None, Query(ge=date(1901, 1, 1), le=date(2999, 12, 31), description="Customer since, that day included.")
]

OPTIONS: dict[str, Any] = {
    "name": "option",
    "in": "query",
    "style": "form",
    "explode": True,
    "description": "Fields with options, each as `option.` and the field's code, with the id of an option.",
    "schema": {
        "type": "object",
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[A-Za-z0-9 _-]+$"},
        "propertyNames": {"pattern": "^option\\.[a-z0-9_]{1,60}$"},
    },
}
"""How filtering by options is described; no parameter of a function can have so many names."""


def _parameters(
    request: Request,
    status: Annotated[Status, Query(description="Which accounts.")] = Status.ACTIVE,
    q: Annotated[str | None, Query(max_length=200, description="Words in name, address or text fields.")] = None,
    owner: Annotated[
        list[_Owner] | None,
        Query(max_length=_MOST_CHOICES, description="Ids of users; `none` for accounts that nobody owns."),
    ] = None,
    label: Annotated[list[_Id] | None, Query(max_length=_MOST_CHOICES, description="Ids of labels.")] = None,
    next: Annotated[list[Bucket] | None, Query(max_length=10, description="When the next activity is due.")] = None,
    currency: Annotated[str | None, Query(pattern="^[A-Za-z0-9]{1,10}$", description="Won in this currency.")] = None,
    won_from: _Amount = None,
    won_to: _Amount = None,
    contacted: Annotated[
        int | None, Query(ge=0, le=_MOST_DAYS, description="Something was done in the last so many days.")
    ] = None,
    not_contacted: Annotated[
        int | None, Query(ge=0, le=_MOST_DAYS, description="Nothing was done in the last so many days, or ever.")
    ] = None,
    never: Annotated[bool | None, Query(description="Nothing was ever done.")] = None,
    since_from: _Day = None,
    since_to: _Day = None,
) -> Filter:
    known = {name for name in locals() if name != "request"} | set(_OF_PAGES)
    given = request.query_params.multi_items()
    wrong = {name: "There is no parameter of this name." for name, _ in given if not _is_known(name, known)}
    wrong |= {name: "It holds characters that are no text." for name, text in given if not text.isprintable()}
    if wrong:
        raise Wrong(wrong)
    try:
        return filter_of(given, strict=True)
    except Unintelligible as error:
        raise Wrong({error.name: str(error)}) from None


def _is_known(name: str, known: set[str]) -> bool:
    return name in known or (name.startswith(OPTION) and name != OPTION and name.isprintable())


Wanted = Annotated[Filter, Depends(_parameters)]
"""The filter that a call asks for. Raises `Wrong`."""
