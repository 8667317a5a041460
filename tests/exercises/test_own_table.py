"""The capstone's checklists: each property is seen, none raises; and the numbers that the page states hold."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from mixturelab import GaussianMixture, select
from mixturelab.exercises.own_table import REPORT_PARTS, check_report, check_search, check_table

DATA = Path(__file__).parents[2] / "data" / "penguins.csv"
FEATURES = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
RNG = np.random.default_rng(0)
GOOD = pd.DataFrame(RNG.normal(size=(200, 3)), columns=["a", "b", "c"])


def failing(checklist):
    return [words for holds, words in checklist.items if not holds]


# --------------------------------------------------------------------------------------------------- tables


def test_a_good_table_passes():
    assert check_table(GOOD).passed
    assert check_table(GOOD.round(1)).passed


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (GOOD.assign(name="x"), "no number in `name`"),
        (GOOD.assign(a=GOOD.a.mask(GOOD.a > 1)), "values missing in `a`"),
        (GOOD.assign(d=3.0), "one value only in `d`"),
        (GOOD.assign(d=np.arange(200)), "row numbers in `d`"),
        (GOOD.assign(a=GOOD.a.where(GOOD.b > 0, 0.0)), "many equal values in `a`"),
        (GOOD.assign(a=GOOD.a * 1000), "spreads"),
        (GOOD.head(20), "20 rows for 3 features are few"),
        (pd.concat([GOOD, GOOD.head(50)]), "20% of the rows are copies"),
    ],
    ids=["text", "gaps", "constant", "counter", "filled", "scale", "few", "copies"],
)
def test_what_is_not_in_order_is_said(table, words):
    said = failing(check_table(table))
    assert any(words in one for one in said)
    assert not check_table(table).passed
    assert "to do" in check_table(table)._repr_html_()


def test_what_is_to_do_is_said_once_and_never_as_praise():
    said = failing(check_table(GOOD.assign(d=3.0)))
    assert said == ["one value only in `d`: it tells nothing: leave it out"]


def test_an_empty_column_is_not_taken_for_a_constant_one():
    said = failing(check_table(GOOD.assign(d=np.nan)))
    assert any("values missing in `d`" in one for one in said)
    assert not any("one value only" in one for one in said)


def test_a_counter_is_seen_though_other_columns_have_gaps():
    said = failing(check_table(GOOD.assign(a=GOOD.a.mask(GOOD.b > 0), d=np.arange(200))))
    assert any("row numbers in `d`" in one for one in said)


def test_names_of_columns_are_shown_as_text_not_as_markup():
    shown = check_table(GOOD.rename(columns={"a": "<b>a</b>"}).assign(x="y"))._repr_html_()
    assert "<b>" not in shown


@pytest.mark.parametrize(
    "odd", [None, 3, "table", [], {}, pd.DataFrame(), pd.DataFrame({"a": []}), GOOD["a"]]
)
@pytest.mark.parametrize("check", [check_table, check_search, check_report])
def test_nothing_raises(check, odd):
    assert repr(check(odd))
    assert check(odd)._repr_html_()


# -------------------------------------------------------------------------------------------------- searches


@functools.cache
def search(ks, families, starts):
    return select(GOOD, ks, list(families), n_init=starts, random_state=0)


def test_a_good_search_passes():
    assert check_search(search(range(1, 4), ("tied", "spherical"), 10)).passed


@pytest.mark.parametrize(
    ("ks", "families", "starts", "words"),
    [
        ((2, 3), ("tied", "diag"), 10, "try K = 1, too"),
        ((1,), ("tied", "diag"), 10, "at the edge"),
        ((1, 2), ("tied",), 10, "one family was tried"),
        ((1, 2), ("tied", "diag"), 2, "family: 2, too few"),
    ],
)
def test_what_a_search_lacks_is_said(ks, families, starts, words):
    assert any(words in one for one in failing(check_search(search(ks, families, starts))))


# --------------------------------------------------------------------------------------------------- reports


def test_a_report_is_whole_when_every_part_is_written():
    text = "a sentence that a stranger understands without us"
    assert check_report(dict.fromkeys(REPORT_PARTS, text)).passed
    assert failing(check_report(dict.fromkeys(REPORT_PARTS, text) | {"limits": ...})) == [
        "`limits` is not written yet"
    ]
    assert failing(check_report(dict.fromkeys(REPORT_PARTS, text) | {"doubt": "some"}))[0].startswith(
        "`doubt` has 1"
    )


# ------------------------------------------------------------------------------------------ the page's numbers


@functools.cache
def penguins():
    table = pd.read_csv(DATA)
    complete = table.dropna(subset=FEATURES)
    scaled = (complete[FEATURES] - complete[FEATURES].mean()) / complete[FEATURES].std()
    return complete, scaled


@functools.cache
def fitted(k, family="tied"):
    settings = {"n_init": 10, "tol": 1e-8, "max_iter": 1000, "random_state": 0}
    return GaussianMixture(k, covariance_type=family, **settings).fit(penguins()[1])


def test_the_table_is_as_the_page_says():
    complete, _ = penguins()
    assert len(complete) == 342
    assert (complete.body_mass_g % 25 == 0).all()
    assert (complete.flipper_length_mm % 1 == 0).all()
    spread = complete[FEATURES].std()
    assert round(spread.max() / spread.min()) == 406


@pytest.mark.parametrize(("family", "agree"), [("spherical", 0.37), ("diag", 0.45), ("full", 1.0)])
def test_units_matter_to_the_round_family_and_to_starts(family, agree):
    complete, scaled = penguins()
    model = GaussianMixture(3, covariance_type=family, n_init=10, random_state=0)
    found = adjusted_rand_score(model.fit_predict(complete[FEATURES]), model.fit_predict(scaled))
    assert found == pytest.approx(agree, abs=0.01)


def test_starts_end_on_two_hills():
    _, scaled = penguins()
    settings = {"n_init": 20, "tol": 1e-6, "max_iter": 500, "random_state": 0}
    search = GaussianMixture(3, covariance_type="tied", **settings)
    ends = np.array([model.bic(scaled) for model in search.fit_restarts(scaled)]).round(1)
    assert np.ptp(np.unique(ends)) == pytest.approx(175, abs=0.5)
    assert len(np.unique(ends)) == 2


def test_criteria_disagree_as_the_page_says():
    _, scaled = penguins()
    assert fitted(4).bic(scaled) == pytest.approx(2497.2, abs=0.05)
    assert fitted(3).bic(scaled) == pytest.approx(2511.8, abs=0.05)
    assert fitted(3).icl(scaled) < fitted(4).icl(scaled)
    assert fitted(4, "full").aic(scaled) < fitted(4).aic(scaled)


def test_doubt_groups_and_species_are_as_the_page_says():
    complete, scaled = penguins()
    doubtful = [int((fitted(k).predict_proba(scaled).max(axis=1) < 0.9).sum()) for k in (3, 4)]
    assert doubtful == [10, 58]
    labels = fitted(3).predict(scaled)
    assert adjusted_rand_score(complete.species, labels) == pytest.approx(0.96, abs=0.005)
    majority = pd.crosstab(complete.species, labels).max(axis=0)
    assert len(complete) - majority.sum() == 5
    means = fitted(3).means_ * complete[FEATURES].std().to_numpy() + complete[FEATURES].mean().to_numpy()
    wanted = [[39, 3700], [47, 5100], [49, 3750]]
    assert means[np.argsort(means[:, 0])][:, [0, 3]] == pytest.approx(np.array(wanted), abs=60)


def test_the_fourth_component_goes_with_year_and_sex():
    complete, scaled = penguins()
    model = fitted(4)
    first_two = np.argsort(model.means_[:, 0])[:2]
    adelie = complete[complete.species == "Adelie"].assign(
        component=model.predict(scaled)[complete.species == "Adelie"]
    )
    years = pd.crosstab(adelie.component, adelie.year).loc[first_two]
    assert sorted(years[2007] / years.sum(axis=1)) == pytest.approx([0.20, 0.56], abs=0.02)
    deep = years.loc[first_two[model.means_[first_two, 1].argmax()]]
    assert (deep[2007], years[2007].sum()) == (30, 49)
    assert (deep[2008] + deep[2009], years[[2008, 2009]].to_numpy().sum()) == (24, 101)
    for _, birds in adelie[adelie.component.isin(first_two)].groupby("sex"):
        share = (birds.component == deep.name).groupby(birds.year).mean()
        assert share[2007] > share[[2008, 2009]].max() + 0.2


def test_one_row_changes_hardly_anything():
    _, scaled = penguins()
    without = GaussianMixture(3, covariance_type="tied", n_init=10, random_state=0).fit(
        scaled.drop(index=293)
    )
    assert adjusted_rand_score(without.predict(scaled), fitted(3).predict(scaled)) > 0.98
    assert scaled.index[np.argmin(fitted(3).score_samples(scaled))] == 293
