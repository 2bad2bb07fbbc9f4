"""The table of the speed of counting, against figures by hand."""

from __future__ import annotations

from bench_script import script


def test_stages_are_told_longest_first_with_what_is_spent_on_files() -> None:
    table = script("bench_count").fields_table(4, {"read": 1.0, "forward": 6.0, "total": 7.5}, 10.0)
    lines = table.splitlines()
    assert lines[0] == "4 fields in 10.0 s: 24.0 fields a minute"
    assert lines[4:7] == [
        "| forward | 6.00 | 1500 | 60% |",
        "| tables, pictures, page | 2.50 | 625 | 25% |",
        "| read | 1.00 | 250 | 10% |",
    ]
