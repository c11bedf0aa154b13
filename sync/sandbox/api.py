"""The simulated API: takes a `Request`, gives a `Response`; no sockets, so that any transport can sit in front.

A request passes the same gates as at Pipedrive: token, route, burst window, daily budget, then its operation. Faults
strike in between. Every write that came in is logged with its outcome.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime

from sync.sandbox.access import Access, Caller
from sync.sandbox.call import Call, Route
from sync.sandbox.company import Company
from sync.sandbox.faults import Fault, Faults, Stage
from sync.sandbox.limits import Limits, Verdict
from sync.sandbox.messages import ApiError, Delivery, Request, Response, blocked_response, error_response
from sync.sandbox.routes import PREFIXES, REMOVED_V1, ROUTES

OAUTH_TOKEN_PATH = "/oauth/token"


@dataclass(frozen=True, slots=True)
class ApiWrite:
    """One write that came over the API. `effective` says whether it took effect, whatever the caller was told."""

    method: str
    path: str
    body: bytes
    at: datetime
    status: int
    delivery: Delivery
    effective: bool


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call of any kind, as answered."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    at: datetime
    status: int


class Api:
    """Everything behind the address of a company."""

    def __init__(self, company: Company, access: Access, limits: Limits, faults: Faults) -> None:
        self.company = company
        self.access = access
        self.limits = limits
        self.faults = faults
        self.base_url = f"https://{company.domain}.pipedrive.com"
        self.writes: list[ApiWrite] = []
        self.calls: list[ApiCall] = []

    def handle(self, request: Request) -> Response:
        """Answer one request. Waits on the company's clock where answers are to be slow."""
        faults = self.faults.take(request)
        _act(faults, Stage.BEFORE)
        ending = next((fault for fault in faults if fault.stage not in (Stage.BEFORE, Stage.AFTER, Stage.DELAY)), None)
        with self.company.lock:
            response, effective = self._answer(request, ending)
            response = replace(response, headers={"date": self._date(), **response.headers})
            self._log(request, response, effective)
        _act(faults, Stage.AFTER)
        seconds = self.faults.latency + sum(fault.seconds for fault in faults)
        if seconds > 0:
            self.company.clock.sleep(seconds)
        return response

    def _answer(self, request: Request, ending: Fault | None) -> tuple[Response, bool]:
        """The answer, and whether the request took effect."""
        if ending is not None and ending.stage is Stage.REFUSE:
            return Response(0, {}, b"", Delivery.RESET), False
        self.company.settle_time()
        response = self._admit(request, ending)
        effective = response.status < 400
        if ending is None or ending.stage is Stage.INSTEAD:
            return response, effective and ending is None
        if ending.stage is Stage.REPLACE and ending.response is not None:
            headers = {**response.headers, **ending.response.headers}
            return replace(ending.response, headers=headers), effective
        delivery = Delivery.TRUNCATED if ending.stage is Stage.TRUNCATE else Delivery.RESET
        return replace(response, delivery=delivery), effective

    def _admit(self, request: Request, ending: Fault | None) -> Response:
        instead = ending.response if ending is not None and ending.stage is Stage.INSTEAD else None
        if request.path == OAUTH_TOKEN_PATH and request.method == "POST":
            return instead or self.access.token_endpoint(request.headers, request.body, self.base_url)
        try:
            caller = self.access.authenticate(request.headers)
            route, path = find_route(request)
        except ApiError as error:
            return instead or error_response(error.status, error.message, **error.extra)
        write = request.method in ("POST", "PUT", "PATCH")
        verdict = self.limits.admit(caller.name, route.cost, write=write)
        if verdict is Verdict.BLOCKED:
            return blocked_response()
        if verdict is not Verdict.ADMITTED:
            response = error_response(429)
        else:
            response = instead or self._operate(request, caller, route, path)
        return replace(response, headers={**self.limits.headers(caller.name, verdict), **response.headers})

    def _operate(self, request: Request, caller: Caller, route: Route, path: Mapping[str, str]) -> Response:
        visible = self.access.visibility(caller)
        call = Call(request, self.company, self.access, caller, route.entity, path, visible)
        try:
            return route.handler(call)
        except ApiError as error:
            return error_response(error.status, error.message, **error.extra)

    def _date(self) -> str:
        return format_datetime(self.company.now(), usegmt=True)

    def _log(self, request: Request, response: Response, effective: bool) -> None:
        now = self.company.now()
        self.calls.append(ApiCall(request.method, request.path, request.query, request.body, now, response.status))
        if request.method != "GET" and request.path != OAUTH_TOKEN_PATH:
            status, delivery = response.status, response.delivery
            self.writes.append(ApiWrite(request.method, request.path, request.body, now, status, delivery, effective))


def find_route(request: Request) -> tuple[Route, Mapping[str, str]]:
    """The operation a request names, and the values in its path. Raises 404, 405, or 410 for what v1 has lost."""
    version, rest = next(((v, request.path[len(p) :]) for p, v in PREFIXES if request.path.startswith(p)), (0, ""))
    segments = tuple(rest.strip("/").split("/"))
    other_methods = False
    for route, template in _TEMPLATES.get((version, len(segments)), ()):
        values = _matched(template, segments)
        if values is not None:
            if route.method == request.method:
                return route, values
            other_methods = True
    if other_methods:
        raise ApiError(405, "Method not allowed")
    if version == 1 and segments[0] in REMOVED_V1:
        raise ApiError(410, "This endpoint is no longer available. Use API v2.")
    raise ApiError(404, "Unknown method .")


def _matched(template: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str] | None:
    values = {}
    for expected, segment in zip(template, segments, strict=True):
        if expected.startswith("{"):
            values[expected[1:-1]] = segment
        elif expected != segment:
            return None
    return values


def _act(faults: list[Fault], stage: Stage) -> None:
    for fault in faults:
        if fault.stage is stage and fault.action is not None:
            fault.action()


_TEMPLATES: dict[tuple[int, int], list[tuple[Route, tuple[str, ...]]]] = {}
for _route in ROUTES:
    _template = tuple(_route.template.split("/"))
    _TEMPLATES.setdefault((_route.version, len(_template)), []).append((_route, _template))
