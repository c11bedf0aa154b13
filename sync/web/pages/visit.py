"""One request of a page: who asks, in which language and time zone, and the ways to answer."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import cached_property
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sync.accounts.fields import Fields
from sync.accounts.lists.calendar import Calendar
from sync.accounts.reference import Reference
from sync.web.access.doorkeeper import csrf_token, local_path
from sync.web.access.viewer import Viewer
from sync.web.pages.language import LANGUAGES, Language, accepted, language_for, names_of_languages
from sync.web.pages.site import Site, templates

SAID = "said"  # the cookie with what the next page is to say
THEMES = ("auto", "light", "dark")


@dataclass(frozen=True)
class Visit:
    """One request. `company_id` is that of the company that is shown; 0 while none is."""

    site: Site
    request: Request
    viewer: Viewer
    language: Language
    calendar: Calendar
    company_id: int = 0
    form: FormData = field(default_factory=FormData)

    @property
    def query(self) -> QueryParams:
        """What the address asks for."""
        return self.request.query_params

    @cached_property
    def fields(self) -> Fields:
        """The editable fields of the company's accounts."""
        return self.reference.fields(self.site.settings)

    @cached_property
    def reference(self) -> Reference:
        """The names of users, labels, fields, …"""
        return self.site.reference.of(self.company_id)

    def number(self, name: str) -> int:
        """A number in the path."""
        return int(self.request.path_params[name])

    def say(self, message: str, /, **values: object) -> str:
        """A message in the visitor's language."""
        return self.language.say(message, **values)

    def show(self, template: str, status: int = 200, /, **context: Any) -> Response:
        """A page. One that the browser has already, in this very state, is not sent again (304)."""
        body = render(self.request, self.viewer, self.language, self.calendar, template, context).encode()
        tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
        if status == 200 and self.request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        response = HTMLResponse(body, status, {"ETag": tag})
        if SAID in self.request.cookies:
            response.delete_cookie(SAID)
        return response

    def go(self, path: str, said: str = "", *, undo: int | None = None, wrong: bool = False) -> Response:
        """To another page after a change, which says what was done; `undo` is the change that can be taken back."""
        response = RedirectResponse(path, 303)
        if said:
            document = orjson.dumps({"text": said, "undo": undo, "wrong": wrong})
            value = base64.urlsafe_b64encode(document).decode()
            response.set_cookie(SAID, value, max_age=60, httponly=True, samesite="lax")
        return response

    def back(self, otherwise: str, said: str = "", *, undo: int | None = None, wrong: bool = False) -> Response:
        """To where the form said that it came from (`back`), if that is one of our own pages."""
        return self.go(local_path(str(self.form.get("back", "")), otherwise), said, undo=undo, wrong=wrong)


def language_of(request: Request) -> Language:
    """The language a request asks for: by the switch (a cookie), else by the browser."""
    wanted = [*accepted(request.headers.get("accept-language", ""))]
    if chosen := chosen_language(request):  # in the country that the browser names, where it speaks that language
        wanted = [*(tag for tag in wanted if tag.lower().split("-")[0] == chosen), chosen]
    return language_for(wanted, zone_of(request))


def chosen_language(request: Request) -> str:
    """The language that the switch was set to; empty where the browser decides."""
    chosen = request.cookies.get("language", "")
    return chosen if chosen in LANGUAGES else ""


def zone_of(request: Request) -> tzinfo:
    """The time zone that the browser told, by a cookie; UTC until it has."""
    return zone_called(unquote(request.cookies.get("zone", ""))) or UTC


def zone_called(name: str) -> ZoneInfo | None:
    """The time zone with a name such as `Europe/Berlin`; None for what is no name of one."""
    try:
        return ZoneInfo(name) if name else None
    except (OSError, ValueError, ZoneInfoNotFoundError):  # what it raises depends on how the name is wrong
        return None


def render(
    request: Request,
    viewer: Viewer | None,
    language: Language,
    calendar: Calendar,
    template: str,
    context: Mapping[str, Any],
) -> str:
    """A template with what all of them know."""
    theme = request.cookies.get("theme", "")
    return (
        templates()
        .get_template(template)
        .render(
            language=language,
            languages=names_of_languages(),
            chosen_language=chosen_language(request),
            calendar=calendar,
            viewer=viewer,
            csrf=csrf_token(request.scope),
            form_token=csrf_token(request.scope),
            theme=theme if theme in THEMES else "auto",
            path=request.url.path,
            address=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            said=_said(request),
            _=language.say,
            gettext=language.say,
            ngettext=lambda one, many, number, **values: language.count(one, many, number, **values),
            **context,
        )
    )


def _said(request: Request) -> Mapping[str, Any] | None:
    try:
        document = orjson.loads(base64.urlsafe_b64decode(request.cookies.get(SAID, "")))
    except (binascii.Error, orjson.JSONDecodeError, ValueError):
        return None
    return document if isinstance(document, dict) and isinstance(document.get("text"), str) else None
