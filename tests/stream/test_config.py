"""The settings of MixtureStats: defaults, strictness, YAML, and errors that name key, value and what is allowed."""

from typing import Annotated

import numpy as np
import pytest
import yaml
from pydantic import Field, ValidationError, model_validator

from mixturelab.exceptions import ArgumentError
from mixturelab.settings import Integer, Real, Settings, read_yaml, suggestion
from mixturelab.stream.config import MixtureSettings

DEFAULTS = {
    "enabled": False,
    "K": 8,
    "mode": "ema",
    "assigner": "kmeans_online",
    "ema_decay": 0.95,
    "store_scores": False,
    "scores_mode": "append",
    "cross_rank": False,
    "max_assign_iters": 2,
    "covariance": "full",
    "reseed": True,
    "log_every": 1,
    "diagnostics_every": 25,
    "validate_labels": True,
    "ignore_index": -1,
    "on_error": "warn",
    "seed": 0,
    "group_rows": None,
}

# key, a refused value, what the message wants instead
REFUSED = [
    ("enabled", "true", "true or false"),
    ("enabled", 1, "true or false"),
    ("K", 0, "an integer ≥ 1"),
    ("K", 8.0, "an integer ≥ 1"),
    ("K", "8", "an integer ≥ 1"),
    ("K", True, "an integer ≥ 1"),
    ("K", None, "an integer ≥ 1"),
    ("mode", "EMA", "one of per_batch, ema, label_supervised"),
    ("mode", None, "one of per_batch, ema, label_supervised"),
    ("assigner", "kmeans", "one of kmeans_online, label_supervised"),
    ("ema_decay", 0.0, "a number > 0 and < 1"),
    ("ema_decay", 1, "a number > 0 and < 1"),
    ("ema_decay", float("nan"), "a number > 0 and < 1"),
    ("ema_decay", True, "a number > 0 and < 1"),
    ("ema_decay", "0.9", "a number > 0 and < 1"),
    ("store_scores", "no", "true or false"),
    ("scores_mode", "log", "one of append, per_step"),
    ("cross_rank", None, "true or false"),
    ("max_assign_iters", 0, "an integer ≥ 1"),
    ("covariance", "tied", "one of full, diag, none"),
    ("reseed", 0, "true or false"),
    ("log_every", 0, "an integer ≥ 1"),
    ("diagnostics_every", -25, "an integer ≥ 1"),
    ("validate_labels", "yes", "true or false"),
    ("ignore_index", None, "an integer ≥ -2**63 and ≤ 2**63 - 1"),
    ("ignore_index", 2**63, "≤ 2**63 - 1"),
    ("on_error", "ignore", "one of warn, raise"),
    ("seed", -1, "an integer ≥ 0 and ≤ 2**63 - 1"),
    ("seed", 2**63, "an integer ≥ 0 and ≤ 2**63 - 1"),
    ("group_rows", 1, "true, false or null"),
]


def message(make, *args, **values) -> str:
    """The one line with which something is refused."""
    with pytest.raises(ArgumentError) as caught:
        make(*args, **values)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ----------------------------------------------------------------------------------------------------- values
def test_the_defaults_leave_everything_off():
    assert MixtureSettings().model_dump() == DEFAULTS
    assert MixtureSettings.parse(None) == MixtureSettings.parse({}) == MixtureSettings()


def test_every_default_may_be_given_and_every_allowed_value():
    assert MixtureSettings.parse(DEFAULTS) == MixtureSettings()
    given = {"mode": "per_batch", "assigner": "label_supervised", "covariance": "none", "group_rows": False}
    assert MixtureSettings(**given).model_dump() == DEFAULTS | given


@pytest.mark.parametrize(("key", "value", "wanted"), REFUSED)
def test_a_value_is_refused_by_its_key_with_what_came_and_what_was_wanted(key, value, wanted):
    whole = f"{key} is {value!r}; wanted "
    for found in (message(MixtureSettings, **{key: value}), message(MixtureSettings.parse, {key: value})):
        assert found.startswith(whole)
        assert found.endswith(wanted)
    found = message(MixtureSettings.from_document, {"runtime": {"mixture": {key: value}}})
    assert found.startswith(f"runtime.mixture.{whole}")
    assert found.endswith(wanted)


def test_the_bounds_themselves_are_allowed():
    allowed = {"K": 1, "max_assign_iters": 1, "log_every": 1, "diagnostics_every": 1, "seed": 2**63 - 1}
    assert MixtureSettings(**allowed).seed == 2**63 - 1
    assert MixtureSettings(ema_decay=5e-324).ema_decay > 0
    assert MixtureSettings(ema_decay=1 - 2**-53).ema_decay < 1


def test_numbers_of_numpy_are_numbers():
    settings = MixtureSettings(K=np.int64(3), ema_decay=np.float32(0.5))
    assert (settings.K, settings.ema_decay) == (3, 0.5)
    assert (type(settings.K), type(settings.ema_decay)) == (int, float)
    assert message(MixtureSettings, K=np.bool_(True)).startswith("K is ")


def test_settings_cannot_be_changed():
    settings = MixtureSettings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.K = 3
    assert hash(settings) == hash(MixtureSettings())


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        ({}, False),
        ({"mode": "label_supervised"}, True),
        ({"assigner": "label_supervised"}, True),
        ({"mode": "per_batch"}, False),
    ],
)
def test_labels_are_needed_where_they_assign_and_something_is_computed(options, needs):
    assert MixtureSettings(enabled=True, **options).needs_labels is needs
    assert not MixtureSettings(**options).needs_labels


# ------------------------------------------------------------------------------------------------------- keys
@pytest.mark.parametrize(
    ("wrong", "meant"), [("ema_deacy", "ema_decay"), ("k", "K"), ("log-every", "log_every"), ("zzz", None)]
)
def test_an_unknown_key_is_named_with_what_was_meant_and_all_that_are_allowed(wrong, meant):
    found = message(MixtureSettings.from_document, {"runtime": {"mixture": {wrong: 0.9}}})
    assert found.startswith(f"runtime.mixture.{wrong} (here 0.9) is not a setting; ")
    assert ("did you mean" in found) == (meant is not None)
    assert meant is None or f"did you mean {meant}? " in found
    assert found.endswith("wanted one of " + ", ".join(DEFAULTS))
    assert message(MixtureSettings, **{wrong: 0.9}).startswith(f"{wrong} (here 0.9) is not a setting")


def test_a_key_that_is_no_text_is_unknown():
    assert "runtime.mixture.8 " in message(MixtureSettings.from_document, {"runtime": {"mixture": {8: True}}})


def test_a_long_value_is_cut():
    assert len(message(MixtureSettings, mode="x" * 5000)) < 150


# ------------------------------------------------------------------------------------------------------- YAML
@pytest.mark.parametrize(
    "text",
    ["", "other: 3", "runtime:", "runtime: {}", "runtime: {mixture: }", "runtime: {amp: true}", "# nothing"],
)
def test_an_absent_section_is_the_defaults(text):
    assert MixtureSettings.from_yaml(text + "\n") == MixtureSettings()


def test_the_section_is_picked_from_a_file_and_from_text(tmp_path):
    text = "seed: 3\nruntime:\n  other: 1\n  mixture:\n    enabled: true\n    K: 10\n    ema_decay: 9e-1\n"
    wanted = MixtureSettings(enabled=True, K=10, ema_decay=0.9)
    path = tmp_path / "a run: 1.yaml"
    path.write_text("\ufeff" + text, encoding="utf-8")
    assert MixtureSettings.from_yaml(text) == MixtureSettings.from_yaml(path) == wanted
    (tmp_path / "run.yaml").write_text(text)
    assert MixtureSettings.from_yaml(str(tmp_path / "run.yaml")) == wanted
    assert MixtureSettings.from_yaml("{runtime: {mixture: {K: 3}}}").K == 3


def test_what_is_dumped_as_yaml_comes_back():
    settings = MixtureSettings(enabled=True, ema_decay=1e-7, seed=2**63 - 1, group_rows=True)
    document = {"runtime": {"mixture": settings.model_dump()}}
    assert MixtureSettings.from_yaml(yaml.safe_dump(document)) == settings


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("runtime: 3", "runtime is 3; wanted a mapping"),
        ("runtime:\n  mixture: on", "runtime.mixture is True; wanted a mapping"),
        ("runtime:\n  mixture: [K]", "runtime.mixture is ['K']; wanted a mapping"),
        ("- 1\n- 2", "the document is [1, 2]; wanted a mapping"),
        ("runtime:\n  mixtrue: {}", "runtime.mixtrue is not a section; did you mean mixture?"),
        ("Runtime:\n  mixture: {}", "Runtime is not a section; did you mean runtime?"),
        ("runtime:\n  mixture:\n    K: 4\n    K: 5", "line 4: the key 'K' stands twice"),
        ("runtime: {mixture: {K: 4}", "YAML text, line 1: "),
        ("a: !!python/object/apply:os.getcwd []", "YAML text, line 1: could not determine a constructor"),
    ],
)
def test_a_document_that_cannot_be_meant_is_refused(text, found):
    assert found in message(MixtureSettings.from_yaml, text)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    assert f"{tmp_path / 'no.yaml'} cannot be read: No such file" in message(read_yaml, tmp_path / "no.yaml")
    assert "no.yaml cannot be read" in message(read_yaml, "no.yaml")
    assert "cannot be read: Is a directory" in message(read_yaml, tmp_path)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    assert "is not UTF-8 text" in message(read_yaml, tmp_path / "bytes")
    (tmp_path / "bad.yaml").write_text("a:\n\t- 1")
    assert f"{tmp_path / 'bad.yaml'}, line 2: " in message(read_yaml, tmp_path / "bad.yaml")


@pytest.mark.parametrize("text", ["2e-3", "-2E+3", "1_0e2", "2.0e-3"])
def test_a_number_in_scientific_notation_is_a_number(text):
    assert read_yaml(f"a: {text}") == {"a": float(text)}


@pytest.mark.parametrize("text", ["2e", "e3", "0x1e3", "1e3a"])
def test_what_only_looks_like_one_is_not(text):
    assert not isinstance(read_yaml(f"a: {text}")["a"], float)


def test_merged_mappings_may_repeat_a_key():
    text = "base: &base {K: 3, seed: 1}\nother: {<<: *base, K: 4}"
    assert read_yaml(text)["other"] == {"K": 4, "seed": 1}


# --------------------------------------------------------------------------------------------- nested models
class Inner(Settings):
    rate: Annotated[Real, Field(gt=0, allow_inf_nan=False)] = 0.1
    steps: Annotated[Integer, Field(ge=0)] | None = None
    name: Annotated[str, Field(min_length=1)] = "a"


class Outer(Settings):
    inner: Inner = Inner()
    mixture: MixtureSettings = MixtureSettings()
    needed: int

    @model_validator(mode="after")
    def _check(self):
        if self.needed == 13:
            raise ValueError("needed is 13, an unlucky number; wanted another")
        return self


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, "needed is missing; wanted an integer"),
        ({"needed": 1, "inner": {"rate": -1}}, "inner.rate is -1; wanted a number > 0"),
        ({"needed": 1, "inner": {"rate": float("inf")}}, "inner.rate is inf; wanted a finite number > 0"),
        ({"needed": 1, "inner": {"steps": -1}}, "inner.steps is -1; wanted an integer ≥ 0 or null"),
        ({"needed": 1, "inner": {"steps": "x"}}, "inner.steps is 'x'; wanted an integer ≥ 0 or null"),
        ({"needed": 1, "inner": {"name": ""}}, "inner.name: String should have at least 1 character"),
        ({"needed": 1, "inner": 3}, "inner is 3; wanted a mapping"),
        ({"needed": 1, "mixture": {"K": 0}}, "mixture.K is 0; wanted an integer ≥ 1"),
        (
            {"needed": 1, "inner": {"rat": 1}},
            "inner.rat (here 1) is not a setting; did you mean rate? wanted one of",
        ),
        ({"needed": 13}, "needed is 13, an unlucky number; wanted another"),
    ],
)
def test_a_model_inside_another_is_explained_from_the_outermost(given, found):
    assert message(Outer.parse, given).startswith(found)
    assert message(Outer, **given).startswith(found)
    if given and found[:6] != "needed":
        assert message(Outer.parse, given, "run").startswith(f"run.{found}")


def test_what_is_parsed_already_is_itself():
    settings = MixtureSettings(K=3)
    assert MixtureSettings.parse(settings) is settings
    assert Outer(needed=1, mixture=settings).mixture == settings
    assert message(MixtureSettings.parse, 3) == "settings is 3; wanted a mapping of settings"


def test_a_suggestion_is_close_or_none():
    assert suggestion("Ema-Decay", DEFAULTS) == "ema_decay"
    assert suggestion("temperature", DEFAULTS) is None
