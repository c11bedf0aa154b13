"""Every way a call to Pipedrive can fail, as a type with Pipedrive's own words and a remedy.

`RULES` is the one table from HTTP status to class, whether another try can help, and what a person should do. The
failures without a status of their own (no connection, an unreadable answer) have a rule beside it. Nothing here sends,
waits or logs; no message ever holds a query string, a header or a credential.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sync.errors import SyncError


class PipedriveError(SyncError):
    """A call to Pipedrive that failed.

    `endpoint` is method and path, `words` what Pipedrive itself said, `entity` and `record_id` what the call was about.
    `outcome_unknown` is true for a write that may have taken effect all the same. `retried` says whether another try
    can help, `retry_after` the wait in seconds the server asked for; `sent` is false when the request certainly never
    reached Pipedrive.
    """

    def __init__(
        self,
        message: str,
        remedy: str = "",
        *,
        status: int | None = None,
        endpoint: str = "",
        words: str = "",
        entity: str | None = None,
        record_id: int | None = None,
        retried: bool = False,
        retry_after: float | None = None,
        sent: bool = True,
        outcome_unknown: bool = False,
    ) -> None:
        super().__init__(message, remedy)
        self.status = status
        self.endpoint = endpoint
        self.words = words
        self.entity = entity
        self.record_id = record_id
        self.retried = retried
        self.retry_after = retry_after
        self.sent = sent
        self.outcome_unknown = outcome_unknown


class BadRequest(PipedriveError):
    """400, and every other 4xx without a row of its own: the request itself is wrong."""


class Unauthorized(PipedriveError):
    """401: the token is wrong, was regenerated, or the authorisation of the app was withdrawn."""

    exit_code = 2


class PaymentRequired(PipedriveError):
    """402: the company's account is not open (trial over, unpaid)."""

    exit_code = 2


class Forbidden(PipedriveError):
    """403 in JSON: the token's user may not do this, or a limit of the plan is reached."""

    exit_code = 2


class Blocked(PipedriveError):
    """403 as a web page: the protection in front of Pipedrive turned the request away."""


class NotFound(PipedriveError):
    """404: no such record or address."""


class MethodNotAllowed(PipedriveError):
    """405: the address exists, but not for this method."""


class Gone(PipedriveError):
    """410: the record or the endpoint was removed for good."""


class FeatureUnavailable(PipedriveError):
    """415: the company's plan or settings do not include this feature."""

    exit_code = 2


class Unprocessable(PipedriveError):
    """422: understood and refused (for instance, too many webhooks)."""


class RateLimited(PipedriveError):
    """429 of the 2-second burst window: a short wait helps."""


class BudgetSpent(PipedriveError):
    """The day's tokens are spent, at Pipedrive or up to our own share; `resets_at` (UTC) is when it can go on."""

    exit_code = 4

    def __init__(
        self, message: str, resets_at: datetime, *, status: int | None = None, endpoint: str = "", words: str = ""
    ) -> None:
        remedy = (
            f"Start it again after {resets_at:%Y-%m-%d %H:%M} UTC, when the day's tokens come back; "
            "it goes on where it stopped."
        )
        super().__init__(message, remedy, status=status, endpoint=endpoint, words=words)
        self.resets_at = resets_at


class ServerError(PipedriveError):
    """5xx: Pipedrive itself failed."""


class MalformedAnswer(PipedriveError):
    """An answer that is not what Pipedrive sends: broken off, not JSON, or without the usual envelope."""


class Unreachable(PipedriveError):
    """No answer: no connection, a timeout, no TLS, a name that could not be looked up."""


class WrongDomain(Unreachable):
    """The address in the settings is not the company's: no such host, another site, or a redirect elsewhere."""

    exit_code = 2


class ReadOnly(PipedriveError):
    """Nothing was sent: the settings say that nothing is ever written to Pipedrive."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Rule:
    """What one kind of failure means: its class, whether another try can help, and the words for a person."""

    error: type[PipedriveError]
    retried: bool
    what: str
    remedy: str


_TRY_LATER = "Nothing is lost: run it again in a few minutes, and look at status.pipedrive.com if it goes on."
_REPORT = "This is a fault of this program or a change at Pipedrive: look for a newer version, and report this line."

RULES: Mapping[int, Rule] = {
    400: Rule(BadRequest, False, "Pipedrive did not understand the request", _REPORT),
    401: Rule(
        Unauthorized,
        False,
        "Pipedrive does not accept the credentials",
        "Copy the API token again (Pipedrive: your name > Company settings > Personal preferences > API) into "
        "PIPEDRIVE_API_TOKEN, or authorise the app anew if you use OAuth; check PIPEDRIVE_COMPANY_DOMAIN too.",
    ),
    402: Rule(
        PaymentRequired,
        False,
        "Pipedrive says this company account is not open",
        "Ask whoever pays for Pipedrive to check the subscription: the trial may be over or a bill unpaid.",
    ),
    403: Rule(
        Forbidden,
        False,
        "Pipedrive does not allow this to the token's user",
        "Ask a Pipedrive administrator to give that user permission (and API access), or use an administrator's token.",
    ),
    404: Rule(
        NotFound,
        False,
        "Pipedrive has nothing at this address",
        "The record was probably deleted in the meantime; the next sync settles that.",
    ),
    405: Rule(MethodNotAllowed, False, "Pipedrive does not offer this operation", _REPORT),
    410: Rule(Gone, False, "Pipedrive has removed this for good", _REPORT),
    415: Rule(
        FeatureUnavailable,
        False,
        "This feature is not switched on in your Pipedrive",
        "Switch it on in Pipedrive or leave the entity out in the settings; your plan may not include it.",
    ),
    422: Rule(
        Unprocessable,
        False,
        "Pipedrive understood the request and refused it",
        "Pipedrive's own words say which limit or rule is in the way; change that in Pipedrive first.",
    ),
    429: Rule(
        RateLimited,
        True,
        "Pipedrive asks for fewer requests per second",
        "Something else uses the same token heavily: pause it, or give this program a token of its own user.",
    ),
    500: Rule(ServerError, True, "Pipedrive had an internal error", _TRY_LATER),
    501: Rule(ServerError, False, "Pipedrive does not support this operation", _REPORT),
    502: Rule(ServerError, True, "Pipedrive could not be reached behind its gateway", _TRY_LATER),
    503: Rule(ServerError, True, "Pipedrive is down or overloaded", _TRY_LATER),
    504: Rule(ServerError, True, "Pipedrive took too long behind its gateway", _TRY_LATER),
}

BLOCKED = Rule(
    Blocked,
    False,
    "The protection in front of Pipedrive has shut this computer out",
    "Wait half an hour before the next run, and find out whether another program on this network floods Pipedrive.",
)
MALFORMED = Rule(MalformedAnswer, True, "Pipedrive's answer could not be read", _TRY_LATER)
UNREACHABLE = Rule(
    Unreachable,
    True,
    "Pipedrive could not be reached",
    "Check PIPEDRIVE_COMPANY_DOMAIN (or PIPEDRIVE_BASE_URL) and this computer's network, proxy and firewall.",
)
NO_SUCH_HOST = Rule(
    WrongDomain,
    True,
    "There is no such Pipedrive address",
    "Correct PIPEDRIVE_COMPANY_DOMAIN: it is the first part of the address you see in the browser, as in "
    "https://acme.pipedrive.com; if it is right, check this computer's network.",
)
WRONG_SITE = Rule(
    WrongDomain,
    False,
    "The address in the settings is not that of your Pipedrive company",
    "Correct PIPEDRIVE_COMPANY_DOMAIN (or PIPEDRIVE_BASE_URL): it is the first part of the address you see in the "
    "browser, as in https://acme.pipedrive.com.",
)
_OTHER_4XX = Rule(BadRequest, False, "Pipedrive refused the request", _REPORT)
_OTHER_5XX = Rule(ServerError, True, "Pipedrive had an error", _TRY_LATER)


def rule_for(status: int) -> Rule:
    """The row of the table for an HTTP status that is not a success; unknown ones go with their hundred."""
    if status in RULES:
        return RULES[status]
    if 300 <= status < 400:
        return WRONG_SITE
    if 400 <= status < 500:
        return _OTHER_4XX
    return _OTHER_5XX if status >= 500 else MALFORMED


_CODE = 40  # characters: the code of a custom field, which some paths name


def subject_of(path: str) -> tuple[str | None, int | None]:
    """The entity and the record a path is about: "/api/v2/deals/7" gives ("deals", 7)."""
    parts = [part for part in path.split("/") if part and part != "api" and part not in ("v1", "v2")]
    entity = parts[0] if parts else None
    record_id = int(parts[1]) if len(parts) > 1 and parts[1].isascii() and parts[1].isdigit() else None
    return entity, record_id


def route_of(path: str) -> str:
    """A path without the ids in it: "/api/v2/deals/7" is of the route "/api/v2/deals/{id}"."""
    return "/".join("{id}" if part.isdigit() or len(part) == _CODE else part for part in path.split("/"))


def failure(
    rule: Rule,
    method: str,
    path: str,
    *,
    status: int | None = None,
    words: str = "",
    retry_after: float | None = None,
    sent: bool = True,
) -> PipedriveError:
    """Build the error of a rule. A write that was sent and got no plain refusal is marked `outcome_unknown`."""
    endpoint = f"{method} {path}"
    entity, record_id = subject_of(path)
    where = endpoint if status is None else f"{endpoint} answered {status}"
    said = f': "{words}"' if words else ""
    refused = status is not None and (300 <= status < 500 or status == 501)
    return rule.error(
        f"{rule.what} ({where}){said}.",
        rule.remedy,
        status=status,
        endpoint=endpoint,
        words=words,
        entity=entity,
        record_id=record_id,
        retried=rule.retried,
        retry_after=retry_after,
        sent=sent,
        outcome_unknown=method != "GET" and sent and not refused,
    )
