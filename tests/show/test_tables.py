"""Tables keep lines and columns, whatever a cell says."""

from autodiff.show.words.tables import Table, elided


def test_tables_keep_lines_and_columns_whatever_a_cell_says() -> None:
    table = Table("c", ("a", "b"), [("線\nx", "1"), ("é", "22"), ("x" * 5_000, "3")], numbers={1})
    lines = table.text().splitlines()
    assert len(lines) == 5
    assert lines[2].startswith("線 x ")
    assert len(lines[4]) < 2_100
    assert elided([(str(i),) for i in range(10)], 4, "rows") == [
        ("0",),
        ("1",),
        ("2",),
        ("... 6 rows left out",),
        ("9",),
    ]


def test_an_emoji_made_of_several_takes_no_place_for_what_joins_them() -> None:
    family = "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}"
    table = Table("", ("a", "b"), [(family, "1"), ("wide", "2")], numbers=set())
    assert table.text() == f"a     b\n{family}  1\nwide  2"
