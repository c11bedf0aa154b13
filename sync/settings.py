"""The settings: one frozen object, built once from the environment and a TOML file, with every mistake named at once.

Environment variables win over the file. `os.environ` is read here and nowhere else, and only when `load_settings` is
called without a mapping. Secrets are hidden from every representation and have no defaults.
"""

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import platformdirs
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from sync.errors import SyncError

DEFAULT_FILE = Path("config/sync.toml")

# Settings with a name of their own in the environment; all others are SYNC_SECTION__NAME.
TOP_LEVEL = (
    "PIPEDRIVE_API_TOKEN",
    "PIPEDRIVE_CLIENT_ID",
    "PIPEDRIVE_CLIENT_SECRET",
    "PIPEDRIVE_REFRESH_TOKEN",
    "PIPEDRIVE_COMPANY_DOMAIN",
    "PIPEDRIVE_BASE_URL",
    "DATABASE_URL",
    "WEBHOOK_USER",
    "WEBHOOK_PASSWORD",
    "WEBHOOK_PUBLIC_URL",
    "SYNC_HOST",
    "SYNC_PORT",
)

_LOOPBACK = r"http://(127\.0\.0\.1|localhost|\[::1\])(:|/|$)"


class SettingsError(SyncError):
    """The settings are wrong or incomplete; the message lists every mistake."""

    exit_code = 2


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _list_of_words(value: Any) -> Any:
    """Environment variables hold lists as words with commas between them."""
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_list_of_words)]


class Budget(_Section):
    """How much of the company's daily tokens this program may use."""

    share: float = Field(0.5, gt=0, le=1, description="part of the day's tokens this program may use")
    daily_tokens: int = Field(30_000, gt=0, description="the company's tokens a day, where Pipedrive does not say")
    reserve: float = Field(0.1, ge=0, lt=1, description="part of our share that the service keeps for people's changes")


class Currency(_Section):
    """What accounts are valued in."""

    base: str | None = Field(None, description="the company's currency; default: that of the token's user")
    rates: Mapping[str, Decimal] = Field(default_factory=dict, description="units of the base for one of another")

    @field_validator("base")
    @classmethod
    def _upper(cls, value: str | None) -> str | None:
        return value.strip().upper() if value else None

    @field_validator("rates", mode="before")
    @classmethod
    def _exact(cls, value: Any) -> Any:
        if isinstance(value, str):  # EUR=1,USD=0.92
            pairs = [pair.partition("=") for pair in _list_of_words(value)]
            value = {code: rate for code, _, rate in pairs}
        if not isinstance(value, Mapping):
            raise ValueError("is a table of currencies and numbers, or a text like USD=0.92,GBP=1.17")
        return {str(code).strip().upper(): str(rate).strip() for code, rate in value.items()}

    @field_validator("rates")
    @classmethod
    def _positive(cls, value: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
        for code, rate in value.items():
            if not rate.is_finite() or rate <= 0:
                raise ValueError(f"the rate of {code} must be a number above 0")
        return value


class Poll(_Section):
    """How changes are looked for."""

    interval: int | None = Field(None, ge=15, description="seconds between two polls; default: planned by the budget")
    overlap: int = Field(60, ge=1, le=86_400, description="seconds read again, for changes that show up late")
    reference_interval: int = Field(3600, ge=0, description="seconds between two looks at users, stages, fields …")
    files_interval: int = Field(900, ge=0, description="seconds between two looks at the newest files")


class Sweep(_Section):
    """How deletions are found, and when a wave of them is not believed."""

    pages: int = Field(3, ge=2, le=1000, description="pages that one `sync` reads for the sweep")
    max_rows: int = Field(50, ge=0, description="more rows than this …")
    max_share: float = Field(0.1, ge=0, le=1, description="… and more than this part of an entity: nothing is marked")


class Privacy(_Section):
    """What never reaches the database, or only as a hash. Custom fields by name or by 40-character code."""

    leave_out: Words = Field((), description="entities, `entity.attribute` or `entity.custom field`")
    hash: Words = Field((), description="`entity.attribute` or `entity.custom field`")
    hash_key: SecretStr | None = Field(None, description="any long text; needed to hash")

    @model_validator(mode="after")
    def _key_for_hashes(self) -> Self:
        if self.hash and not (self.hash_key and self.hash_key.get_secret_value()):
            raise ValueError("hash_key is needed to hash anything (any long text that you keep)")
        return self


PolicyName = Literal["pipedrive", "account", "newest", "review"]


class WriteBack(_Section):
    """How changes of accounts travel to Pipedrive."""

    enabled: bool = Field(True, description="false (or WRITE_BACK=off): nothing is ever written to Pipedrive")
    policy: PolicyName = Field("newest", description="whose value wins where both sides changed a field")
    max_accounts: int = Field(500, ge=1, description="edits of more accounts at once wait for `accounts approve`")
    at_once: int = Field(8, ge=1, le=64, description="accounts that are written side by side")
    dry_run: bool = Field(False, description="log what would be written, and write nothing")
    computed_interval: int = Field(3600, ge=1, description="seconds between two writes of an account's computed values")
    fields: Mapping[str, PolicyName] = Field(
        default_factory=dict, description="policies of single fields, by name or code"
    )

    @property
    def sends(self) -> bool:
        """Whether anything may be written to Pipedrive at all."""
        return self.enabled and not self.dry_run


class OwnField(_Section):
    """A field that accounts have and organizations don't, and where its values go."""

    type: Literal["text", "number", "date", "enum", "set"] = Field("text", description="what it holds")
    options: Words = Field((), description="of an enum or a set: what it may hold")
    default: str | int | float | None = Field(None, description="what accounts hold that were never given a value")
    to: Literal["local", "push", "two-way"] = Field("local", description="stay here, or fill a custom field")
    title: str | None = Field(None, description="the custom field's name at Pipedrive; default: the field's own name")

    @model_validator(mode="after")
    def _has_options(self) -> Self:
        if (self.type in ("enum", "set")) != bool(self.options):
            raise ValueError("options are needed by an enum and a set, and by nothing else")
        if self.default is not None and self.type == "enum" and self.default not in self.options:
            raise ValueError("default is none of the options")
        return self


ComputedName = Literal[
    "won_value", "won_deals_count", "created_at", "last_won_time", "next_activity_due_date", "status"
]


class Retention(_Section):
    """How long the program keeps what it needs no more."""

    inbox_days: int = Field(7, ge=1, description="days that events are kept once they are applied or superseded")


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Web(_Section):
    """The pages and the JSON API: by which names they are reached, and by whom."""

    enabled: bool = Field(True, description="false: the webhook receiver, health and metrics alone are served")
    hosts: Words = Field((), description="names that the pages are reached by, besides those of this machine itself")
    proxy_address: str | None = Field(None, description="address of a proxy that says who asks; a network will do, too")
    proxy_header: str | None = Field(None, description="the header in which that proxy, and only it, names the user")
    proxy_role: Literal["viewer", "editor"] = Field("viewer", description="of users named there who are no login here")

    @field_validator("hosts")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(r"[\w.-]+|[0-9A-Fa-f:.]+", name):
                raise ValueError(f"{name!r} must be a name like accounts.example.com, without https:// and a port")
        return tuple(name.lower().removesuffix(".") for name in value)

    @field_validator("proxy_address")
    @classmethod
    def _a_network(cls, value: str | None) -> str | None:
        if value is not None and ipaddress.ip_network(value.strip(), strict=False).prefixlen == 0:
            raise ValueError("must not be every address there is")
        return value.strip() if value else None

    @field_validator("proxy_header")
    @classmethod
    def _a_header(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9-]+", value):
            raise ValueError("is the name of a header, like X-Remote-User")
        return value

    @model_validator(mode="after")
    def _proxy_is_whole(self) -> Self:
        if bool(self.proxy_address) != bool(self.proxy_header):
            raise ValueError("proxy_address and proxy_header go together: set both, or neither")
        return self

    @cached_property
    def proxy_network(self) -> _Network | None:
        """Where the proxy may be; None where none says who asks."""
        return ipaddress.ip_network(self.proxy_address, strict=False) if self.proxy_address else None


class Logs(_Section):
    """What the program says while it works."""

    level: Literal["auto", "debug", "info", "warning", "error"] = Field("auto", description="the least that is logged")
    format: Literal["auto", "json", "text"] = Field("auto", description="auto: text on a terminal, JSON elsewhere")


class Settings(_Section):
    """Everything an operator can set."""

    pipedrive_api_token: SecretStr | None = None
    pipedrive_client_id: str | None = None
    pipedrive_client_secret: SecretStr | None = None
    pipedrive_refresh_token: SecretStr | None = None
    pipedrive_company_domain: str | None = None
    pipedrive_base_url: str | None = None
    database_url: SecretStr = Field(default_factory=lambda: SecretStr(default_database_url()))
    webhook_user: str | None = None
    webhook_password: SecretStr | None = None
    webhook_public_url: str | None = None
    sync_host: str = "127.0.0.1"
    sync_port: int = Field(8080, ge=1, le=65_535)
    budget: Budget = Budget()
    currency: Currency = Currency()
    poll: Poll = Poll()
    sweep: Sweep = Sweep()
    write_back: WriteBack = WriteBack()
    own_fields: Mapping[str, OwnField] = Field(default_factory=dict)
    computed_fields: Mapping[ComputedName, str] = Field(default_factory=dict)
    privacy: Privacy = Privacy()
    retention: Retention = Retention()
    web: Web = Web()
    logs: Logs = Logs()

    @field_validator("pipedrive_company_domain")
    @classmethod
    def _domain(cls, value: str | None) -> str | None:
        """`acme`, `acme.pipedrive.com` and `https://acme.pipedrive.com/` all mean acme."""
        if value is None:
            return None
        name = re.sub(r"^https?://", "", value.strip().lower()).split("/")[0].removesuffix(".pipedrive.com")
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
            raise ValueError("is the word before .pipedrive.com in the address of your Pipedrive")
        return name

    @field_validator("pipedrive_base_url")
    @classmethod
    def _base_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not re.fullmatch(r"https?://[^/?#@\s]+/?", value.strip()):
            raise ValueError("is an address like https://acme.pipedrive.com, without a path and without credentials")
        if value.startswith("http://") and not re.match(_LOOPBACK, value):
            raise ValueError("must be https: a token must not travel in clear")
        return value.strip().rstrip("/")

    @field_validator("webhook_public_url")
    @classmethod
    def _public_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        value = value.strip().rstrip("/")
        if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", value):
            raise ValueError("is an address like https://sync.example.com, without credentials; a path may follow")
        if value.startswith("http://") and not re.match(_LOOPBACK, value):
            raise ValueError("must be https: the webhooks' password must not travel in clear")
        return value

    @field_validator("webhook_user")
    @classmethod
    def _user(cls, value: str | None) -> str | None:
        if value and ":" in value:
            raise ValueError("must not hold a colon: HTTP Basic ends the user's name with it")
        return value

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if bool(self.webhook_user) != bool(self.webhook_password):
            raise ValueError("WEBHOOK_USER and WEBHOOK_PASSWORD go together: set both, or neither")
        return self

    @field_validator("database_url")
    @classmethod
    def _not_empty(cls, value: SecretStr) -> SecretStr:
        if "://" not in value.get_secret_value():
            raise ValueError("is an address like sqlite:////path/to/file.db or postgresql://user:password@host/name")
        return value

    @cached_property
    def base_url(self) -> str | None:
        """The address of the API, from either of the two settings."""
        if self.pipedrive_base_url:
            return self.pipedrive_base_url
        return f"https://{self.pipedrive_company_domain}.pipedrive.com" if self.pipedrive_company_domain else None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret, for those who must keep it out of sight."""
        password = re.search(r"://[^:/@]*:([^@]*)@", self.database_url.get_secret_value())
        values = (
            self.pipedrive_api_token,
            self.pipedrive_client_secret,
            self.pipedrive_refresh_token,
            self.webhook_password,
            self.privacy.hash_key,
        )
        known = [value.get_secret_value() for value in values if value]
        return (*known, password[1]) if password and password[1] else tuple(known)


def default_database_url() -> str:
    """An SQLite file in the user's own data folder."""
    return f"sqlite:///{Path(platformdirs.user_data_dir('pipedrive-sync', appauthor=False)) / 'pipedrive-sync.db'}"


def load_settings(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """The settings from a mapping like the environment (the default) and the TOML file it names.

    Raises `SettingsError` with every mistake at once.
    """
    environment = os.environ if environment is None else environment
    file, named = _file(environment, folder or Path.cwd())
    values = _merge(_read(file, named), _from_environment(environment))
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_mistakes(error, file), "Every setting is explained by `pipedrive-sync config`.") from None


def require_credentials(settings: Settings) -> None:
    """Raise `SettingsError` unless the settings say how to reach Pipedrive."""
    missing = []
    oauth = ("pipedrive_client_id", "pipedrive_client_secret", "pipedrive_refresh_token")
    given = [name for name in oauth if getattr(settings, name)]
    if given and len(given) < len(oauth):
        missing += [f"{name.upper()} (OAuth needs all three)" for name in oauth if name not in given]
    elif not given and not settings.pipedrive_api_token:
        missing.append("PIPEDRIVE_API_TOKEN (in Pipedrive: Personal preferences → API)")
    if not given and not settings.base_url:
        missing.append("PIPEDRIVE_COMPANY_DOMAIN (the word before .pipedrive.com in your address)")
    if missing:
        raise SettingsError(f"Not set: {'; '.join(missing)}.", "Set it in the environment or in config/sync.toml.")


def _file(environment: Mapping[str, str], folder: Path) -> tuple[Path, bool]:
    named = environment.get("SYNC_CONFIG")
    return (folder / named, True) if named else (folder / DEFAULT_FILE, False)


def _read(file: Path, named: bool) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named:
            raise SettingsError(f"SYNC_CONFIG names {file}, which does not exist.", "Correct it or unset it.") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file} can't be read: {error}.", "It must be TOML in UTF-8.") from None
    known = {name.lower() for name in TOP_LEVEL}
    return {(key.lower() if key.lower() in known else key): value for key, value in values.items()}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {name.lower(): environment[name] for name in TOP_LEVEL if environment.get(name)}
    if environment.get("WRITE_BACK"):
        values["write_back"] = {"enabled": environment["WRITE_BACK"]}
    for name, value in environment.items():
        if name.startswith("SYNC_") and "__" in name and value:
            _place(values, name.removeprefix("SYNC_").lower().split("__"), value)
    return values


def _place(values: dict[str, Any], path: Sequence[str], value: str) -> None:
    """Put a value where its name says; under a name that holds a value itself, it becomes one mistake to be named."""
    *parents, last = path
    for parent in parents:
        inner = values.setdefault(parent, {})
        values = inner if isinstance(inner, dict) else values
        last = last if isinstance(inner, dict) else "__".join(path)
    values[last] = value


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        held = merged.get(key)
        merged[key] = _merge(held, value) if isinstance(held, Mapping) and isinstance(value, Mapping) else value
    return merged


def _mistakes(error: ValidationError, file: Path) -> str:
    """One line per mistake, under the name an operator would look for."""
    lines = []
    for mistake in error.errors(include_url=False, include_input=False):
        path = [str(part) for part in mistake["loc"]]
        name = path[0].upper() if path and path[0].upper() in TOP_LEVEL else ".".join(path)
        words = mistake["msg"].removeprefix("Value error, ")
        words = "is not a setting" if mistake["type"] == "extra_forbidden" else words
        lines.append(f"  {name or 'settings'}: {words}")
    count = "A setting is" if len(lines) == 1 else f"{len(lines)} settings are"
    return f"{count} wrong (environment, {file}):\n" + "\n".join(lines) + "\n"
