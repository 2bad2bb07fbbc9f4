"""The report of a smear: what it says, and that a person can work with it, in a real browser."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, Page, browser, find_browser
from cell_cases import CLASSES, HEADER, smear

from retina_domains.cell_table import CellTable
from retina_domains.corrections import FORMAT, apply_corrections, read_corrections
from retina_domains.errors import InvalidValueError
from retina_domains.smear_report import FieldSummary, Figure, Finding, SmearReport, report_id
from retina_domains.types import Chip, Tile, Window
from retina_domains.writers.cell_choice import SmearPictures, choose_cells, crop_window
from retina_domains.writers.cell_report import smear_report_html, write_smear_report

HOSTILE = 'smear <script>alert(1)</script> & "1"'


def fresh() -> CellTable:
    """The smear before anybody looked at it."""
    return replace(
        smear(), review=("",) * 5, corrected_by=("",) * 5, corrected_at=("",) * 5, counted=np.ones(5, bool)
    )


def report(cells: CellTable) -> SmearReport:
    return SmearReport(
        HOSTILE,
        "thin",
        CLASSES,
        (
            Figure("Parasitaemia", 1.234, 0.51, 2.96, "%", decimals=2, note="By such and such a method."),
            Figure("Gametocytes", math.nan, note="None are told."),
        ),
        (Figure("RBC", 1503, 1420, 1590), Figure("ring", 12, 7, 20)),
        (
            FieldSummary("smear 1", "a.png", (1, 1, 1), 0, 1, 30000.0, 0.1),
            FieldSummary("smear 1", "b.png", (2, 0, 0), 1, 0, 30000.0, None, excluded=True),
        ),
        (
            Finding("sharpness 12, expected above 40", "b.png", "out of focus", True),
            Finding("no MPP was given"),
        ),
        HEADER.provenance,
        {field.name: field.sha256 for field in cells.fields},
    )


def page_of(cells: CellTable) -> tuple[SmearReport, SmearPictures]:
    pictures = SmearPictures()
    for place, field in enumerate(cells.fields):
        window = Window(0, 0, field.height, field.width)
        pixels = np.full((3, field.height, field.width), 180, np.uint8)
        pictures.add_field(
            cells, place, Chip(pixels, np.ones(pixels.shape[1:], bool), Tile(0, 0, window, window))
        )
    for row in choose_cells(cells).rows:
        window = crop_window(cells, row)
        pixels = np.full((3, window.height, window.width), (90 + 30 * row) % 256, np.uint8)
        pictures.add_cell(
            cells, row, Chip(pixels, np.ones(pixels.shape[1:], bool), Tile(0, 0, window, window))
        )
    return report(cells), pictures


def test_doubt_is_a_low_score_and_a_parasites_weighs_three_times() -> None:
    cells = fresh()  # scores .9 RBC, .55 ring, .8 WBC, .7 RBC, .45 RBC
    choice = choose_cells(cells)
    assert choice.doubtful == (1, 4, 3, 2, 0)
    assert choice.infected == {"ring": (1,)}
    assert choose_cells(cells, most_doubtful=2).doubtful == (1, 4)
    assert choose_cells(smear()).doubtful == (3, 2, 0)  # the ring is confirmed, an RBC rejected
    three = CellTable.of(CLASSES, cells.fields, [0] * 3, cells.xyxy[:3], [2] * 3, [0.5, 0.9, 0.7])
    limited = choose_cells(three, most_infected=2)
    assert limited.infected == {"ring": (1, 2)}
    assert limited.infected_total == {"ring": 3}


def test_crops_are_squares_around_their_cells() -> None:
    cells = fresh()
    for row in range(len(cells)):
        window = crop_window(cells, row)
        x1, y1, x2, y2 = cells.xyxy[row]
        assert window.height == window.width >= 2.2 * max(x2 - x1, y2 - y1) - 1
        assert window.contains(x1, y1)
        assert abs((window.col + window.col_stop) / 2 - (x1 + x2) / 2) <= 1


def test_numbers_come_first_with_their_intervals_and_warnings_name_their_fields() -> None:
    cells = fresh()
    told, pictures = page_of(cells)
    html = smear_report_html(told, cells, choose_cells(cells), pictures)
    places = [html.index(text) for text in ("Research use only. Not for diagnosis.", "1.23", "0.51 to 2.96")]
    places += [html.index("sharpness 12"), html.index("Check cells"), html.index("Infected cells by stage")]
    assert places == sorted(places)
    assert "<b>b.png</b>, out of focus: sharpness 12" in html
    assert "Left out of the numbers, by choice." in html
    assert "<b>not told</b><p>no interval</p>" in html
    assert "1,420 to 1,590" in html
    assert html.count("data:image/jpeg;base64,") == 2 + 6  # two fields, five cells, the ring twice
    assert report_id(told.classes, told.inputs, told.provenance) in html


def test_the_page_loads_nothing_and_nothing_of_it_is_taken_for_markup() -> None:
    cells = fresh()
    told, pictures = page_of(cells)
    html = smear_report_html(told, cells, choose_cells(cells), pictures)
    assert "<script>alert" not in html
    assert not re.search(r'(?:src|href)="(?!data:|#)', html)
    assert "http" not in html.replace('http-equiv="Content', "")
    facts = html.partition('id="facts">')[2].partition("</script>")[0]
    assert json.loads(facts)["title"] == HOSTILE


def test_a_smear_without_cells_has_a_page(tmp_path: Path) -> None:
    none = CellTable.of(CLASSES, smear().fields, [], [], [], [])
    write_smear_report(tmp_path / "r.html", report(none), none, choose_cells(none), SmearPictures())
    assert "Check cells" not in (tmp_path / "r.html").read_text()
    with pytest.raises(InvalidValueError, match="a report of RBC, WBC, ring"):
        smear_report_html(report(none), replace(none, classes=("x",)), choose_cells(none), SmearPictures())


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests."""
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium found: install one to test the page by clicking")
    with browser(program, tmp_path_factory.mktemp("browser")) as running:
        yield running


def test_fields_without_a_cell_can_be_enlarged(chromium: Browser, tmp_path: Path) -> None:
    none = CellTable.of(CLASSES, smear().fields, [], [], [], [])
    told, pictures = page_of(none)
    write_smear_report(tmp_path / "report.html", told, none, choose_cells(none), pictures)
    with chromium.page(tmp_path / "report.html", tmp_path) as page:
        page.click(".zoom")
        assert page.value("document.querySelector('figure').className") == "large"
        assert page.errors == []


@pytest.fixture
def open_page(chromium: Browser, tmp_path: Path) -> Iterator[Page]:
    """The page, open in a tab with a memory of its own."""
    cells = fresh()
    told, pictures = page_of(cells)
    write_smear_report(tmp_path / "report.html", told, cells, choose_cells(cells), pictures)
    (tmp_path / "saved").mkdir()
    with chromium.page(tmp_path / "report.html", tmp_path / "saved") as page:
        yield page


def test_a_person_decides_by_clicks_and_keys_and_saves(open_page: Page, tmp_path: Path) -> None:
    page, cells = open_page, fresh()
    thumb = "[...document.querySelectorAll('.cell')]"
    current = "document.querySelector('.cell[aria-current=true]').dataset.id"
    assert page.value(current) == cells.ids[1]
    assert page.value("document.getElementById('save').disabled")

    # Without a name nothing is decided; the field for it gets the focus, and typing there decides nothing.
    page.click("[data-do=confirm]")
    assert "name first" in page.value("document.getElementById('say').innerText")
    page.write("Dr Crocker")
    assert page.value("document.getElementById('who').value") == "Dr Crocker"
    assert page.value("document.getElementById('progress').value") == 0

    page.click("[data-do=confirm]")  # the ring, by a click; then the next in the list, by keys
    assert page.value(current) == cells.ids[4]
    page.press("r")
    assert page.value(current) == cells.ids[3]
    page.press("3")  # an RBC is a ring
    page.press("ArrowRight")
    assert page.value(current) == cells.ids[0]
    page.press("c")
    page.press("u")  # stays on the last cell, and is taken back
    assert page.value("document.getElementById('done').innerText") == "3 of 5 cells looked at"
    assert page.value(f"{thumb}.map(t => t.dataset.said)") == [
        "confirm",
        "reject",
        "relabel",
        "",
        "",
        "confirm",
    ]
    assert page.value(f"{thumb}[2].querySelector('.label').innerText") == "ring"

    page.click("#save")
    told = report(cells)
    name = report_id(told.classes, told.inputs, told.provenance)
    corrections = read_corrections(saved_file(page, tmp_path / "saved" / f"corrections-{name}.json"))
    assert [(c.action, c.cell, c.label, c.by) for c in corrections.corrections] == [
        ("confirm", cells.ids[1], None, "Dr Crocker"),
        ("reject", cells.ids[4], None, "Dr Crocker"),
        ("relabel", cells.ids[3], "ring", "Dr Crocker"),
    ]
    corrected = apply_corrections(cells, corrections, name, told.inputs)
    assert corrected.review == ("", "confirmed", "", "relabelled", "rejected")
    assert page.errors == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in page.requests)


def test_decisions_outlive_a_reload_and_relabelling_as_it_was_is_a_confirmation(open_page: Page) -> None:
    page = open_page
    page.click("#who")
    page.write("A B")
    page.click("[data-do=relabel][data-label=ring]")
    page.click("[data-do=relabel][data-label=WBC]")
    page.reload()
    states = "[...document.querySelectorAll('.cell')].map(t => t.dataset.said)"
    assert page.value(states) == ["confirm", "relabel", "", "", "", "confirm"]
    assert page.value("document.getElementById('who').value") == "A B"
    assert page.value("document.querySelector('.cell[aria-current=true]').dataset.id") == fresh().ids[3]
    # A click on a picture of the gallery takes its cell to the desk, where it is pressed as decided.
    page.value("[...document.querySelectorAll('.cell')].at(-1).click()")
    assert page.value("document.querySelector('[data-do=confirm]').getAttribute('aria-pressed')") == "true"
    assert page.errors == []


def test_cells_that_were_missed_are_added_where_a_field_is_clicked(open_page: Page, tmp_path: Path) -> None:
    page, cells = open_page, fresh()
    page.click("#who")
    page.write("A B")
    figure = "figure[data-place='1']"
    page.click(f"{figure} .adding")
    page.value(f"document.querySelector(\"{figure} select\").value = 'ring'")
    page.click(f"{figure} .zoom", 0.5, 0.25)
    page.click(f"{figure} .zoom", 0.25, 0.75)
    page.click(f"{figure} .mark", 0.5, 0.5)  # takes the first one back
    assert page.value("document.querySelectorAll('.mark').length") == 1
    page.reload()
    assert page.value("document.querySelectorAll('.mark').length") == 1
    page.click("#save")
    told = report(cells)
    name = report_id(told.classes, told.inputs, told.provenance)
    corrections = read_corrections(saved_file(page, tmp_path / "saved" / f"corrections-{name}.json"))
    corrected = apply_corrections(cells, corrections, name, told.inputs)
    assert (corrected.review[5], corrected.corrected_by[5], corrected.stage[5]) == ("added", "A B", "ring")
    # Field b.png is of 200 x 150 px; the only ring of the smear has a box of 10 x 12 px.
    assert corrected.field[5] == 1
    assert corrected.xyxy[5] == pytest.approx([45, 106.5, 55, 118.5], abs=0.6)
    assert page.errors == []


def test_a_saved_file_is_taken_up_again_and_a_strange_one_is_not(open_page: Page, tmp_path: Path) -> None:
    page, cells = open_page, fresh()
    told = report(cells)
    name = report_id(told.classes, told.inputs, told.provenance)
    content = {
        "format": FORMAT,
        "version": 1,
        "report": name,
        "corrections": [
            {"action": "reject", "cell": cells.ids[0], "by": "B", "at": "2026-01-02T03:04:05Z"},
            {"action": "reject", "cell": "toString", "by": "B", "at": "2026-01-02T03:04:05Z"},
        ],
    }
    for change, answer in (
        ({}, "Loaded 1 corrections (1 are not"),
        ({"report": "x"}, "holds no corrections"),
    ):
        path = tmp_path / "given.json"
        path.write_text(json.dumps(content | change))
        node = page.call("DOM.getDocument")["root"]["nodeId"]
        chooser = page.call("DOM.querySelector", nodeId=node, selector="#file")["nodeId"]
        page.call("DOM.setFileInputFiles", nodeId=chooser, files=[str(path)])
        page.wait(f"document.getElementById('say').innerText.includes({json.dumps(answer)})")
    assert page.value("document.getElementById('done').innerText") == "1 of 5 cells looked at"


def test_corrections_of_an_earlier_round_are_saved_with_the_next(chromium: Browser, tmp_path: Path) -> None:
    """A count that was corrected has a page of other doubtful cells: what is saved there must hold both."""
    first = fresh()
    told = report(first)
    name = report_id(told.classes, told.inputs, told.provenance)
    who = {"by": "A", "at": "2026-01-02T03:04:05Z"}
    place = {"slide": "smear 1", "field": "b.png"}
    boxes = [[45.0, 106.5, 55.0, 118.5], [60.0, 20.0, 70.0, 32.0], [5.0, 130.0, 15.0, 142.0]]
    said = {
        "format": FORMAT,
        "version": 1,
        "report": name,
        "classes": list(CLASSES),
        "inputs": [{"name": n, "sha256": h} for n, h in told.inputs.items()],
        "corrections": [
            {"action": "reject", "cell": first.ids[4], **who},
            {"action": "relabel", "cell": first.ids[3], "label": "ring", **who},
            {"action": "relabel", "cell": first.ids[2], "label": "ring", **who},
            *({"action": "add", **place, "xyxy": box, "label": "ring", **who} for box in boxes),
        ],
    }
    (tmp_path / "said.json").write_text(json.dumps(said))
    cells = apply_corrections(first, read_corrections(tmp_path / "said.json"), name, told.inputs)
    _, pictures = page_of(cells)
    write_smear_report(tmp_path / "report.html", told, cells, choose_cells(cells), pictures)
    (tmp_path / "saved").mkdir()
    with chromium.page(tmp_path / "report.html", tmp_path / "saved") as page:
        page.click("#who")
        page.write("B")
        for cell, action in (
            (first.ids[3], "[data-do=confirm]"),  # which was made a ring: the ring is confirmed
            (cells.ids[5], "[data-do=reject]"),  # added before, and taken back now
            (cells.ids[6], "[data-label=WBC]"),  # added before, of another class now
            (first.ids[0], "[data-do=reject]"),
        ):
            page.value(f"document.querySelector('.cell[data-id=\"{cell}\"]').click()")
            page.click(action)
        page.click("#save")
        second = read_corrections(saved_file(page, tmp_path / "saved" / f"corrections-{name}.json"))
        assert page.errors == []
    corrected = apply_corrections(first, second, name, told.inputs)
    assert corrected.review == (
        "rejected",
        "",
        "relabelled",
        "relabelled",
        "rejected",
        "added",
        "added",
    )
    assert [CLASSES[k] for k in corrected.labels[[2, 3, 5, 6]]] == ["ring", "ring", "WBC", "ring"]
    assert corrected.xyxy[5:].tolist() == boxes[1:]
    assert (corrected.corrected_by[2], corrected.corrected_by[3]) == ("A", "B")


def saved_file(page: Page, path: Path) -> Path:
    """A download, once it is there."""
    page.wait("document.getElementById('say').innerText.startsWith('Saved')")
    for _ in range(400):
        if path.is_file():
            break
        page.value("new Promise(r => setTimeout(r, 50))")
    return path


def test_the_keyboard_reaches_everything_and_is_seen(open_page: Page) -> None:
    page = open_page
    page.press("r")  # the desk may be out of sight, and there is no name: nothing is decided
    assert page.value("document.getElementById('progress').value") == 0
    place = "(e => e.id || e.className || e.tagName)(document.activeElement)"
    reached = set()
    for _ in range(30):
        page.press("Tab")
        if (name := page.value(place)) != "BODY":  # where the round starts again
            assert page.value("getComputedStyle(document.activeElement).outlineStyle") == "solid", name
            reached.add(name)
    assert {"who", "undo", "previous", "next", "load", "cell", "zoom"} <= reached
    page.click(".zoom")
    assert page.value("document.querySelector('.zoom').getAttribute('aria-expanded')") == "true"


def test_nothing_is_wider_than_a_narrow_screen(open_page: Page) -> None:
    page = open_page
    page.call("Emulation.setDeviceMetricsOverride", width=360, height=800, deviceScaleFactor=1, mobile=False)
    assert page.value("document.documentElement.scrollWidth") <= 360
