"""What the browser tests share: one Chromium, one JupyterLab, one page at a time; skipped, with a reason, without."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from browser.pages import NotebookPage
from browser.report import Report
from browser.server import ROOT, Lab
from browser.service_pages import serving, watching

REQUIRED = (
    "MIXTURELAB_BROWSER"  # "required": a missing browser fails the tests, as it should where it was installed
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str | None:
    """The Chromium of the system: nothing is downloaded."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def _unavailable(reason: str) -> None:
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(f"a browser is required here, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    program = chromium()
    if program is None:
        _unavailable("no Chromium is installed (on Debian and Ubuntu: apt install chromium)")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _unavailable("Playwright is not installed (pip install -r requirements.txt)")
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium's sandbox refuses to run for root
    options = ["--disable-dev-shm-usage", *(["--no-sandbox"] if as_root else [])]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, headless=True, args=options)
        yield running
        running.close()


@pytest.fixture(scope="session")
def lab(browser, tmp_path_factory):
    """A JupyterLab on a copy of the notebooks."""
    running = Lab(tmp_path_factory.mktemp("lab"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def report():
    """What the tests found, written beside the pictures when all are done."""
    found = Report(ROOT / "artifacts" / "browser")
    yield found
    found.write()


@contextmanager
def opener(browser: Any, lab: Lab) -> Iterator[Callable[[str], NotebookPage]]:
    """Opens a notebook in a page of its own; afterwards the page is closed and the kernel ended."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    # The token goes into a cookie by a request that no report shows.
    context.request.get(f"{lab.address}/lab", params={"token": lab.token})
    page = context.new_page()
    try:
        yield lambda name: NotebookPage(page, lab, name)
    finally:
        context.close()
        lab.end_kernels()


@pytest.fixture
def open_notebook(browser, lab):
    """Opens a notebook for one test."""
    with opener(browser, lab) as open_it:
        yield open_it


@pytest.fixture(scope="module")
def open_for_long(browser, lab):
    """Opens notebooks for several tests, each in a page of its own, one at a time."""
    return lambda name: _held(opener(browser, lab), name)


@contextmanager
def _held(opened: Any, name: str) -> Iterator[NotebookPage]:
    with opened as open_it:
        yield open_it(name)


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """The models of the service's tests, each served once it is asked for."""
    with serving(tmp_path_factory.mktemp("models")) as running:
        yield running


@pytest.fixture
def open_page(browser):
    """Opens the service's page, and fails on whatever it complains of."""
    with watching(browser) as opened:
        yield opened
