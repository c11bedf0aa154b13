"""`check`: is everything right that a sync needs? One line per question, with the remedy where the answer is no.

Goes on after a failure wherever the next question can still be answered. It reads, and books the few tokens it spends;
it takes no lock, so that it can be run beside a sync.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from math import ceil

import typer

from sync.accounts.builder import NO_CURRENCY
from sync.accounts.queries import won_currencies
from sync.accounts.valuation import Valuation
from sync.cli.formats import minute, one_line
from sync.cli.output import Json, print_json
from sync.cli.runtime import begin_logs
from sync.clock import Clock, SystemClock
from sync.errors import SyncError
from sync.mirror.company import Me, fetch_me
from sync.mirror.privacy import Definition, resolve_privacy
from sync.mirror.state import token_state
from sync.mirror.subscriptions import RECEIVER_PATH, is_ours
from sync.pipedrive.client import Client
from sync.pipedrive.connect import connect, token_budget
from sync.pipedrive.entities import BY_NAME, FIELDS, Entity, Listing
from sync.pipedrive.errors import PipedriveError
from sync.pipedrive.limits import TokenBudget
from sync.pipedrive.listing import Page, fetch_page
from sync.pipedrive.purpose import Purpose
from sync.pipedrive.webhooks import Webhook, fetch_webhooks
from sync.settings import Settings, SettingsError, load_settings, require_credentials
from sync.store.companies import load_companies
from sync.store.custom_fields import load_definitions
from sync.store.database import Database
from sync.store.errors import DatabaseError
from sync.store.tokens import load_budget, save_budget
from sync.store.upgrade import revision_of, upgrade
from sync.store.webhooks import Subscription, load_subscriptions

CLOCK_TOLERANCE = 5.0  # seconds

_TO_BLAME = 2  # the exit code of what the settings, the credentials or the database are to blame for


class Verdict(StrEnum):
    """How a question was answered."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question; `exit_code` matters for failures only."""

    check: str
    status: Verdict
    message: str
    remedy: str = ""
    exit_code: int = 1


@dataclass(slots=True)
class _Checkup:
    """What is known so far."""

    clock: Clock
    settings: Settings
    budget: TokenBudget
    database: Database | None = None
    me: Me | None = None
    companies: Mapping[int, Mapping[str, object]] = field(default_factory=dict)

    @property
    def company_id(self) -> int | None:
        """The company that is mirrored here; None while nothing is."""
        if self.me is not None:
            return self.me.company_id if self.me.company_id in self.companies else None
        return next(iter(self.companies)) if len(self.companies) == 1 else None


def check(json: Json = False) -> None:
    """Check the settings, the database, the token, visibility, currencies, the clock and the tokens left.

    Exits 0 when nothing failed; warnings are no failures.
    """
    findings: list[Finding] = []
    for finding in _examine():
        findings.append(finding)
        if not json:
            _print(finding)
    failed = [one for one in findings if one.status is Verdict.FAIL]
    if json:
        checks = [{name: value for name, value in asdict(one).items() if name != "exit_code"} for one in findings]
        print_json({"ok": not failed, "checks": checks})
    if failed:
        raise typer.Exit(_TO_BLAME if any(one.exit_code == _TO_BLAME for one in failed) else 1)


def _print(finding: Finding) -> None:
    sentence = f"{finding.message.removesuffix('.')}. {finding.remedy}"
    typer.echo(f"{finding.status:<4}  {finding.check:<10}  {one_line(sentence)}")


def _examine() -> Iterator[Finding]:
    try:
        settings = load_settings()
    except SettingsError as error:
        yield _failure("settings", error)
        return
    begin_logs(settings)
    # Our own share keeps nobody from finding out what is wrong: a person waits, so that these few tokens may pass it.
    checkup = _Checkup(SystemClock(), settings, token_budget(settings))
    complete = _credentials(settings)
    yield complete
    with _database(checkup) as found:
        yield found
        if complete.status is Verdict.OK:
            yield from _remote(checkup)
        yield from _rates(checkup)
        yield from _booked(checkup)
        yield _tokens(checkup)


def _failure(check: str, error: SyncError) -> Finding:
    return Finding(check, Verdict.FAIL, error.message, error.remedy, error.exit_code)


@contextmanager
def _database(checkup: _Checkup) -> Iterator[Finding]:
    """Open and migrate the database, for as long as the block lasts."""
    try:
        database = Database(checkup.settings.database_url.get_secret_value())
    except DatabaseError as error:
        yield _failure("database", error)
        return
    try:
        yield _opened(checkup, database)
    finally:
        database.close()


def _opened(checkup: _Checkup, database: Database) -> Finding:
    try:
        migrated = upgrade(database)
        with database.reading() as connection:
            checkup.companies = {company["company_id"]: company for company in load_companies(connection)}
        revision = revision_of(database)
    except DatabaseError as error:
        return _failure("database", error)
    checkup.database = database
    done = ", migrated just now" if migrated else ""
    return Finding("database", Verdict.OK, f"{database.name}, revision {revision}{done}")


def _credentials(settings: Settings) -> Finding:
    try:
        require_credentials(settings)
    except SettingsError as error:
        return _failure("settings", error)
    return Finding("settings", Verdict.OK, f"complete; Pipedrive at {settings.base_url or 'the address OAuth tells'}")


def _remote(checkup: _Checkup) -> Iterator[Finding]:
    """Everything that takes a call to Pipedrive."""
    with connect(checkup.settings, checkup.clock, checkup.budget) as client:
        try:
            checkup.me = me = fetch_me(client)
        except PipedriveError as error:
            yield _failure("token", error)
        else:
            user = f"user {me.user_name} ({me.user_id}) of {me.company_name} ({me.company_id})"
            yield Finding("token", Verdict.OK, f"accepted: {user}")
            yield from _of_company(checkup, me)
            yield from _fields_and_clock(client, checkup.clock)
            yield _webhooks(checkup, client)
        yield _privacy(checkup, client)


def _of_company(checkup: _Checkup, me: Me) -> Iterator[Finding]:
    if checkup.companies and me.company_id not in checkup.companies:
        held = ", ".join(f"{one} ({company['name']})" for one, company in checkup.companies.items())
        message = f"the database holds {held}, and not yet this token's company {me.company_id}"
        remedy = "If that is not meant, correct DATABASE_URL or the token; else run `pipedrive-sync backfill`."
        yield Finding("company", Verdict.WARN, message, remedy)
    yield visibility(me)
    yield currency(checkup.settings, me)


def visibility(me: Me) -> Finding:
    """Whether the token's user sees every record."""
    if me.sees_everything:
        return Finding("visibility", Verdict.OK, "the token's user administers sales and sees every record")
    return Finding(
        "visibility",
        Verdict.WARN,
        "the token's user may not see every record: what is hidden from that user is missing here, silently",
        "Use the token of a user with global visibility (a deals administrator) for a complete mirror.",
    )


def currency(settings: Settings, me: Me) -> Finding:
    """What accounts are valued in, and who says so."""
    if settings.currency.base:
        return Finding("currency", Verdict.OK, f"{settings.currency.base}, from the setting currency.base")
    if me.default_currency:
        message = f"{me.default_currency}, the default of the token's user; the setting currency.base overrules it"
        return Finding("currency", Verdict.OK, message)
    message = "neither the settings nor the token's user name a currency: USD is assumed"
    return Finding("currency", Verdict.WARN, message, "Set currency.base to the company's currency.")


def _fields_and_clock(client: Client, clock: Clock) -> Iterator[Finding]:
    listing = FIELDS.listings[0]
    try:
        page = fetch_page(client, listing, purpose=Purpose.CHECK)
    except PipedriveError as error:
        yield _failure("fields", error)
        return
    arrived_at = clock.now()
    yield Finding("fields", Verdict.OK, f"{len(page.records):,} definitions of organization fields can be read")
    yield clock_finding(page.server_time, page.began_at, arrived_at)


def _webhooks(checkup: _Checkup, client: Client) -> Finding:
    """Whether Pipedrive tells of every change; asks it only where webhooks were ever wanted (10 tokens)."""
    public_url = checkup.settings.webhook_public_url
    try:
        known: Sequence[Subscription] = ()
        if checkup.database is not None and checkup.company_id is not None:
            with checkup.database.reading() as connection:
                known = load_subscriptions(connection, checkup.company_id)
        if not known and not public_url:
            return Finding("webhooks", Verdict.OK, "not wanted (WEBHOOK_PUBLIC_URL): changes are found by polling")
        there = fetch_webhooks(client, purpose=Purpose.CHECK)
    except (PipedriveError, DatabaseError) as error:
        return _failure("webhooks", error)
    return webhooks(there, known, public_url + RECEIVER_PATH if public_url else known[0].subscription_url)


def webhooks(there: Sequence[Webhook], known: Sequence[Subscription], url: str) -> Finding:
    """Whether the subscriptions that were installed are there and get through."""
    ids = {one.webhook_id for one in known}
    ours = [one for one in there if one.webhook_id in ids and is_ours(one, url) and one.is_active]
    install = "Run `pipedrive-sync webhooks install`."
    if not ours:
        return Finding("webhooks", Verdict.WARN, f"Pipedrive delivers nothing to {url}", install)
    if len(ours) < len(ids):
        message = f"{len(ids) - len(ours):,} of {len(ids):,} subscriptions are gone or inactive"
        return Finding("webhooks", Verdict.WARN, message, install)
    failed = [one for one in ours if one.last_http_status and not 200 <= one.last_http_status < 300]
    if failed:
        status, what = failed[0].last_http_status, failed[0].event_object
        message = f"the last delivery ({what}) to {url} was answered with {status}"
        remedy = "Does the address lead to `pipedrive-sync run` or `receive`, with this database and these credentials?"
        return Finding("webhooks", Verdict.WARN, message, remedy)
    return Finding("webhooks", Verdict.OK, f"{len(ours):,} subscriptions deliver to {url}")


def clock_finding(server_time: datetime | None, began_at: datetime, arrived_at: datetime) -> Finding:
    """How far this clock is from Pipedrive's, at the least: the `Date` header was written between sending and answer.

    It has a resolution of one second, so that second may have been all but over.
    """
    if server_time is None:
        return Finding("clock", Verdict.WARN, "Pipedrive did not say what time it is", "Look at this clock yourself.")
    behind = (server_time - arrived_at).total_seconds()
    ahead = (began_at - server_time).total_seconds() - 1
    apart = max(behind, ahead, 0.0)
    if apart <= CLOCK_TOLERANCE:
        return Finding("clock", Verdict.OK, f"within {CLOCK_TOLERANCE:.0f} s of Pipedrive's")
    direction = "behind" if behind > ahead else "ahead of"
    return Finding(
        "clock",
        Verdict.FAIL,
        f"this computer's clock is at least {ceil(apart):,} s {direction} Pipedrive's",
        "Switch on time synchronisation (NTP); until then it can't be told which of two changes came last.",
    )


def _privacy(checkup: _Checkup, client: Client) -> Finding:
    """Whether every name in the privacy settings means something; asks for definitions only where none are stored."""
    settings = checkup.settings.privacy
    names = (*settings.leave_out, *settings.hash)
    if not names:
        return Finding("privacy", Verdict.OK, "nothing is left out or hashed")
    entities = {name.partition(".")[0] for name in names if "." in name} & set(BY_NAME)
    try:
        definitions = {name: _definitions(checkup, client, BY_NAME[name]) for name in sorted(entities)}
        resolve_privacy(settings, definitions)
    except (SettingsError, DatabaseError) as error:
        return _failure("privacy", error)
    except PipedriveError:
        message = "the names in [privacy] can't be looked up: the field definitions can't be read"
        return Finding("privacy", Verdict.WARN, message, "Mend what failed above, and check again.")
    return Finding("privacy", Verdict.OK, f"all names resolve ({', '.join(names)})")


def _definitions(checkup: _Checkup, client: Client, entity: Entity) -> Mapping[str, Definition]:
    """An entity's field definitions: as stored, else as Pipedrive has them (10 tokens)."""
    if checkup.database is not None and checkup.company_id is not None:
        with checkup.database.reading() as connection:
            stored = load_definitions(connection, checkup.company_id, entity.singular)
        if stored:
            return {one.field_code: Definition(one.field_name, one.is_custom) for one in stored}
    return {
        one["field_code"]: Definition(one["field_name"], bool(one.get("is_custom_field")))
        for listing in FIELDS.listings
        if listing.constants.get("entity") == entity.singular
        for page in _pages(client, listing)
        for one in page.records
    }


def _pages(client: Client, listing: Listing) -> Iterator[Page]:
    page = fetch_page(client, listing, purpose=Purpose.CHECK)
    yield page
    while page.following is not None:
        page = fetch_page(client, listing, page.following, purpose=Purpose.CHECK)
        yield page


def _rates(checkup: _Checkup) -> Iterator[Finding]:
    if checkup.database is None:
        return
    stored = checkup.companies[checkup.company_id]["currency"] if checkup.company_id is not None else None
    base = checkup.settings.currency.base or (checkup.me.default_currency if checkup.me else None) or stored
    won: Sequence[str] = ()
    if checkup.company_id is not None:
        try:
            with checkup.database.reading() as connection:
                won = won_currencies(connection, checkup.company_id)
        except DatabaseError as error:
            yield _failure("rates", error)
            return
    yield rates(Valuation(str(base or "USD"), checkup.settings.currency.rates), won)


def rates(valuation: Valuation, won: Sequence[str]) -> Finding:
    """Whether every currency in which something was won can be valued."""
    if not won:
        return Finding("rates", Verdict.OK, "nothing to value yet")
    missing = [code for code in won if code not in valuation.rates]
    named = [code for code in missing if code != NO_CURRENCY]
    if not missing:
        return Finding("rates", Verdict.OK, f"every currency of won deals has a rate ({', '.join(won)})")
    what = ", ".join([*named, *(["deals without a currency"] if NO_CURRENCY in missing else [])])
    return Finding(
        "rates",
        Verdict.WARN,
        f"no rate into {valuation.currency} for {what}: accounts with won deals in it have no won_value",
        f"Set currency.rates in the settings: units of {valuation.currency} for one {(named or ['of another'])[0]}.",
    )


def _booked(checkup: _Checkup) -> Iterator[Finding]:
    """Book the tokens that were spent with those of the day, where this company's are kept already."""
    if checkup.database is None or checkup.company_id is None:
        return
    try:
        with checkup.database.writing() as connection:
            checkup.budget.resume(load_budget(connection, checkup.company_id), checkup.clock.now())
            save_budget(connection, checkup.company_id, checkup.budget)
    except DatabaseError as error:
        yield Finding("tokens", Verdict.WARN, f"the tokens spent could not be booked: {error.message}", error.remedy)


def _tokens(checkup: _Checkup) -> Finding:
    known = token_state(checkup.budget, checkup.settings, checkup.clock.now())
    company = "" if known.company_left is None else f"; the company has {known.company_left:,} left"
    ours = f"{known.used_today:,} of our share of {known.our_limit:,} used today{company}"
    again = minute(known.spent_until or known.resets_at)
    if known.is_spent:
        message = f"the company's tokens of this day are spent until {again}"
        return Finding("tokens", Verdict.WARN, message, "Wait until then, or buy more at Pipedrive.")
    if known.available == 0:
        remedy = f"It comes back at {again}; a larger `budget.share` in the settings raises it."
        return Finding("tokens", Verdict.WARN, f"our share is used up: {ours}", remedy)
    return Finding("tokens", Verdict.OK, ours)
