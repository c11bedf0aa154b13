"""What people do at a simulated Pipedrive, and what goes wrong on the way to it, by chance."""

import random
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count

from sync.sandbox import Company, Sandbox

_CHILDREN_FROM = 8  # of an entity with fewer records nothing is removed
_TOLD = ("organizations", "deals", "persons", "activities", "notes")
_UNTOLD = (*_TOLD, "files")

Edit = Callable[[], object]


class Life:
    """Edits of a company, each a name of its own. `untold` adds those that no webhook tells of."""

    def __init__(self, company: Company, rng: random.Random, *, untold: bool = True) -> None:
        self.company = company
        self.random = rng
        self._untold = untold
        self._names = count()

    def edit(self) -> None:
        """One thing that somebody does."""
        choices = [*self._told_edits(), *(self._untold_edits() if self._untold else ())]
        try:
            self.random.choice(choices)()
        except (KeyError, IndexError):
            return  # nothing left to choose from

    def some(self, entity: str) -> int:
        """The id of any record."""
        chosen: int = self.random.choice(self.company.all(entity))["id"]
        return chosen

    def _name(self) -> str:
        return f"name {next(self._names)} ü"

    def _told_edits(self) -> Iterator[Edit]:
        company, chance, name = self.company, self.random, self._name()
        deal, organization = partial(self.some, "deals"), partial(self.some, "organizations")
        amount = {
            "value": chance.choice([None, 0, 0.1, 0.2, 1200, 99.99]),
            "currency": chance.choice(["EUR", "USD", "JPY"]),
        }
        day = f"2026-12-{chance.randint(10, 28)}"
        yield lambda: company.create("organizations", {"name": name})
        yield lambda: company.update("organizations", organization(), {"name": name})
        yield lambda: company.update("organizations", organization(), {"owner_id": chance.randint(1, 3)})
        yield lambda: company.update("organizations", organization(), {"label_ids": self._labels()})
        yield lambda: company.update(
            "organizations", organization(), {"address": chance.choice([None, {"value": name, "locality": "Bonn"}])}
        )
        yield lambda: company.update("organizations", organization(), {"custom_fields": self._custom_values()})
        yield lambda: company.create("deals", {"title": name, "org_id": organization(), **amount})
        yield lambda: company.create("deals", {"title": name, "org_id": organization(), "status": "won", **amount})
        yield lambda: company.win_deal(deal(), **amount)
        yield lambda: company.lose_deal(deal(), "too dear")
        yield lambda: company.reopen_deal(deal())
        yield lambda: company.archive_deal(deal())
        yield lambda: company.unarchive_deal(deal())
        yield lambda: company.update("deals", deal(), {"org_id": chance.choice([None, organization()])})
        yield lambda: company.create("activities", {"subject": name, "deal_id": deal(), "due_date": day})
        yield lambda: company.create("activities", {"subject": name, "org_id": organization(), "due_time": "09:30:00"})
        yield lambda: company.update("activities", self.some("activities"), {"done": chance.random() < 0.5})
        yield lambda: company.update("activities", self.some("activities"), {"org_id": organization()})
        yield lambda: company.create("notes", {"content": name, "org_id": organization()})
        yield lambda: company.update("persons", self.some("persons"), {"name": name})
        yield lambda: self._remove(_TOLD, [company.delete])
        yield lambda: company.merge_organizations(*self._two_organizations())
        yield lambda: company.update("users", 2, {"name": name})

    def _untold_edits(self) -> Iterator[Edit]:
        company, name = self.company, self._name()
        yield lambda: self._restore()  # told, but not that the record is there again
        yield lambda: company.add_file(f"{name}.txt", b"x", org_id=self.some("organizations"))
        yield lambda: self._remove(_UNTOLD, [company.delete, company.erase])
        yield lambda: company.fields.rename("organizations", self._custom(), name)
        yield lambda: self.random.random() < 0.1 and company.delete_field("organizations", self._custom())

    def _two_organizations(self) -> list[int]:
        return self.random.sample([record["id"] for record in self.company.all("organizations")], 2)

    def _labels(self) -> list[int]:
        options = sorted(self.company.fields.option_ids("organizations", "label_ids"))
        return self.random.sample(options, self.random.randint(0, 2))

    def _custom(self) -> str:
        return self.random.choice(sorted(self.company.fields.custom("organizations")))

    def _custom_values(self) -> dict[str, object]:
        """The value that another record has in a field, or none."""
        code = self._custom()
        held = [record["custom_fields"] or {} for record in self.company.all("organizations")]
        return {code: self.random.choice([None, *(values.get(code) for values in held)])}

    def _remove(self, entities: tuple[str, ...], ways: list[Callable[[str, int], None]]) -> None:
        entity = self.random.choice(entities)
        if self.company.count(entity) > _CHILDREN_FROM:
            self.random.choice(ways)(entity, self.some(entity))

    def _restore(self) -> None:
        entity = self.random.choice(("organizations", "deals", "persons", "activities"))
        gone = [record["id"] for record in self.company.all(entity, deleted=True) if record["is_deleted"]]
        self.company.restore(entity, self.random.choice(gone))


def trouble(sandbox: Sandbox, rng: random.Random, edit: Edit) -> None:
    """One thing that goes wrong on the way to the API, or an edit while a list is read."""
    faults, skip = sandbox.faults, rng.randint(0, 12)
    choices: list[Edit] = [
        lambda: faults.fail(status=500, times=rng.choice([1, 3, 30]), skip=skip),
        lambda: faults.fail(status=403, path=f"/api/v?/{rng.choice(_UNTOLD)}"),
        lambda: faults.fail(status=429, skip=skip),
        lambda: faults.reset_before(skip=skip),
        lambda: faults.reset_after(skip=skip),
        lambda: faults.truncate(skip=skip),
        lambda: faults.not_json(skip=skip),
        lambda: faults.html_403(skip=skip),
        lambda: faults.late_lists(rng.choice([0, 10])),
        lambda: faults.before(edit, skip=skip),
        lambda: faults.after(edit, skip=skip),
    ]
    rng.choice(choices)()
