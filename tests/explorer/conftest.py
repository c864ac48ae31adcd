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


@pytest.fixture(scope="session")
def idle_pages(chromium):
    """Pages that no test has open: a new one costs three times what loading a file costs."""
    pages = []

    def taken(width, height):
        if not pages:
            # By itself, in a context of its own: beside another it would be slow, as a hidden tab.
            pages.append(chromium.new_page())
            pages[0].add_init_script(HURRY)
        page = pages.pop()
        page.set_viewport_size({"width": width, "height": height})
        return page

    def given_back(page):
        page.mouse.move(0, 0)
        page.goto("about:blank")  # all that the test has left behind is gone
        pages.append(page)

    return taken, given_back


# window.hurry(): what waits for its time runs now.
HURRY = """{
    const { setTimeout, clearTimeout } = window, waiting = new Map();
    window.setTimeout = (run, ...rest) => {
        const id = setTimeout(() => waiting.delete(id) && run(), ...rest);
        waiting.set(id, run);
        return id;
    };
    window.clearTimeout = (id) => waiting.delete(id) && clearTimeout(id);
    window.hurry = () => [...waiting].forEach(([id, run]) => {
        window.clearTimeout(id);
        run();
    });
}"""


@pytest.fixture
def open_page(idle_pages):
    """open_page(path, hash="", width=1280, height=900): a page; what it says and asks is checked.

    After the test no page may have written to the console, failed, or requested anything but its
    file.
    """
    (taken, given_back), opened = idle_pages, []

    def open_one(path, fragment="", width=1280, height=900):
        page, said, asked = taken(width, height), [], []
        listeners = {
            "console": lambda message: said.append(f"{message.type}: {message.text}"),
            "pageerror": lambda error: said.append(f"error: {error}"),
            "request": lambda request: asked.append(request.url),
        }
        for event, listener in listeners.items():
            page.on(event, listener)
        opened.append((page, listeners, path.as_uri(), said, asked))
        page.goto(path.as_uri() + fragment)
        page.evaluate("window.rnnjax.settle?.()")
        return page

    yield open_one
    for page, listeners, *_ in opened:
        given_back(page)
        for event, listener in listeners.items():
            page.remove_listener(event, listener)
    for *_, url, said, asked in opened:
        assert said == []
        assert {one.partition("#")[0] for one in asked} - {"about:blank"} == {url}


@pytest.fixture(scope="session")
def computing(chromium, explorer_file):
    """The explorer's page, for tests that ask it only for numbers."""
    page = chromium.new_page()
    page.goto(explorer_file.as_uri())
    yield page
    page.close()
