"""The page of the service for the browser tests: services to open it from, what it shows, and a watch on its faults."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mixturelab import GaussianMixture, load_dataset, save

EVIL = ['<img src=x onerror="window.hacked=1">', 'a,"b";c']
SETTLED = "() => document.getElementById('bars').getAttribute('aria-busy') === 'false'"
SCORED = "() => !document.getElementById('summary').hidden || !document.getElementById('table-error').hidden"


# ------------------------------------------------------------------------------------------------------ the service
def _geyser() -> GaussianMixture:
    return GaussianMixture(3, random_state=0).fit(load_dataset("old_faithful").frame)


def _iris() -> GaussianMixture:
    return GaussianMixture(3, random_state=0).fit(load_dataset("iris").frame)


def _galaxies() -> GaussianMixture:
    return GaussianMixture(3, random_state=0).fit(load_dataset("galaxies").frame)


def _sixteen() -> GaussianMixture:
    rng = np.random.default_rng(0)
    groups = [rng.normal(3 * rng.normal(size=16), rng.uniform(0.5, 1.5, 16), (60, 16)) for _ in range(16)]
    return GaussianMixture(16, covariance_type="diag", random_state=0).fit(np.concatenate(groups))


def _evil() -> GaussianMixture:
    x = np.random.default_rng(0).normal(size=(200, 2)) + 4 * np.repeat([[0], [1]], 100, axis=0)
    return GaussianMixture(2, random_state=0).fit(pd.DataFrame(x, columns=EVIL))


MODELS = {"geyser": _geyser, "iris": _iris, "galaxies": _galaxies, "sixteen": _sixteen, "evil": _evil}


@cache
def fitted(name: str) -> GaussianMixture:
    """One of the models, fitted once."""
    return MODELS[name]()


class Services:
    """One service for each model and setting, started when it is first asked for."""

    def __init__(self, folder):
        self.folder, self.running = folder, {}

    def model(self, name: str) -> GaussianMixture:
        return fitted(name)

    def __call__(self, name: str, **settings) -> str:
        """Its address."""
        key = (name, *sorted(settings.items()))
        if key not in self.running:
            path = self.folder / f"{name}.safetensors"
            save(fitted(name), path)
            self.running[key] = started(path, settings)
        return self.running[key][0]

    def stop(self) -> None:
        for _address, server, thread in self.running.values():
            server.should_exit = True
            thread.join(timeout=10)


def started(path, settings):
    import uvicorn

    from mixturelab.serve.app import create_app
    from mixturelab.serve.settings import Settings

    listening = socket.create_server(("127.0.0.1", 0))
    app = create_app(path, Settings(**settings))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    return f"http://127.0.0.1:{listening.getsockname()[1]}/", server, thread


@contextmanager
def serving(folder: Path) -> Iterator[Services]:
    """Services that stop when all is done."""
    running = Services(folder)
    try:
        yield running
    finally:
        running.stop()


# ---------------------------------------------------------------------------------------------------- the browser
class Watched:
    """Opens pages, and keeps whatever a page asked for elsewhere, did not get, wrote on its console or raised."""

    def __init__(self, browser):
        self.browser, self.faults, self.contexts = browser, [], []

    def __call__(self, address, theme="light", width=1280, expected=(), touch=False, settled=True):
        context = self.browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            accept_downloads=True,
            has_touch=touch,
        )
        self.contexts.append(context)
        page = context.new_page()
        self._listen(page, address, set(expected))
        page.goto(address)
        if settled:
            page.wait_for_function(SETTLED)
        return page

    def _listen(self, page, address, expected):
        def note(text):
            self.faults.append(text)

        page.on(
            "request", lambda one: None if one.url.startswith((address, "data:", "blob:")) else note(one.url)
        )
        page.on("requestfailed", lambda one: note(f"did not get {one.url}") if 0 not in expected else None)
        page.on(
            "response",
            lambda one: note(f"{one.status}: {one.url}") if _is_odd(one.status, expected) else None,
        )
        page.on("console", lambda one: None if _is_told(one.text, expected) else note(f"console: {one.text}"))
        page.on("pageerror", lambda one: note(f"raised: {one}"))


def _is_odd(status, expected):
    return status >= 400 and status not in expected


def _is_told(text, expected):
    """Chromium writes a line on the console for each answer that is an error, and for each that did not come."""
    found = re.search(r"status of (\d+)", text)
    return int(found[1]) in expected if found else 0 in expected and "Failed to load resource" in text


@contextmanager
def watching(browser) -> Iterator[Watched]:
    """Opens pages; at the end there must have been no fault in any."""
    watched = Watched(browser)
    yield watched
    for context in watched.contexts:
        context.close()
    assert watched.faults == []


# ------------------------------------------------------------------------------------------------- what a page says
def type_point(page, values):
    for i, value in enumerate(values):
        page.locator(f"#feature-{i}").fill(str(value))
    page.wait_for_function(SETTLED)


def point(page) -> list[float]:
    return [float(one.input_value()) for one in page.locator("#fields input").all()]


def shown(page, table="bars") -> list[float]:
    """The shares of a table's bars, in full precision."""
    values = page.locator(f"#{table} data").evaluate_all("(all) => all.map((one) => one.value)")
    return [float(value) for value in values]


def agrees(page, model) -> None:
    """The bars are what the model says of the point in the fields."""
    row = named(model, [point(page)])
    gamma = model.predict_proba(row)[0]
    np.testing.assert_allclose(shown(page), gamma, rtol=1e-9, atol=1e-300)
    words = page.locator("#verdict").inner_text()
    assert words.startswith(f"Component {gamma.argmax()}, ")
    assert number(re.search(r"log density (\S+)\.$", words)[1]) == pytest.approx(
        model.score_samples(row)[0], rel=1e-4
    )


def named(model, rows):
    names = getattr(model, "feature_names_in_", None)
    return np.asarray(rows) if names is None else pd.DataFrame(np.asarray(rows), columns=names)


def number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


def give(page, text, name="rows.csv") -> None:
    """Choose a file with this text, and wait until it is scored."""
    content = text if isinstance(text, bytes) else text.encode()
    page.set_input_files("#file", {"name": name, "mimeType": "text/csv", "buffer": content})
    page.wait_for_function(SCORED)


def downloaded(page) -> pd.DataFrame:
    with page.expect_download() as waiting:
        page.locator("#download").click()
    assert waiting.value.suggested_filename.endswith("_scores.csv")
    return pd.read_csv(waiting.value.path())
