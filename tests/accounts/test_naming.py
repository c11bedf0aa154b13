"""Column names of the views, for any set of field definitions."""

from hypothesis import given
from hypothesis import strategies as st

from sync.accounts.naming import MAX_BYTES, NamedField, column_names

_RESERVED = ["company_id", "name", "owner"]
_codes = st.one_of(
    st.integers(0, 50).map("{:040x}".format), st.integers(0, 50).map("{:x}".format), st.sampled_from(["ä", "name"])
)
_names = st.one_of(
    st.text(max_size=70),
    st.sampled_from(["", " ", "Name", "TIER", "Tier", "tier", "Tier (currency)", "ß", "SS", "x" * 200]),
)
_fields = st.lists(
    st.builds(NamedField, _codes, _names, st.sampled_from([(), ("currency",), ("until",)])),
    unique_by=lambda field: field.code,
    max_size=12,
)


@given(fields=_fields, data=st.data())
def test_no_two_names_are_alike_and_their_order_does_not_matter(fields: list[NamedField], data: st.DataObject) -> None:
    names = column_names(fields, _RESERVED)

    every = [*_RESERVED, *(name for own in names.values() for name in own)]
    assert len({name.casefold() for name in every}) == len(every)
    assert all(name.strip() and "\0" not in name and len(name.encode()) <= MAX_BYTES for name in every)
    assert column_names(data.draw(st.permutations(fields)), _RESERVED) == names


def test_a_name_that_nothing_else_has_stays_as_it_is() -> None:
    names = column_names([NamedField("a", 'Say "hi" % :x 日本', ("currency",)), NamedField("b", "x" * 64)], _RESERVED)

    assert names == {"a": ('Say "hi" % :x 日本', 'Say "hi" % :x 日本 (currency)'), "b": ("x" * 63,)}


def test_fields_of_one_name_each_carry_a_piece_of_their_code() -> None:
    first, second = "a1b2c3" + "0" * 34, "d4e5f6" + "0" * 34
    fields = [NamedField(first, "Tier"), NamedField(second, "tier", ("currency",))]

    assert column_names(fields, _RESERVED) == {
        first: ("Tier [a1b2c3]",),
        second: ("tier [d4e5f6]", "tier [d4e5f6] (currency)"),
    }
    assert column_names(fields[:1], _RESERVED) == {first: ("Tier",)}
