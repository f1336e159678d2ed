"""Plain text tables."""

from service.cli.table import table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table(["name", "state"], [["mnist", "built"], ["a", "not built yet"]]) == (
        "name   state\n"  #
        "mnist  built\n"
        "a      not built yet"
    )


def test_a_header_may_be_wider_than_its_cells() -> None:
    assert table(["parameters", "x"], [["1", "y"]]) == "parameters  x\n1           y"


def test_cells_that_are_no_text_are_shown_as_text() -> None:
    assert table(["version", "size"], [[1, None]]) == "version  size\n1        None"


def test_without_rows_there_is_the_header_alone() -> None:
    assert table(["name", "state"], []) == "name  state"


def test_no_line_ends_in_spaces() -> None:
    assert table(["name", "note"], [["mnist", ""], ["a", "long note"]]).splitlines()[1] == "mnist"


def test_a_name_cannot_steer_the_terminal_or_break_a_row() -> None:
    assert table(["name"], [["evil\x1b[2J\nname"]]) == "name\nevil�[2J name"
