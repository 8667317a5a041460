"""A run's settings: what YAML and keywords may say, that they come back whole, and one line for each mistake."""

from dataclasses import asdict
from pathlib import Path

import pytest

from mixturelab.exceptions import ArgumentError
from mixturelab.simclr.augment import Augmentation
from mixturelab.simclr.config import RunConfig, flat, load_config
from mixturelab.stream.config import MixtureSettings

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("simclr_*.yaml"))


@pytest.fixture
def yaml(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "run.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def one_line(caught) -> str:
    message = str(caught.value)
    assert "\n" not in message
    return message


# ------------------------------------------------------------------------------------------------- what is read
def test_an_empty_file_is_all_defaults(yaml):
    assert load_config(yaml("")) == RunConfig()
    assert RunConfig().runtime.mixture == MixtureSettings()
    assert RunConfig().strengths == Augmentation()


def test_values_of_every_section_are_read(yaml):
    config = load_config(
        yaml(
            "data: mnist\nepochs: 3\nlearning_rate: 1e-3\nnegatives_until: 150\naugmentation: {noise: 0}\n"
            "network: {width: 16}\nthreads: null\nruntime: {mixture: {enabled: true, K: 4}}\n"
        )
    )
    assert (config.data, config.epochs, config.learning_rate) == ("mnist", 3, 1e-3)
    assert (config.negatives_until, config.threads, config.network.width) == (150, None, 16)
    assert config.strengths == Augmentation(noise=0)
    assert config.runtime.mixture == MixtureSettings(enabled=True, K=4)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configs_that_come_along_are_valid_and_watch_the_mixture(path):
    config = load_config(path)
    assert config.data == path.stem.removeprefix("simclr_")
    assert config.runtime.mixture.enabled
    assert config.runtime.mixture.K == 10


def test_the_digits_config_states_the_defaults():
    config = load_config(CONFIGS[0])
    mixture = {"runtime": {"mixture": {"enabled": False, "K": 8}}}
    assert config.changed(mixture) == RunConfig()


def test_there_are_configs():
    assert [path.stem for path in CONFIGS] == ["simclr_digits", "simclr_mnist"]


def test_what_is_written_is_read_back(yaml):
    config = RunConfig(data="a folder/ü.npz", learning_rate=1e-5, negatives_until=0, threads=None)
    config = config.changed(runtime={"mixture": {"enabled": True, "ema_decay": 0.9}})
    assert load_config(yaml(config.to_yaml())) == config
    assert RunConfig.from_yaml(config.to_yaml()) == config


# ----------------------------------------------------------------------------------------------------- changes
def test_changes_replace_only_what_they_name():
    config = RunConfig(seed=3, runtime={"mixture": {"enabled": True, "K": 4}})
    changed = config.changed({"runtime": {"mixture": {"K": 5}}}, epochs=2)
    differs = {key: value for key, value in flat(changed).items() if value != flat(config)[key]}
    assert differs == {"runtime.mixture.K": 5, "epochs": 2}
    assert config.changed() == config
    assert config.epochs == 60  # the first is as it was


def test_ready_made_settings_may_be_given():
    config = RunConfig(augmentation=Augmentation.none(), runtime={"mixture": MixtureSettings(K=3)})
    assert config.strengths == Augmentation.none()
    assert config.runtime.mixture.K == 3
    assert RunConfig().changed(augmentation=Augmentation(noise=0.5)).strengths == Augmentation(noise=0.5)


def test_flat_names_every_setting_by_its_dotted_key():
    keys = set(flat(RunConfig()))
    assert {"data", "seed", "network.width", "runtime.mixture.K", "runtime.mixture.ema_decay"} <= keys
    assert {f"augmentation.{name}" for name in asdict(Augmentation())} <= keys


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        RunConfig().seed = 1


# ---------------------------------------------------------------------------------------------------- mistakes
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "epoch: 3",
            "epoch (here 3) is not a setting; did you mean epochs? wanted one of data, device, seed",
        ),
        ("epochs: 0", "epochs is 0; wanted an integer ≥ 1"),
        ("epochs: 1.5", "epochs is 1.5; wanted an integer ≥ 1"),
        ("epochs: true", "epochs is True; wanted an integer ≥ 1"),
        ("batch_size: 1", "batch_size is 1; wanted an integer ≥ 2"),
        ("seed: -1", "seed is -1; wanted an integer ≥ 0"),
        ("learning_rate: 0", "learning_rate is 0; wanted a number > 0"),
        ("learning_rate: .nan", "learning_rate is nan; wanted a number > 0"),
        ("temperature: hot", "temperature is 'hot'; wanted a number > 0"),
        ("negatives_until: never", "negatives_until is 'never'; wanted an integer"),
        ("precision: fp16", "precision is 'fp16'; wanted one of float32, bf16"),
        ("device: tpu", "device: 'tpu' is not a device; wanted cpu, cuda or cuda:0"),
        ("threads: 0", "threads is 0; wanted an integer"),
        ("augmentation: none", "augmentation is 'none'; wanted a mapping"),
        ("augmentation: {noize: 1}", "augmentation.noize (here 1) is not a setting; did you mean noise?"),
        ("augmentation: {noise: -1}", "augmentation.noise is -1; wanted a number ≥ 0"),
        ("network: {depth: 3}", "network.depth (here 3) is not a setting; "),
        ("runtime: {mixtures: {}}", "runtime.mixtures (here {}) is not a setting; did you mean mixture?"),
        ("runtime: {mixture: {k: 3}}", "runtime.mixture.k (here 3) is not a setting; did you mean K?"),
        ("runtime: {mixture: {K: 0}}", "runtime.mixture.K is 0; wanted an integer ≥ 1"),
        ("runtime: {mixture: {ema_decay: 1}}", "runtime.mixture.ema_decay is 1; wanted a number > 0 and < 1"),
        ("runtime: {mixture: {mode: emma}}", "wanted one of per_batch, ema, label_supervised"),
        ("- epochs", "settings is ['epochs']; wanted a mapping"),
        ("seed: 1\nepochs: [3\n", "line 3"),
        ("seed: 1\nseed: 2\n", "line 2: the key 'seed' stands twice"),
        ("a: b: c", "line 1"),
    ],
)
def test_a_mistake_is_one_line_with_the_file_and_the_key(yaml, text, said):
    path = yaml(text)
    with pytest.raises(ArgumentError) as caught:
        load_config(path)
    message = one_line(caught)
    assert message.startswith(str(path))
    assert said in message


def test_a_mistake_in_a_change_does_not_blame_the_file(yaml):
    with pytest.raises(ArgumentError) as caught:
        load_config(yaml("epochs: 3"), {"epochs": 0})
    assert one_line(caught) == "epochs is 0; wanted an integer ≥ 1"


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ArgumentError, match=r"nope\.yaml cannot be read: No such file"):
        load_config(tmp_path / "nope.yaml")
    with pytest.raises(ArgumentError, match="cannot be read"):
        load_config(tmp_path)
