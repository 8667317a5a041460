"""The palette, by computation: told apart with each common colour-vision deficiency, and dark enough to be seen."""

from itertools import combinations

import numpy as np
import pytest
from colour_vision import DEFICIENCIES, ciede2000, contrast, distance, lab, linear

from mixturelab.exercises import progress, result
from mixturelab.plot.palette import ALARM, COLOURS, INK, LINE_STYLES, MARKERS, MUTED, style

VISIONS = ["normal", *DEFICIENCIES]
EASY = 10.0  # CIEDE2000: told apart at a glance, also when apart (about 2 is just seen side by side)
# Paler than 3:1 on white. Darker ones would be mistaken for others: of all oranges with 3:1 none is EASY to tell from
# vermilion and green with each deficiency. They come where few figures get to, and never without marker or dashes.
PALE = {"#E69F00": "orange", "#56B4E9": "sky blue", "#44AA99": "teal", "#F0E442": "yellow"}


# ------------------------------------------------------------------------------------------ the formulas used


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [  # the authors' test data
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 2.5, 0.0), (50.0, 0.0, -2.5), 4.3065),
        ((50.0, 2.5, 0.0), (58.0, 24.0, 15.0), 19.4535),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
        ((36.4612, 47.8580, 18.3852), (36.2715, 50.5065, 21.2231), 1.4146),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_distance_is_the_published_one(one, other, wanted):
    assert ciede2000(one, other) == pytest.approx(wanted, abs=5e-5)
    assert ciede2000(other, one) == pytest.approx(wanted, abs=5e-5)


def test_white_black_and_greys_are_where_they_should_be():
    np.testing.assert_allclose(lab(linear("#FFFFFF")), [100, 0, 0], atol=0.01)
    assert contrast("#000000") == pytest.approx(21)
    assert contrast("#777777") == pytest.approx(4.48, abs=0.01)
    for matrix in DEFICIENCIES.values():  # grey is grey to everyone
        np.testing.assert_allclose(np.sum(matrix, axis=1), 1, atol=2e-6)


def test_colours_are_alike_to_those_who_are_said_to_mistake_them():
    red, green = "#B05A50", "#7A7A32"
    assert distance(red, green) > 30
    assert distance(red, green, "deuteranopia") < distance(red, green) / 3
    blue, green = "#4A7FB5", "#4A8C82"
    assert distance(blue, green, "tritanopia") < distance(blue, green) / 2


# --------------------------------------------------------------------------------------------------- the palette


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize(("number", "least"), [(2, 40.0), (3, 12.0), (4, 12.0), (6, EASY), (8, EASY)])
def test_the_first_colours_are_told_apart(number, least, vision):
    pairs = combinations(COLOURS[:number], 2)
    nearest = min((distance(one, other, vision), one, other) for one, other in pairs)
    assert nearest[0] >= least, nearest


def test_a_figure_in_greys_needs_the_second_channel():
    """The first two still differ when there is only light and dark; of four, markers and dashes must tell."""
    assert distance(*COLOURS[:2], "achromatopsia") > 8
    assert min(distance(*pair, "achromatopsia") for pair in combinations(COLOURS[:4], 2)) < 5


@pytest.mark.parametrize("colour", [INK, MUTED, ALARM])
def test_text_is_dark_enough(colour):
    assert contrast(colour) >= 4.5


@pytest.mark.parametrize("colour", COLOURS)
def test_lines_are_dark_enough_or_known_to_be_pale(colour):
    assert (contrast(colour) < 3.0) == (colour in PALE)


def test_the_pale_ones_come_late_and_the_palest_last():
    assert not set(COLOURS[:4]) & set(PALE)
    assert min(COLOURS, key=contrast) == COLOURS[-1]


@pytest.mark.parametrize("vision", VISIONS)
def test_an_alarm_looks_like_no_component_and_like_no_text(vision):
    assert min(distance(ALARM, other, vision) for other in (*COLOURS[:6], INK)) >= EASY


def test_no_two_components_share_colour_and_marker_or_colour_and_line():
    styles = [style(index) for index in range(len(COLOURS) * len(MARKERS))]
    assert len({(one.colour, one.marker) for one in styles}) == len(styles)
    first = styles[: len(COLOURS) * len(LINE_STYLES)]
    assert len({(one.colour, str(one.line)) for one in first}) == len(first)
    assert len(set(COLOURS)) == len(COLOURS)
    assert len(set(MARKERS)) == len(MARKERS)
    assert len(set(map(str, LINE_STYLES))) == len(LINE_STYLES)


@pytest.mark.parametrize("number", range(2, len(LINE_STYLES) + 1))
def test_up_to_seven_components_differ_in_each_channel_alone(number):
    styles = [style(index) for index in range(number)]
    for channel in ("colour", "marker", "line"):
        assert len({str(getattr(one, channel)) for one in styles}) == number


# ------------------------------------------------------------------------------------- what exercises are shown in


@pytest.mark.parametrize("colour", [*result._COLOURS.values(), progress_colour := "#0072b2"])
def test_verdicts_are_readable_on_a_light_page_and_seen_on_a_dark_one(colour):
    assert contrast(colour) >= 4.5
    assert contrast(colour, "#111111") >= 3.0
    assert progress_colour in progress()._repr_html_()
