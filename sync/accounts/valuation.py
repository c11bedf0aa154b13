"""What accounts are valued in: one currency, and what the others are worth in it. Values only, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

_RULES = 1  # raise it when the rules of the builder change: every account is then built again


@dataclass(frozen=True, slots=True)
class Valuation:
    """A currency and the rates into it: units of `currency` for one unit of another."""

    currency: str
    rates: Mapping[str, Decimal]

    def __post_init__(self) -> None:
        rates = {**self.rates, self.currency: Decimal(1)}
        object.__setattr__(self, "rates", MappingProxyType(rates))

    def __hash__(self) -> int:
        return hash(self.basis)

    @property
    def basis(self) -> str:
        """A stable fingerprint: when it changes, all accounts have to be built again."""
        others = sorted((code, rate) for code, rate in self.rates.items() if code != self.currency)
        return " ".join([f"{_RULES}", self.currency, *(f"{code}={rate.normalize():f}" for code, rate in others)])

    @classmethod
    def of_basis(cls, basis: str) -> "Valuation":
        """The valuation that has a fingerprint, or one with more behind it."""
        _, currency, *others = basis.split(" ")
        pairs = (one.split("=") for one in others if "=" in one)
        return cls(currency, {code: Decimal(rate) for code, rate in pairs})
