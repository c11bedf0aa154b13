"""Settings come from the environment and a file, are checked all at once, and keep their secrets."""

import importlib
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

import sync
from sync.settings import (
    TOP_LEVEL,
    ComputedName,
    OwnField,
    Settings,
    SettingsError,
    default_database_url,
    load_settings,
    require_credentials,
)

EXAMPLE = Path(__file__).parents[1] / "config" / "sync.example.toml"
SECRETS = {
    "PIPEDRIVE_API_TOKEN": "token-s3cret",
    "PIPEDRIVE_CLIENT_SECRET": "client-s3cret",
    "PIPEDRIVE_REFRESH_TOKEN": "refresh-s3cret",
    "DATABASE_URL": "postgresql://sync:password-s3cret@localhost/mirror",
    "SYNC_PRIVACY__HASH_KEY": "pepper-s3cret",
}

Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads from the environment given, and a file of this text."""

    def load_from(file: str = "", **environment: str) -> Settings:
        if file:
            (tmp_path / "config").mkdir(exist_ok=True)
            (tmp_path / "config" / "sync.toml").write_text(file, encoding="utf-8")
        return load_settings(environment, tmp_path)

    return load_from


def test_nothing_set_gives_the_defaults(load: Load) -> None:
    settings = load()
    assert settings == Settings()
    assert settings.budget.share == 0.5
    assert settings.database_url.get_secret_value() == default_database_url()
    assert settings.secrets == ()


def test_the_environment_wins_over_the_file(load: Load) -> None:
    file = 'PIPEDRIVE_COMPANY_DOMAIN = "f"\n[budget]\nshare = 0.2\ndaily_tokens = 5\n[currency.rates]\nUSD = 1\nGBP = 2'
    settings = load(
        file, PIPEDRIVE_COMPANY_DOMAIN="environment", SYNC_BUDGET__SHARE="0.3", SYNC_CURRENCY__RATES__USD="0.95"
    )
    assert settings.base_url == "https://environment.pipedrive.com"
    assert (settings.budget.share, settings.budget.daily_tokens) == (0.3, 5)
    assert settings.currency.rates == {"USD": Decimal("0.95"), "GBP": Decimal(2)}


def test_the_file_may_be_named_and_must_exist_then(load: Load, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[poll]\noverlap = 120")
    assert load(SYNC_CONFIG="mine.toml").poll.overlap == 120
    assert load(SYNC_CONFIG=str(tmp_path / "mine.toml")).poll.overlap == 120
    with pytest.raises(SettingsError, match=r"other\.toml, which does not exist"):
        load(SYNC_CONFIG="other.toml")


def test_lists_and_rates_fit_into_one_variable(load: Load) -> None:
    settings = load(SYNC_PRIVACY__LEAVE_OUT=" notes, persons.phones ,", SYNC_CURRENCY__RATES="usd=0.92, GBP = 1.17")
    assert settings.privacy.leave_out == ("notes", "persons.phones")
    assert settings.currency.rates == {"USD": Decimal("0.92"), "GBP": Decimal("1.17")}


def test_a_rate_is_exact(load: Load) -> None:
    assert load("[currency.rates]\nUSD = 0.1").currency.rates["USD"] == Decimal("0.1")


def test_every_mistake_is_named_at_once(load: Load) -> None:
    with pytest.raises(SettingsError) as caught:
        load(
            'surprise = 1\n[budget]\nshare = 2\ncolour = "red"\n[currency.rates]\nUSD = 0',
            PIPEDRIVE_BASE_URL="http://acme.pipedrive.com",
            PIPEDRIVE_COMPANY_DOMAIN="not a domain!",
            DATABASE_URL="mirror.db",
            SYNC_POLL__OVERLAP="soon",
            SYNC_SWEEP__MAX_SHARE="1.5",
            SYNC_LOGS__LEVEL="loud",
            SYNC_PRIVACY__HASH="persons.emails",
            SYNC_NONSENSE__X="1",
        )
    message = str(caught.value)
    assert caught.value.exit_code == 2
    for name in (
        "surprise: is not a setting",
        "budget.share",
        "budget.colour: is not a setting",
        "the rate of USD",
        "PIPEDRIVE_BASE_URL: must be https",
        "PIPEDRIVE_COMPANY_DOMAIN",
        "DATABASE_URL",
        "poll.overlap",
        "sweep.max_share",
        "logs.level",
        "hash_key is needed",
        "nonsense: is not a setting",
    ):
        assert name in message
    assert "12 settings are wrong" in message


@pytest.mark.parametrize("text", ["budget = ", "[budget", 'x = "\udcff"', "[[budget]]\nshare = 1"])
def test_a_file_that_can_not_be_read_is_one_clear_error(load: Load, tmp_path: Path, text: str) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "sync.toml").write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(SettingsError):
        load()


@pytest.mark.parametrize(
    "written",
    ["acme", "ACME", " acme ", "acme.pipedrive.com", "https://acme.pipedrive.com", "https://acme.pipedrive.com/x"],
)
def test_every_way_to_write_the_domain_means_the_same(load: Load, written: str) -> None:
    assert load(PIPEDRIVE_COMPANY_DOMAIN=written).base_url == "https://acme.pipedrive.com"


@pytest.mark.parametrize(
    ("address", "fits"),
    [
        ("https://acme.pipedrive.com", True),
        ("https://acme.pipedrive.com/", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost:1", True),
        ("http://[::1]:1", True),
        ("http://acme.pipedrive.com", False),
        ("http://127.0.0.1.evil.example", False),
        ("https://user:password@acme.pipedrive.com", False),
        ("https://acme.pipedrive.com/api/v2", False),
        ("https://acme.pipedrive.com?api_token=x", False),
        ("acme.pipedrive.com", False),
        ("ftp://acme.pipedrive.com", False),
    ],
)
def test_a_token_travels_encrypted_to_a_bare_address_only(load: Load, address: str, fits: bool) -> None:
    if fits:
        assert load(PIPEDRIVE_BASE_URL=address).base_url == address.rstrip("/")
        return
    with pytest.raises(SettingsError, match="PIPEDRIVE_BASE_URL"):
        load(PIPEDRIVE_BASE_URL=address)


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({}, ["PIPEDRIVE_API_TOKEN", "PIPEDRIVE_COMPANY_DOMAIN"]),
        ({"PIPEDRIVE_API_TOKEN": "x"}, ["PIPEDRIVE_COMPANY_DOMAIN"]),
        ({"PIPEDRIVE_COMPANY_DOMAIN": "acme"}, ["PIPEDRIVE_API_TOKEN"]),
        ({"PIPEDRIVE_CLIENT_ID": "x"}, ["PIPEDRIVE_CLIENT_SECRET", "PIPEDRIVE_REFRESH_TOKEN"]),
        ({"PIPEDRIVE_API_TOKEN": "x", "PIPEDRIVE_COMPANY_DOMAIN": "acme"}, []),
        ({"PIPEDRIVE_CLIENT_ID": "x", "PIPEDRIVE_CLIENT_SECRET": "y", "PIPEDRIVE_REFRESH_TOKEN": "z"}, []),
    ],
)
def test_missing_credentials_are_all_named(load: Load, environment: dict[str, str], missing: list[str]) -> None:
    settings = load(**environment)
    if not missing:
        require_credentials(settings)
        return
    with pytest.raises(SettingsError) as caught:
        require_credentials(settings)
    assert [name for name in TOP_LEVEL if name in caught.value.message] == [
        name for name in TOP_LEVEL if name in missing
    ]


def test_no_secret_is_in_any_representation(load: Load) -> None:
    settings = load(**SECRETS, PIPEDRIVE_CLIENT_ID="id")
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert "s3cret" not in shown
    assert {"token-s3cret", "client-s3cret", "refresh-s3cret", "pepper-s3cret"} <= set(settings.secrets)


def test_no_secret_is_in_an_error(load: Load) -> None:
    with pytest.raises(SettingsError) as caught:
        load(
            'PIPEDRIVE_API_TOKEN = ["token-s3cret"]\n[privacy]\nhash_key = ["pepper-s3cret"]\nshare = "x-s3cret"',
            DATABASE_URL="password-s3cret",
            PIPEDRIVE_BASE_URL="https://user:s3cret@acme.pipedrive.com",
        )
    assert "s3cret" not in f"{caught.value} {caught.value!r} {caught.value.__cause__}"


def test_no_secret_has_a_default() -> None:
    for name, field in Settings.model_fields.items():
        if SecretStr in getattr(field.annotation, "__args__", (field.annotation,)) and name != "database_url":
            assert field.get_default(call_default_factory=True) is None


def test_settings_can_not_be_changed(load: Load) -> None:
    settings = load()
    with pytest.raises(ValidationError):
        settings.budget.share = 1
    with pytest.raises(ValidationError):
        settings.pipedrive_api_token = None


def test_the_example_file_is_in_step_with_the_settings() -> None:
    """Every setting is in it, uncommented with its default or commented out, and nothing else is."""
    text = EXAMPLE.read_text(encoding="utf-8")
    given = tomllib.loads(text)
    assert Settings.model_validate(given) == Settings.model_validate({})
    section, found = "", set()
    for line in text.splitlines():
        if heading := re.fullmatch(r"\[([a-z_.]+)\].*", line):
            section = heading[1] + "."
            found.add(heading[1])
        elif setting := re.match(r"(?:# )?([A-Za-z_]+) += ", line):
            found.add(section + setting[1] if section else setting[1].lower())
    of_a_field = {f"own_fields.{name}" for name in OwnField.model_fields}
    expected = {*_names(Settings), *of_a_field, *(f"computed_fields.{name}" for name in get_args(ComputedName))}
    assert expected <= found
    free = ("currency.rates.", "write_back.fields.")
    assert {name for name in found - expected if not name.startswith(free)} == set()


def _names(model: type[BaseModel], prefix: str = "") -> list[str]:
    names = []
    for name, field in model.model_fields.items():
        names.append(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names += _names(field.annotation, f"{prefix}{name}.")
    return names


def test_every_setting_of_a_section_says_what_it_is() -> None:
    for field in Settings.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            assert field.annotation.__doc__
            assert all(inner.description for inner in field.annotation.model_fields.values())


def test_importing_any_module_with_an_empty_environment_has_no_effect(tmp_path: Path) -> None:
    """No file, no thread, no output; and the settings are read by no import."""
    modules = [
        module.name
        for module in pkgutil.walk_packages(sync.__path__, "sync.")
        if not re.search(r"__main__|migrations", module.name)
    ]
    assert len(modules) > 40
    assert all(importlib.util.find_spec(module) for module in modules)
    program = (
        "import importlib, threading\n"
        f"for module in {modules!r}: importlib.import_module(module)\n"
        "assert threading.active_count() == 1\n"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(tmp_path)}
    done: Any = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert os.listdir(tmp_path) == []
