"""The page of the service: a point by hand, who may see it, and how it looks and reads."""

import csv
import io
import re

import numpy as np
import pandas as pd
import pytest
from browser.looking import CONTRAST
from browser.service_pages import (
    EVIL,
    SCORED,
    SETTLED,
    agrees,
    give,
    point,
    shown,
    type_point,
)

from mixturelab import load_dataset

pytestmark = pytest.mark.browser
TOKEN = "letmein-0123456789"


# --------------------------------------------------------------------------------------------------------- the point
@pytest.mark.parametrize(
    ("name", "points"),
    [("geyser", [(3.0, 66.0), (4.25, 79.5)]), ("iris", [(6.3, 2.8, 5.0, 1.6)]), ("galaxies", [(12345.5,)])],
)
def test_a_typed_point_gets_the_models_responsibilities(open_page, services, name, points):
    page = open_page(services(name))
    agrees(page, services.model(name))  # at the mean, where it begins
    for values in points:
        type_point(page, values)
        assert point(page) == list(values)
        agrees(page, services.model(name))
        widths = page.locator("#bars .fill").evaluate_all(
            "(all) => all.map((one) => parseFloat(one.style.width))"
        )
        np.testing.assert_allclose(np.array(widths) / 100, shown(page), atol=1e-5)
    texts = page.locator("#bars data").all_inner_texts()
    assert [one for one in texts if "<" not in one and "e" not in one] == [
        f"{v:.4f}" for v in shown(page) if v >= 1e-4
    ]


def test_the_bars_follow_the_last_of_many_keys_and_a_point_far_away_stands_at_the_edge(open_page, services):
    page = open_page(services("geyser"))
    page.locator("#feature-1").fill("")
    page.locator("#feature-1").press_sequentially("66.125")
    page.wait_for_function(SETTLED)
    assert point(page)[1] == 66.125
    agrees(page, services.model("geyser"))
    assert page.locator("#plane .point.outside").count() == 0
    type_point(page, [3, 1000])
    assert page.locator("#plane .point.outside").count() == 1
    agrees(page, services.model("geyser"))


def test_a_hand_moves_the_point_in_the_plane(open_page, services):
    model = services.model("geyser")
    page = open_page(services("geyser"))
    disc = page.locator("#plane .disc").first
    disc.click(force=True)
    page.wait_for_function(SETTLED)
    np.testing.assert_allclose(
        point(page), model.means_[0], rtol=0.01
    )  # the disc stands at its component's mean
    agrees(page, model)
    start, end = disc.bounding_box(), page.locator("#plane .disc").nth(2).bounding_box()
    page.mouse.move(start["x"] + 10, start["y"] + 10)
    page.mouse.down()
    page.mouse.move(end["x"] + 10, end["y"] + 10, steps=8)
    page.mouse.up()
    page.wait_for_function(SETTLED)
    np.testing.assert_allclose(point(page), model.means_[2], rtol=0.01)
    agrees(page, model)


def test_a_finger_taps_the_plane(open_page, services):
    page = open_page(services("geyser"), width=400, touch=True)
    page.locator("#plane .disc").nth(1).tap(force=True)
    page.wait_for_function(SETTLED)
    np.testing.assert_allclose(point(page), services.model("geyser").means_[1], rtol=0.02)


def test_what_the_service_refuses_is_said_beside_the_field_and_that_it_is_gone_below(open_page, services):
    page = open_page(services("geyser"), expected=[422, 0])
    type_point(page, [3, "1e308"])
    fault = page.locator("#fault-1")
    assert fault.is_visible()
    assert "waiting" in fault.inner_text()
    assert page.locator("#feature-1").get_attribute("aria-invalid") == "true"
    assert page.locator("#feature-0").get_attribute("aria-invalid") == "false"
    assert shown(page) == []  # nothing stands there that is not about this point
    type_point(page, [3, ""])
    assert fault.inner_text() == "wanted a number"
    type_point(page, [3, 70])
    assert not fault.is_visible()
    agrees(page, services.model("geyser"))
    page.route("**/responsibilities", lambda route: route.abort())
    type_point(page, [3, 66])
    assert "does not answer" in page.locator("#point-error").inner_text()
    page.unroute("**/responsibilities")
    type_point(page, [3, 67])
    agrees(page, services.model("geyser"))


# ------------------------------------------------------------------------------------------- who may see it, and how
def test_a_token_is_asked_for_and_kept_nowhere(open_page, services):
    page = open_page(services("geyser", token=TOKEN), expected=[401], settled=False)
    page.locator("#token").wait_for()
    assert not page.locator("#main").is_visible()
    for wrong in ("wrong-but-long-enough", "ключ и пробел"):
        page.locator("#token").fill(wrong)
        page.locator("#token").press("Enter")
        page.locator("#trouble").wait_for()
        page.locator("#token").wait_for()
        assert page.locator("#token").input_value() == ""
    page.locator("#token").fill(TOKEN)
    page.locator("#token").press("Enter")
    page.wait_for_function(SETTLED)
    assert not page.locator("#token-form").is_visible()
    type_point(page, [3, 66])
    agrees(page, services.model("geyser"))
    assert page.evaluate("() => localStorage.length + sessionStorage.length + document.cookie.length") == 0
    assert TOKEN not in page.content()
    assert TOKEN not in page.url


def test_a_name_is_text_and_never_markup(open_page, services):
    page = open_page(services("evil"))
    type_point(page, [0, 0.5])
    agrees(page, services.model("evil"))
    refused = '"<svg onload=""window.hacked=2"">",1'
    head = io.StringIO()
    csv.writer(head).writerow(EVIL)
    give(page, f"{head.getvalue()}{refused}\n1,2\n", "<img src=x onerror=window.hacked=3>.csv")
    assert page.locator("#refused-rows").inner_text().count("<svg onload") == 1
    give(page, "<img src=x onerror=window.hacked=4>,b\n1,2\n")
    assert "<img src=x onerror=window.hacked=4>" in page.locator("#table-error").inner_text()
    page.locator("#about summary").click()
    assert EVIL[0] in page.locator("h1 + p").inner_text()
    assert page.locator("img, #main svg svg, [onerror], [onload]").count() == 0
    assert page.evaluate("() => window.hacked") is None


def test_everything_is_done_with_the_keyboard_alone(open_page, services):
    page = open_page(services("iris"))
    model = services.model("iris")
    assert page.evaluate("() => document.activeElement === document.body")

    def tab_to(identity):
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("() => document.activeElement.id") == identity:
                return page.locator(f"#{identity}")
        raise AssertionError(f"no Tab leads to {identity}")

    tab_to("across")
    page.keyboard.press("s")  # the first that begins with it
    assert page.locator("#across option:checked").inner_text() == "sepal length"
    assert "sepal length" in page.locator("#plane .axis").all_text_contents()
    tab_to("plane")
    before = point(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    page.wait_for_function(SETTLED)
    moved = np.subtract(point(page), before)
    assert (moved != 0).tolist() == [True, False, False, True]
    assert (moved[[0, 3]] > 0).all()
    agrees(page, model)
    tab_to("feature-2")
    page.keyboard.type("4.9")
    page.wait_for_function(SETTLED)
    assert point(page)[2] == 4.9
    agrees(page, model)
    tab_to("to-mean")
    page.keyboard.press("Enter")
    page.wait_for_function(SETTLED)
    assert point(page) == before
    tab_to("file")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # opens the place to paste into
    tab_to("pasted")
    page.keyboard.insert_text(load_dataset("iris").frame.to_csv(index=False, sep="\t"))
    tab_to("score-pasted")
    page.keyboard.press("Enter")
    page.wait_for_function(SCORED)
    tab_to("download")
    with page.expect_download() as waiting:
        page.keyboard.press("Enter")
    scores = pd.read_csv(waiting.value.path())
    np.testing.assert_array_equal(scores["component"], model.predict(load_dataset("iris").frame))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("name", ["geyser", "sixteen"])
def test_it_can_be_read_in_each_theme_and_width(open_page, services, theme, width, name):
    page = open_page(services(name), theme, width, expected=[422])
    model = services.model(name)
    row = ",".join(["1.5"] * model.n_features_in_)
    head = ",".join(getattr(model, "feature_names_in_", [f"x{i}" for i in range(model.n_features_in_)]))
    give(page, f"{head}\n{row}\nx{row}\n")
    page.locator("#feature-0").fill("1e300")
    page.wait_for_function(SETTLED)
    assert page.locator("#fault-0").is_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    dark = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", dark))) < 60) == (theme == "dark")
    places = (
        "h1, h2, p, label, button, input, select, th, td, li, summary, caption, .error, .note, .tick, .axis"
    )
    found = page.locator(places).evaluate_all(
        f"(all) => all.filter((one) => one.checkVisibility()).map((one) => [({CONTRAST})(one), one.outerHTML])"
    )
    assert len(found) > 25
    assert [one for one in found if one[0] < 4.5] == []


def test_every_control_has_a_name(open_page, services):
    page = open_page(services("iris"))
    for role, names in {
        "spinbutton": ["sepal length", "sepal width", "petal length", "petal width"],
        "combobox": ["across", "up"],
        "application": ["The mixture"],
        "button": ["Back to the mean"],
        "region": ["The mixture", "A point", "A table"],
    }.items():
        for name in names:
            assert page.get_by_role(role, name=name, exact=role != "combobox").count() == 1, (role, name)
    assert page.get_by_label("choose one").get_attribute("type") == "file"
    nameless = """(all) => all.filter((one) => !(one.labels?.length || one.getAttribute("aria-label")
      || one.getAttribute("aria-labelledby") || one.textContent.trim())).map((one) => one.outerHTML)"""
    assert page.locator("button, input, select, textarea, [tabindex], progress").evaluate_all(nameless) == []
    identities = page.locator("[id]").evaluate_all("(all) => all.map((one) => one.id)")
    assert len(identities) == len(set(identities))


@pytest.mark.parametrize("name", ["galaxies", "sixteen"])
def test_one_feature_is_a_curve_and_sixteen_are_chosen_from(open_page, services, name):
    page = open_page(services(name))
    if name == "galaxies":
        assert page.locator("#plane .total").count() == 1
        assert page.locator("#plane .share").count() == 3
        assert not page.locator("#axes").is_visible()
        return
    assert page.locator("#plane .ellipse").count() == 32
    page.locator("#up").select_option("3")
    page.locator("#across").select_option("3")  # the other axis takes what this one had
    axes = page.locator("#plane .axis").all_text_contents()
    assert axes[0] == "feature 3"
    assert axes[1] != "feature 3"
