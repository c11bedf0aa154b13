"""What every page can ask for: a jump to an account, another language or theme, taking back what was just done."""

from collections.abc import Sequence

from starlette.responses import RedirectResponse, Response

from sync.accounts.lists.listing import jump
from sync.web.pages.language import LANGUAGES
from sync.web.pages.routes import Page
from sync.web.pages.visit import THEMES, Visit, zone_called
from sync.writeback.editing import undo_change

_A_YEAR = 365 * 24 * 3600  # seconds


def to_accounts(_visit: Visit) -> Response:
    """From the root to the list."""
    return RedirectResponse("/accounts", 307)


def find(visit: Visit) -> Response:
    """The accounts and commands that a few letters mean; the whole page where there is no JavaScript."""
    words = visit.query.get("q", "")[:200]
    with visit.site.database.reading() as connection:
        found = jump(connection, visit.company_id, words) if words.strip() else []
    commands = [(title, path) for title, path in _commands(visit) if words.casefold() in title.casefold()]
    return visit.show("jump.html", words=words, found=found, commands=commands)


def _commands(visit: Visit) -> Sequence[tuple[str, str]]:
    say = visit.say
    return [
        (say("List of accounts"), "/accounts"),
        (say("Board by next activity"), "/board"),
        (say("Contacted and not contacted"), "/contacts"),
        (say("Accounts with nothing planned"), "/accounts?next=none"),
        (say("Accounts with an overdue activity"), "/accounts?next=overdue"),
        (say("Conflicts"), "/conflicts"),
        (say("How the service is doing"), "/sync"),
        (say("JSON API"), "/api/docs"),
    ]


def set_appearance(visit: Visit) -> Response:
    """Keep a visitor's language, colours and time zone, in his browser."""
    language, theme, zone = (str(visit.form.get(name, "")).strip() for name in ("language", "theme", "zone"))
    is_known = zone_called(zone) is not None
    wrong = visit.say("No time zone is called “%(name)s”.", name=zone[:80]) if zone and not is_known else ""
    response = visit.back("/accounts", wrong, wrong=bool(wrong))
    if language in LANGUAGES:
        response.set_cookie("language", language, max_age=_A_YEAR, samesite="lax")
    else:
        response.delete_cookie("language")
    if theme in THEMES:
        response.set_cookie("theme", theme, max_age=_A_YEAR, samesite="lax")
    if is_known:
        response.set_cookie("zone", zone, max_age=_A_YEAR, samesite="lax")
    return response


def undo(visit: Visit) -> Response:
    """Take back a change that was just made, and all that were made together with it."""
    with visit.site.database.writing() as connection:
        undone = undo_change(
            connection,
            visit.company_id,
            visit.fields,
            visit.number("change_id"),
            batch=True,
            by=visit.viewer.name,
            at=visit.calendar.now,
        )
    if undone.undone:
        words = visit.language.count("Taken back: %(num)s change.", "Taken back: %(num)s changes.", len(undone.undone))
        return visit.back("/accounts", words)
    return visit.back("/accounts", visit.say("It was changed again since, so nothing was taken back."), wrong=True)


PAGES: Sequence[Page] = (
    Page("/", to_accounts, needs_accounts=False),
    Page("/jump", find, needs_accounts=False),
    Page("/appearance", set_appearance, changes=True, by_viewers=True, needs_accounts=False),
    Page("/changes/{change_id:int}/undo", undo, changes=True),
)
