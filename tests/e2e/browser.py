"""Debian's headless Chromium, to look at a page as an operator does."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

_PATIENCE_SECONDS = 60
_LOADS = 8
_QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1500,1500",
)


class Browser:
    """One window."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    def open(self, url: str, *words: str) -> str:
        """The page's text, frames included, once all these words are on it."""
        # It is loaded again, as people do: a page keeps what was so when it was opened.
        for _ in range(_LOADS):
            self._driver.get(url)
            wait = WebDriverWait(self._driver, _PATIENCE_SECONDS, ignored_exceptions=(WebDriverException,))
            with suppress(TimeoutException):
                wait.until(lambda _: all(word in self._text() for word in words))
                return self._text()
        raise AssertionError(f"{url} does not show {words}, but {self._text()!r}")

    def picture(self, file: Path) -> None:
        """Save what the window shows."""
        assert self._driver.save_screenshot(str(file))

    def _text(self) -> str:
        texts = [self._driver.find_element(By.TAG_NAME, "body").text]
        for frame in self._driver.find_elements(By.TAG_NAME, "iframe"):
            self._driver.switch_to.frame(frame)
            texts.append(self._driver.find_element(By.TAG_NAME, "body").text)
            self._driver.switch_to.default_content()
        return "\n".join(texts)


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser, or a skipped test where none is installed (never in CI)."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        if os.environ.get("CI"):
            pytest.fail("chromium and chromedriver are missing: apt install chromium chromium-driver")
        pytest.skip("no Chromium here: apt install chromium chromium-driver")
    options = Options()
    options.binary_location = chromium
    for argument in _QUIET:
        options.add_argument(argument)
    window = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield Browser(window)
    finally:
        window.quit()
