"""A table on the page of the service: dropped, chosen or pasted, scored, summed up and downloaded."""

import csv
import re

import numpy as np
import pytest
from browser.service_pages import (
    SCORED,
    agrees,
    downloaded,
    give,
    named,
    number,
    shown,
    type_point,
)

from mixturelab import load_dataset

pytestmark = pytest.mark.browser


# --------------------------------------------------------------------------------------------------------- the table
def test_a_table_is_scored_and_its_bad_rows_are_named(open_page, services):
    model, table = services.model("geyser"), load_dataset("old_faithful").frame
    lines = table.assign(other="x").to_csv(index=False).splitlines()
    bad = {
        5: "abc,70,x",
        9: "3.1,,x",
        20: '"3,4",80,x',
        30: "1e300,50,x",
        41: "4,80",
        42: "inf,60,x",
        50: "1e999,1,x",
    }
    for row, line in bad.items():
        lines[1 + row] = line
    page = open_page(services("geyser"), expected=[422])
    give(page, "\n".join(lines), "geyser.csv")
    good = np.delete(table.to_numpy(), list(bad), axis=0)
    gamma, logs = model.predict_proba(named(model, good)), model.score_samples(named(model, good))
    words = page.locator("#summary-words").inner_text()
    assert words.startswith(f"{len(good)} rows scored")
    assert number(re.search(r"mean log density (\S+);", words)[1]) == pytest.approx(logs.mean(), abs=1e-3)
    assert f"; {(gamma.max(axis=1) < 0.9).sum()} uncertain" in words
    counts = np.bincount(gamma.argmax(axis=1), minlength=3)
    np.testing.assert_allclose(shown(page, "by-component"), counts / len(good), rtol=1e-12)
    assert page.locator("#refused-title").inner_text() == "7 rows refused"
    said = page.locator("#refused-rows li").all_inner_texts()
    assert [int(re.match(r"line (\d+): ", one)[1]) for one in said] == [2 + row for row in bad]
    for one, hint in zip(
        said,
        ["wanted a number", "missing", "decimal comma", "too far", "2 cells", "finite", "finite"],
        strict=True,
    ):
        assert hint in one
    found = downloaded(page)
    assert found["row"].tolist() == list(range(len(table)))
    kept = found.drop(index=list(bad))
    assert found["refused"].notna().sum() == len(bad)
    np.testing.assert_array_equal(kept["component"], gamma.argmax(axis=1))
    np.testing.assert_allclose(kept.filter(like="responsibility_"), gamma, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(kept["log_density"], logs, rtol=1e-12)
    np.testing.assert_allclose(kept["uncertainty"], 1 - gamma.max(axis=1), atol=1e-12)
    page.locator("#clear").click()
    assert not page.locator("#summary").is_visible()


def test_columns_are_matched_by_name_whatever_the_delimiter(open_page, services):
    table = load_dataset("iris").frame.head(20)
    expected = services.model("iris").predict_proba(table)
    turned = table.iloc[:, ::-1].assign(note='said "a;b,c"\nand went')
    page = open_page(services("iris"))
    for delimiter, encoding in [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-16"), (";", "utf-8")]:
        text = turned.to_csv(index=False, sep=delimiter, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
        give(page, text.encode(encoding))
        gamma = downloaded(page).filter(like="responsibility_")
        np.testing.assert_allclose(gamma, expected, rtol=1e-9, atol=1e-300)


def test_a_table_that_cannot_be_scored_says_why(open_page, services):
    page = open_page(services("geyser"))
    for text, hint in [
        ("eruptions,wait\n1,2\n", "No column 'waiting'; the columns are 'eruptions' and 'wait'."),
        ("eruptions,waiting,waiting\n1,2,3\n", "Column 'waiting' is there twice."),
        ("eruptions,waiting\n", "The table has no rows."),
        ("", "The table has no rows."),
        (b"PAR1\0\0\1eruptions", "This is not text; wanted a CSV."),
    ]:
        give(page, text)
        assert page.locator("#table-error").inner_text() == hint
        assert not page.locator("#summary").is_visible()


def test_a_file_can_be_dropped_on_the_page(open_page, services):
    page = open_page(services("galaxies"))
    page.evaluate("""() => {
      const carried = new DataTransfer();
      carried.items.add(new File(["velocity\\n9000\\n20000\\n21000\\n"], "three.csv", { type: "text/csv" }));
      for (const type of ["dragover", "drop"]) {
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer: carried, bubbles: true, cancelable: true }));
      }
    }""")
    page.wait_for_function(SCORED)
    assert page.locator("#summary-title").inner_text() == "three.csv"
    assert page.locator("#summary-words").inner_text().startswith("3 rows scored")


def test_a_large_table_leaves_the_page_awake(open_page, services):
    """100,000 rows: the page goes on drawing while it reads, a hand gets an answer, and Stop stops."""
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.uniform(1.5, 5.5, 100_000), rng.uniform(40, 100, 100_000)]).round(3)
    text = "eruptions,waiting\n" + "\n".join(f"{a},{b}" for a, b in rows.tolist()) + "\n"
    page = open_page(services("geyser"), expected=[0])  # Stop gives up what was asked
    page.evaluate("""() => {
      window.frames_ = 0; window.seen_ = new Set();
      const tick = () => {
        frames_ += 1; seen_.add(document.getElementById("progress-words").textContent); requestAnimationFrame(tick);
      };
      requestAnimationFrame(tick);
    }""")
    page.set_input_files("#file", {"name": "large.csv", "mimeType": "text/csv", "buffer": text.encode()})
    type_point(page, [2, 55])
    assert not page.locator("#summary").is_visible()  # it was answered while the table was being read
    agrees(page, services.model("geyser"))
    page.wait_for_function(SCORED)
    assert page.locator("#summary-words").inner_text().startswith("100,000 rows scored")
    assert page.evaluate("() => seen_.size") > 10
    assert "5,000 of 100,000 rows are drawn" in page.locator("#plane-note").inner_text()
    expected = np.bincount(
        services.model("geyser").predict(named(services.model("geyser"), rows)), minlength=3
    )
    np.testing.assert_allclose(shown(page, "by-component"), expected / len(rows), rtol=1e-12)
    page.set_input_files("#file", {"name": "large.csv", "mimeType": "text/csv", "buffer": text.encode()})
    page.locator("#stop").click()
    page.wait_for_function(SCORED)
    assert page.locator("#table-error").inner_text() == "Stopped before the end."


def test_batches_keep_to_the_limits_of_the_service(open_page, services):
    rows = load_dataset("old_faithful").frame.head(50)
    for limit in ({"max_rows": 7}, {"max_bytes": 200}):
        page = open_page(services("geyser", **limit))
        give(page, rows.to_csv(index=False))
        assert page.locator("#summary-words").inner_text().startswith("50 rows scored")
        assert page.locator("#refused").is_hidden()
        assert page.locator("#table-error").is_hidden()
