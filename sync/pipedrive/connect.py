"""A client made from the settings."""

import structlog

from sync.clock import Clock
from sync.pipedrive.auth import ApiToken, Auth, OAuth
from sync.pipedrive.client import Client
from sync.pipedrive.limits import BurstWindow, TokenBudget
from sync.settings import Settings, require_credentials

# With OAuth the token endpoint tells the company's address; until then this one, which always exists.
_OAUTH_BASE_URL = "https://api.pipedrive.com"


def token_budget(settings: Settings, *, use_all_tokens: bool = False) -> TokenBudget:
    """The day's tokens as the settings share them; `use_all_tokens` lifts our own limit."""
    return TokenBudget(1.0 if use_all_tokens else settings.budget.share, settings.budget.daily_tokens)


def connect(settings: Settings, clock: Clock, budget: TokenBudget) -> Client:
    """A client for the company in the settings. Raises `SettingsError` where they don't say how to reach it."""
    require_credentials(settings)
    base_url = settings.base_url or _OAUTH_BASE_URL
    return Client(
        base_url,
        _auth(settings, clock),
        clock=clock,
        window=BurstWindow(),
        budget=budget,
        read_only=not settings.write_back.sends,
    )


def _auth(settings: Settings, clock: Clock) -> Auth:
    if settings.pipedrive_client_id and settings.pipedrive_client_secret and settings.pipedrive_refresh_token:
        return OAuth(
            settings.pipedrive_client_id,
            settings.pipedrive_client_secret.get_secret_value(),
            settings.pipedrive_refresh_token.get_secret_value(),
            clock=clock,
            on_rotate=_warn_of_rotation,
        )
    assert settings.pipedrive_api_token is not None  # require_credentials saw to it
    return ApiToken(settings.pipedrive_api_token.get_secret_value())


def _warn_of_rotation(_refresh_token: str) -> None:
    structlog.get_logger(__name__).warning(
        "refresh_token_rotated", remedy="Authorize the app again and set the new PIPEDRIVE_REFRESH_TOKEN."
    )
