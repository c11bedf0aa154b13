"""Notes of an account: Pipedrive's HTML made harmless, and a form to add one.

What a note may hold is a short list of allowed things; everything else goes: scripts, styles, images, forms.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import nh3
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sync.web.pages.routes import Page
from sync.web.pages.told import told_error
from sync.web.pages.visit import Visit
from sync.writeback.errands import NothingThere, UnfitErrand, ask_for_note, html_of

_TAGS = frozenset(
    [
        *("a", "b", "blockquote", "br", "code", "dd", "del", "div", "dl", "dt", "em", "hr", "i", "ins", "li", "mark"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "s", "small", "span", "strike", "strong", "sub", "sup"),
        *("table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul"),
    ]
)
_ATTRIBUTES: Mapping[str, frozenset[str]] = MappingProxyType(
    {"a": frozenset({"href"}), "td": frozenset({"colspan", "rowspan"}), "th": frozenset({"colspan", "rowspan"})}
)
_SCHEMES = frozenset({"http", "https", "mailto", "tel"})
_LEVELS = MappingProxyType({f"h{level}": "strong" for level in range(1, 7)})
_LONGEST = 100_000  # letters of a note that are shown


def _attribute(_: str, name: str, value: str) -> str | None:
    """No links to pages of ours: those are for their own buttons."""
    return value if name != "href" or ":" in value.split("/")[0] else None


def harmless(html: str | None) -> Markup:
    """HTML of a stranger as it may stand in a page of ours; headings become bold, for the page has its own."""
    cleaned = nh3.clean(
        (html or "")[:_LONGEST],
        tags=set(_TAGS),
        clean_content_tags={"script", "style", "template", "title"},
        attribute_filter=_attribute,
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        url_schemes=set(_SCHEMES),
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )
    for heading, instead in _LEVELS.items():  # what nh3 puts out is well-formed, and these have no attributes
        cleaned = cleaned.replace(f"<{heading}>", f"<p><{instead}>").replace(f"</{heading}>", f"</{instead}></p>")
    return Markup(cleaned)


def add(visit: Visit) -> Response:
    """Note that a note is to be added to an account."""
    organization_id, text = visit.number("organization_id"), str(visit.form.get("content", ""))
    if not text.strip():
        return visit.back(f"/accounts/{organization_id}", visit.say("The note is empty."), wrong=True)
    try:
        with visit.site.database.writing() as connection:
            ask_for_note(
                connection,
                visit.company_id,
                organization_id=organization_id,
                content=html_of(text),
                by=visit.viewer.name,
                now=visit.calendar.now,
            )
    except NothingThere:
        raise HTTPException(404, visit.say("There is no such account.")) from None
    except UnfitErrand as error:
        return visit.back(f"/accounts/{organization_id}", told_error(visit.language, error), wrong=True)
    return visit.back(f"/accounts/{organization_id}", visit.say("The note is being added."))


PAGES: Sequence[Page] = (Page("/accounts/{organization_id:int}/notes", add, changes=True),)
