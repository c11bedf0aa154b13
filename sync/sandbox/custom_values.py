"""The custom fields of a generated company: their definitions, and a random value of every type.

Two fields of an entity share one name, one is never filled in, and a few records have `custom_fields: null`: all three
happen in real companies.
"""

import random
from collections.abc import Callable, Mapping
from datetime import date

from sync.sandbox import names
from sync.sandbox.company import Company
from sync.sandbox.records import ADDRESS_PARTS, Record

Value = object
_REGIONS = ("Nord", "Süd", "West", "東日本")
_PRODUCTS = ("Basis", "Plus", "Prämium ✨", "On-premise", "Schulung")

DEFINITIONS: Mapping[str, tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    "organizations": (
        ("Kundennummer", "varchar", ()),
        ("Branche", "varchar_auto", ()),
        ("Beschreibung", "text", ()),
        ("Score", "double", ()),
        ("Umsatzziel", "monetary", ()),
        ("Region", "enum", _REGIONS),
        ("Produkte", "set", _PRODUCTS),
        ("Zweitbetreuer", "user", ()),
        ("Muttergesellschaft", "org", ()),
        ("Hauptansprechpartner", "people", ()),
        ("Zentrale", "phone", ()),
        ("Kunde seit", "date", ()),
        ("Vertragslaufzeit", "daterange", ()),
        ("Anlieferung ab", "time", ()),
        ("Öffnungszeiten", "timerange", ()),
        ("Lieferadresse", "address", ()),
        ("Region", "varchar", ()),
        ("owner_id", "varchar", ()),
        ("Nie benutzt 🤷", "enum", ("nie",)),
    ),
    "deals": (
        ("Quelle", "enum", ("Messe", "Web", "Empfehlung")),
        ("Module", "set", _PRODUCTS),
        ("Einmalkosten", "monetary", ()),
        ("Laufzeit (Monate)", "double", ()),
        ("Vertragsbeginn", "date", ()),
        ("Notiz", "text", ()),
        ("Partner", "org", ()),
        ("Notiz", "varchar", ()),
    ),
    "persons": (
        ("Anrede", "enum", ("Frau", "Herr", "Mx")),
        ("Geburtstag", "date", ()),
        ("Durchwahl", "phone", ()),
        ("Interessen", "set", _PRODUCTS),
    ),
}


class CustomFields:
    """Makes up values for the fields it defined in a company."""

    def __init__(
        self, rng: random.Random, company: Company, organizations: int, persons: int, users: int, today: int
    ) -> None:
        self._random = rng.random
        self._people = max(persons, 1)
        self._organizations = max(organizations, 1)
        self._users = users
        self._today = today
        self._makers: dict[str, list[tuple[str, Callable[[], Value] | None]]] = {}
        for entity, definitions in DEFINITIONS.items():
            self._makers[entity] = [
                self._define(company, entity, f"{rng.getrandbits(160):040x}", *definition) for definition in definitions
            ]
        self.labels = {entity: sorted(company.fields.option_ids(entity, "label_ids")) for entity in DEFINITIONS}

    def values(self, entity: str) -> Record | None:
        """Custom field values of one record; unset ones are null."""
        if self._random() < 0.03:
            return None
        chance = self._random
        return {code: maker() if maker and chance() < 0.6 else None for code, maker in self._makers[entity]}

    def _define(
        self, company: Company, entity: str, code: str, name: str, field_type: str, options: tuple[str, ...]
    ) -> tuple[str, Callable[[], Value] | None]:
        field = company.fields.add(entity, name, field_type, options, code=code)
        if name.startswith("Nie benutzt"):
            return code, None
        ids = [option["id"] for option in field["options"] or ()]
        return code, self._maker(field_type, ids)

    def _maker(self, field_type: str, options: list[int]) -> Callable[[], Value]:
        return {
            "varchar": lambda: f"{self._pick(names.COMPANY_STEMS)}-{self._below(10_000)}",
            "varchar_auto": lambda: self._pick(("Handel", "Industrie", "Öffentlich", "IT")),
            "text": lambda: self._pick(("erste Zeile\nzweite Zeile", "kurz", "「長い説明」", "a\tb", " leading", "0")),
            "double": lambda: self._pick((0, 1, -1.5, 0.1, 3.14159, 1e12, 2.5)),
            "monetary": self._monetary,
            "enum": lambda: self._pick(options),
            "set": lambda: sorted({options[self._below(len(options))] for _ in range(1 + self._below(3))}),
            "user": lambda: 1 + self._below(self._users),
            "org": lambda: 1 + self._below(self._organizations),
            "people": lambda: 1 + self._below(self._people),
            "phone": lambda: f"+41 44 {self._below(10**7):07d}",
            "date": lambda: self._day(-self._below(2000)),
            "daterange": self._daterange,
            "time": lambda: {"value": self._hour(6), "timezone_name": "Europe/Berlin"},
            "timerange": lambda: {"value": self._hour(6), "until": self._hour(14)},
            "address": self._address,
        }[field_type]

    def _pick(self, options: tuple[Value, ...] | list[int]) -> Value:
        return options[int(self._random() * len(options))]

    def _below(self, end: int) -> int:
        return int(self._random() * end)

    def _day(self, offset: int) -> str:
        return date.fromordinal(self._today + offset).isoformat()

    def _hour(self, start: int) -> str:
        return f"{start + self._below(8):02d}:{self._below(60):02d}:00"

    def _monetary(self) -> Value:
        currency = self._pick(("EUR", "USD", "JPY"))
        amount = self._below(100_000)
        return {"value": amount if currency == "JPY" else round(amount + self._random(), 2), "currency": currency}

    def _daterange(self) -> Value:
        start = -self._below(700)
        return {"value": self._day(start), "until": self._day(start + 365)}

    def _address(self) -> Value:
        city, country, region, code = names.CITIES[self._below(len(names.CITIES))]
        address: Record = dict.fromkeys(ADDRESS_PARTS)
        text = f"{code} {city}, {country}"
        parts = {"locality": city, "country": country, "admin_area_level_1": region, "postal_code": code}
        return address | parts | {"value": text, "formatted_address": text}
