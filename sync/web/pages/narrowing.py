"""What narrows a list down, in words: the choices of its filters, and one chip for each condition that holds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sync.accounts.kinds import FieldKind
from sync.accounts.lists.calendar import Bucket
from sync.accounts.lists.filtering import EVER, Status
from sync.web.pages.asking import NOBODY, OPTION, query_of
from sync.web.pages.fields.view import FieldView
from sync.web.pages.listing.asked import Asked
from sync.web.pages.visit import Visit

DAYS = (7, 30, 90, 180, 365)  # since the last contact


@dataclass(frozen=True, slots=True)
class Chip:
    """One condition that holds, and the address of the list without it."""

    text: str
    without: str


@dataclass(frozen=True, slots=True)
class Pick:
    """A choice of a filter: what stands in the address, and what is read."""

    value: str
    text: str


@dataclass(frozen=True, slots=True)
class Group:
    """The choices of one filter, under a title; `name` is that in the address."""

    name: str
    title: str
    picks: Sequence[Pick]


def bucket_words(visit: Visit) -> Mapping[Bucket, str]:
    """The buckets of the next activity as people call them."""
    say = visit.say
    return {
        Bucket.NONE: say("Nothing planned"),
        Bucket.OVERDUE: say("Overdue"),
        Bucket.TODAY: say("Today"),
        Bucket.TOMORROW: say("Tomorrow"),
        Bucket.THIS_WEEK: say("This week"),
        Bucket.LATER: say("Later"),
    }


def status_words(visit: Visit) -> Mapping[str, str]:
    """The states of accounts as people call them."""
    return {Status.ACTIVE: visit.say("Active"), Status.FORMER: visit.say("Former")}


def groups(visit: Visit, view: FieldView) -> Sequence[Group]:
    """The filters that are always at hand."""
    say, fields = visit.say, view.fields
    owners = sorted(fields.users.items(), key=lambda one: one[1].casefold())
    labels = fields.rules["label_ids"].field_type.options if "label_ids" in fields.rules else None
    found = [
        Group("owner", say("Owner"), [*(Pick(str(one), name) for one, name in owners), Pick(NOBODY, say("No owner"))]),
        Group("label", say("Label"), [Pick(str(one), label) for one, label in (labels or {}).items()]),
        Group("next", say("Next activity"), [Pick(one, words) for one, words in bucket_words(visit).items()]),
    ]
    return [one for one in found if one.picks]


def option_groups(view: FieldView) -> Sequence[Group]:
    """The fields whose options accounts can be filtered by: custom ones, the industry, the accounts' own."""
    rules, own = view.fields.rules, view.fields.own
    found: list[Group] = []
    for code in view.codes():
        if code in own:
            picks = [Pick(label, label) for label in own[code].options]
        elif rules[code].field_type.kind in (FieldKind.ENUM, FieldKind.SET):
            picks = [Pick(str(one), label) for one, label in (rules[code].field_type.options or {}).items()]
        else:
            continue
        if picks:
            found.append(Group(OPTION + code, view.title(code), picks))
    return found


def chips(visit: Visit, view: FieldView, asked: Asked) -> Sequence[Chip]:
    """One for each condition of a list but the search, which stands in its box."""
    pairs = [pair for pair in query_of(asked.filter) if pair[0] != "q"]
    return [Chip(_words(visit, view, *pair), asked.without(pair).address()) for pair in pairs]


def _words(visit: Visit, view: FieldView, name: str, value: str) -> str:
    if name.startswith(OPTION):
        return f"{view.title(name.removeprefix(OPTION))}: {_option(view, name.removeprefix(OPTION), value)}"
    return _WORDS[name](visit, view, value)


def _option(view: FieldView, code: str, value: str) -> str:
    rule = view.fields.rules.get(code)
    options = (rule.field_type.options if rule else None) or {}
    return options.get(int(value), value) if value.isascii() and value.isdigit() and len(value) < 19 else value


def _status(visit: Visit, _: FieldView, value: str) -> str:
    return visit.say("Former and active") if value == Status.ALL else visit.say("Former")


def _owner(visit: Visit, view: FieldView, value: str) -> str:
    if value == NOBODY:
        return visit.say("No owner")
    return f"{visit.say('Owner')}: {view.fields.users.get(int(value), value)}"


def _label(visit: Visit, view: FieldView, value: str) -> str:
    return f"{visit.say('Label')}: {_option(view, 'label_ids', value)}"


def _bucket(visit: Visit, _: FieldView, value: str) -> str:
    return f"{visit.say('Next activity')}: {bucket_words(visit)[Bucket(value)]}"


def _currency(visit: Visit, _: FieldView, value: str) -> str:
    return visit.say("Won in %(currency)s", currency=value)


def _from(visit: Visit, _: FieldView, value: str) -> str:
    return visit.say("Won value from %(amount)s", amount=visit.language.number(Decimal(value)))


def _to(visit: Visit, _: FieldView, value: str) -> str:
    return visit.say("Won value up to %(amount)s", amount=visit.language.number(Decimal(value)))


def contacted_words(visit: Visit, days: int) -> str:
    """That something was done lately, or ever."""
    if days >= EVER:
        return visit.say("Contacted at some time")
    return visit.language.count("Contacted in the last %(num)s day", "Contacted in the last %(num)s days", days)


def silent_words(visit: Visit, days: int) -> str:
    """That nothing was done lately."""
    return visit.language.count("Not contacted for %(num)s day", "Not contacted for %(num)s days", days)


def _contacted(visit: Visit, _: FieldView, value: str) -> str:
    return contacted_words(visit, int(value))


def _silent(visit: Visit, _: FieldView, value: str) -> str:
    return silent_words(visit, int(value))


def _never(visit: Visit, _view: FieldView, _value: str) -> str:
    return visit.say("Never contacted")


def _since(visit: Visit, _: FieldView, value: str) -> str:
    return visit.say("Customer since %(day)s or later", day=visit.language.date(date.fromisoformat(value)))


def _until(visit: Visit, _: FieldView, value: str) -> str:
    return visit.say("Customer since %(day)s or earlier", day=visit.language.date(date.fromisoformat(value)))


_WORDS: Mapping[str, Callable[[Visit, FieldView, str], str]] = {
    "status": _status,
    "owner": _owner,
    "label": _label,
    "next": _bucket,
    "currency": _currency,
    "won_from": _from,
    "won_to": _to,
    "contacted": _contacted,
    "not_contacted": _silent,
    "never": _never,
    "since_from": _since,
    "since_to": _until,
}
