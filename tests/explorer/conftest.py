"""One headless Chromium for all tests of pages, and pages that must stay silent."""

import importlib.util
import shutil

import pytest

from rnnjax.explorer.bundle import bundle


@pytest.fixture(scope="session")
def chromium():
    """A browser, shared by all tests of a process."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("needs Playwright for Python: pip install playwright")
    if program is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def explorer_file(tmp_path_factory):
    """The explorer as the command writes it."""
    path = tmp_path_factory.mktemp("explorer") / "explorer.html"
    path.write_text(bundle("main.js", "rnnjax explorer"), encoding="utf-8")
    return path


@pytest.fixture
def open_page(chromium):
    """open_page(path, hash="", width=1280, height=900): a page; what it says and asks is checked.

    After the test no page may have written to the console, failed, or requested anything but its
    file.
    """
    pages = []

    def opened(path, fragment="", width=1280, height=900):
        page = chromium.new_page(viewport={"width": width, "height": height})
        said, asked = [], []
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("request", lambda request: asked.append(request.url))
        pages.append((page, path.as_uri(), said, asked))
        page.goto(path.as_uri() + fragment)
        page.evaluate("window.rnnjax.settle?.()")
        return page

    yield opened
    for page, url, said, asked in pages:
        page.close()
        assert said == []
        assert {one.partition("#")[0] for one in asked} <= {url}


@pytest.fixture(scope="module")
def computing(chromium, explorer_file):
    """The explorer's page, for tests that ask it only for numbers."""
    page = chromium.new_page()
    page.goto(explorer_file.as_uri())
    yield page
    page.close()
