"""What the views show: pure translation of the schema and of field definitions into `CREATE VIEW` statements.

Every view has `company_id` first, then the attributes under their API names with a readable companion beside each
id (`owner_id`, `owner`), then a column or two per custom field. Rows deleted at Pipedrive are left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import JSON, Table

from sync.accounts.naming import NamedField, column_names, folded
from sync.accounts.rendering import Options, Place, Renderer, identifier, is_addressable, labelled, renderer_for
from sync.pipedrive.entities import ACTIVITIES, DEALS, FILES, NOTES, ORGANIZATIONS, PERSONS, Entity
from sync.store.schema import TABLES, accounts
from sync.store.views import view_name

_MAX_COLUMNS = 1500  # PostgreSQL takes 1,664 in one view; fields beyond are in `custom_fields` all the same


@dataclass(frozen=True, slots=True)
class Definition:
    """A field definition as the mirror holds it."""

    company_id: int
    entity: str  # singular, as in `fields.entity`
    code: str
    name: str
    field_type: str
    is_custom: bool
    options: Options


@dataclass(frozen=True, slots=True)
class View:
    """A view over a table; `entity` is the one whose fields it shows."""

    name: str
    table: Table
    entity: Entity


@dataclass(frozen=True, slots=True)
class Reference:
    """A companion: the name of what an id stands for."""

    companion: str
    table: str
    name: str = "name"
    key: str = "id"


VIEWS = (
    *(
        View(view_name(of.name), TABLES[of.name], of)
        for of in (ORGANIZATIONS, PERSONS, DEALS, ACTIVITIES, NOTES, FILES)
    ),
    View(view_name(accounts.name), accounts, ORGANIZATIONS),
)

_REFERENCES: Mapping[str, Reference] = MappingProxyType(
    {
        "owner_id": Reference("owner", "users"),
        "creator_user_id": Reference("creator", "users"),
        "user_id": Reference("user", "users"),
        "org_id": Reference("organization", "organizations"),
        "person_id": Reference("person", "persons"),
        "deal_id": Reference("deal", "deals", name="title"),
        "pipeline_id": Reference("pipeline", "pipelines"),
        "stage_id": Reference("stage", "stages"),
        "type": Reference("activity_type", "activity_types", key="key_string"),
        "next_activity_id": Reference("next_activity", "activities", name="subject"),
        "created_by_deal_id": Reference("created_by_deal", "deals", name="title"),
    }
)
# Attributes whose values are option ids of the company, and the companion that shows the labels.
_LABELLED: Mapping[str, str] = MappingProxyType(
    {
        "label_ids": "labels",
        "visible_to": "visibility",
        "industry": "industry_label",
        "channel": "channel_label",
        "priority": "priority_label",
    }
)
_ADDRESSES = frozenset({"address", "location", "postal_address"})
_LISTS = frozenset({"emails", "phones", "im"})
# Said by the row being there at all, or shown field by field, or nothing a person reads.
_LEFT_OUT = frozenset({"company_id", "is_deleted", "deleted_at", "custom_fields", "extra"}) | {
    *("write_back", "edited_by", "edited_at", "edits", "revision")  # how edits are told and counted
}

_REFERRING_TYPES: Mapping[str, Reference] = MappingProxyType(
    {
        "user": Reference("", "users"),
        "org": Reference("", "organizations"),
        "people": Reference("", "persons"),
        "deal": Reference("", "deals", name="title"),
    }
)
_PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"monetary": ("currency",), "daterange": ("until",), "timerange": ("until",)}
)


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    sql: str
    is_number: bool = False


def view_queries(
    definitions: Sequence[Definition],
    companies: Sequence[int],
    dialect: str,
    held: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Mapping[str, str]:
    """The SELECT of each view, by the view's name: the same whatever order the definitions come in.

    Columns that a view is known to have already (`held`, by its name) keep their places, new ones follow.
    """
    render = renderer_for(dialect)
    ordered = sorted(definitions, key=lambda field: (field.company_id, field.entity, field.code))
    queries = {}
    for view in VIEWS:
        columns = _columns(view, ordered, sorted(companies), render)
        places = {name: place for place, name in enumerate(held.get(view.name, ()))}
        columns.sort(key=lambda column: places.get(column.name, len(places)))
        listed = ",\n  ".join(f"{column.sql} AS {identifier(column.name)}" for column in columns)
        queries[view.name] = f"SELECT\n  {listed}\nFROM {view.table.name} AS t{_condition(view.table)}"
    return queries


def _columns(
    view: View, definitions: Sequence[Definition], companies: Sequence[int], render: Renderer
) -> list[_Column]:
    own = [field for field in definitions if field.entity == view.entity.singular]
    standard = [_Column("company_id", "t.company_id"), *_attributes(view.table, own, companies, render)]
    if "custom_fields" not in view.table.c:
        return standard
    custom = _custom_columns(own, [column.name for column in standard], render)
    return [*standard, *(_of_companies(of, companies) for _, of in sorted(custom.items()))][:_MAX_COLUMNS]


def _condition(table: Table) -> str:
    return "\nWHERE t.deleted_at IS NULL" if "deleted_at" in table.c else ""


def _attributes(
    table: Table, definitions: Sequence[Definition], companies: Sequence[int], render: Renderer
) -> Iterator[_Column]:
    """The attributes under their API names, each with its companion. A companion replaces an attribute of its name."""
    companions = {ref.companion for name, ref in _REFERENCES.items() if name in table.c}
    for name in [column.name for column in table.c]:
        if name in _LEFT_OUT or name in companions:
            continue
        yield _Column(name, _attribute(name, render))
        if name in _REFERENCES:
            reference = _REFERENCES[name]
            yield _Column(reference.companion, _referred(reference, f"t.{identifier(name)}"))
        if name in _LABELLED:
            yield _Column(_LABELLED[name], _labels(table, name, definitions, companies, render))


def _attribute(name: str, render: Renderer) -> str:
    column = f"t.{identifier(name)}"
    if name in _ADDRESSES:
        return _address(Place(column), render)
    return render.items(Place(column), {}) if name in _LISTS else column


def _labels(
    table: Table, name: str, definitions: Sequence[Definition], companies: Sequence[int], render: Renderer
) -> str:
    """The labels of an attribute's option ids, each company's its own."""
    column = f"t.{identifier(name)}"
    found = {field.company_id: field.options for field in definitions if field.code == name and not field.is_custom}
    of_company = {
        company: render.items(Place(column), found.get(company, {}))
        if isinstance(table.c[name].type, JSON)
        else labelled(f"CAST({column} AS TEXT)", found.get(company, {}))
        for company in companies
    }
    return _by_company(of_company, companies)


def _referred(reference: Reference, key: str) -> str:
    """The name of what a key refers to, deleted or not; `max`, as a key that is not a primary key may come twice."""
    table = identifier(reference.table)
    return (
        f"(SELECT max(r.{identifier(reference.name)}) FROM {table} AS r "
        f"WHERE r.company_id = t.company_id AND r.{identifier(reference.key)} = {key})"
    )


def _custom_columns(
    definitions: Sequence[Definition], reserved: Sequence[str], render: Renderer
) -> Mapping[str, Mapping[int, _Column]]:
    """Columns of custom fields by folded name, and by company: fields of one name in two companies share theirs."""
    columns: dict[str, dict[int, _Column]] = {}
    for company in sorted({field.company_id for field in definitions}):
        own = [field for field in definitions if field.company_id == company and _shown(field)]
        named = [NamedField(field.code, field.name, _PARTS.get(field.field_type, ())) for field in own]
        names = column_names(named, reserved)
        for field in own:
            for column in _field_columns(field, names[field.code], render):
                columns.setdefault(folded(column.name), {})[company] = column
    return columns


def _shown(field: Definition) -> bool:
    return field.is_custom and is_addressable(field.code)


def _field_columns(field: Definition, names: Sequence[str], render: Renderer) -> Iterator[_Column]:
    """The columns of one custom field: its value, and its parts."""
    place = Place("t.custom_fields", field.code)
    yield _main_column(field, names[0], place, render)
    for name, part in zip(names[1:], _PARTS.get(field.field_type, ()), strict=True):
        yield _Column(name, render.text(place, part))


def _main_column(field: Definition, name: str, place: Place, render: Renderer) -> _Column:
    match field.field_type:
        case "double" | "monetary":
            return _Column(name, render.number(place), is_number=True)
        case "enum" | "set" | "phone":
            return _Column(name, render.items(place, field.options))
        case "address":
            return _Column(name, _address(place, render))
        case "daterange" | "time" | "timerange":
            return _Column(name, render.text(place, "value"))
        case kind if kind in _REFERRING_TYPES:
            found = _referred(_REFERRING_TYPES[kind], render.reference(place))
            return _Column(name, f"COALESCE({found}, {render.text(place)})")
        case _:
            return _Column(name, render.text(place))


def _address(place: Place, render: Renderer) -> str:
    return f"COALESCE({render.text(place, 'value')}, {render.text(place, 'formatted_address')})"


def _of_companies(columns: Mapping[int, _Column], companies: Sequence[int]) -> _Column:
    """One column for all companies that have it; numbers only where it is a number in each."""
    is_number = all(column.is_number for column in columns.values())
    sql = {
        company: f"CAST({column.sql} AS TEXT)" if column.is_number and not is_number else column.sql
        for company, column in columns.items()
    }
    name = min(column.name for column in columns.values())
    return _Column(name, _by_company(sql, companies), is_number)


def _by_company(sql: Mapping[int, str], companies: Sequence[int]) -> str:
    if not sql:
        return "NULL"
    if len(companies) == 1:
        return sql[companies[0]]
    cases = " ".join(f"WHEN {company} THEN {expression}" for company, expression in sorted(sql.items()))
    return f"CASE t.company_id {cases} END"
