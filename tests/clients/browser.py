"""GraphiQL in headless Chromium, driven by mouse and keyboard as a person would drive it."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from selenium.webdriver.remote.webelement import WebElement

SECONDS = 20.0

# Chromium calls its maker at every start unless it is told not to.
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1400,1000",
)

# Typed text would meet the editor's closing brackets and suggestions; pasted text stays as it is.
PASTE = """
const data = new DataTransfer();
data.setData('text/plain', arguments[0]);
const paste = new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true});
document.activeElement.dispatchEvent(paste);
"""

# The editor draws only the lines in view. GraphiQL leaves its editor in this global, and the text
# behind the pane is whole.
TEXT = """
const models = globalThis.__MONACO?.editor.getModels() ?? [];
return models.find((model) => model.uri.path.endsWith(arguments[0]))?.getValue() ?? '';
"""


def chromium() -> tuple[str, str] | None:
    """Finds Chromium and its driver on the path; None where one of them is missing."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class GraphiQL:
    """The page of one server, in one fresh browser."""

    def __init__(self, driver: webdriver.Chrome, address: str) -> None:
        self.driver = driver
        self.address = address.rstrip("/")

    def open(self, path: str = "/graphiql") -> None:
        """Opens the page, and waits for its sign-in form or, when signed in, for its editor."""
        self.driver.get(self.address + path)
        self._until(lambda: self._all("input[name=email]") or self._ready())

    def sign_in(self, email: str, password: str) -> None:
        """Signs in, and waits until the editor knows the schema."""
        self._submit(email, password)
        self._until(self._ready)

    def refused_sign_in(self, email: str, password: str) -> str:
        """Tries to sign in, and gives the message that the form shows."""
        self._submit(email, password)
        return str(self._until(lambda: self._one(".sign-in-message").text))

    def sign_out(self) -> None:
        """Signs out, and waits for the sign-in form."""
        self._one(".bar button").click()
        self._until(lambda: self._all("input[name=email]"))

    def user(self) -> str:
        """Gives the name in the bar."""
        return self._one(".bar-user").text

    def departments(self) -> list[str]:
        """Gives what the bar offers to narrow requests to."""
        return [option.text for option in Select(self._one(".bar select")).options]

    def narrow(self, department: str) -> None:
        """Narrows requests to the department of this name."""
        Select(self._one(".bar select")).select_by_visible_text(department)

    def open_example(self, title: str) -> None:
        """Opens an example of the examples' pane in a tab."""
        xpath = f"//section[@class='examples']//button[strong[text()='{title}']]"
        self.driver.find_element(By.XPATH, xpath).click()

    def write(self, query: str, variables: dict[str, Any] | None = None) -> None:
        """Puts an operation and its variables in place of what the editors hold."""
        self._paste(".graphiql-query-editor", "operation.graphql", query)
        self._paste(".graphiql-editor-tool", "variables.json", json.dumps(variables or {}))

    def query(self) -> str:
        """Gives the text of the query's editor."""
        return str(self.driver.execute_script(TEXT, "operation.graphql"))

    def start(self) -> None:
        """Presses the button that runs the operation."""
        if self.live():
            # While a subscription runs the same button only stops it.
            self.stop()
        self._one(".graphiql-execute-button").click()

    def stop(self) -> None:
        """Presses the button that stops the running subscription."""
        self._one(".graphiql-execute-button").click()
        self._until(lambda: not self.live())

    def run(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """Runs a query or mutation, and gives the response in the result pane."""
        self.write(query, variables)
        self.start()
        return self.result()

    def result(self) -> dict[str, Any]:
        """Waits for a response in the result pane, and gives it."""
        text = self._until(
            lambda: (
                not self._all(".graphiql-spinner")
                and self.driver.execute_script(TEXT, "response.json")
            )
        )
        answer: dict[str, Any] = json.loads(text)
        return answer

    def follow(self, query: str, variables: dict[str, Any] | None = None) -> None:
        """Starts a subscription, and waits until its panel is there."""
        self.write(query, variables)
        self.start()
        self._until(lambda: self._all(".stream"))

    def events(self) -> list[Any]:
        """Gives the events in the panel below the result: of each the root field; 200 at most."""
        # One script reads all lines at once, because a new event redraws the list.
        lines = self.driver.execute_script(
            "return [...document.querySelectorAll('.stream code')].map((line) => line.textContent)"
        )
        return [json.loads(line) for line in lines]

    def live(self) -> bool:
        """True while the subscription runs."""
        return bool(self._all(".stream-dot.live"))

    def wait_for(self, condition: Callable[[list[Any]], object], seconds: float = SECONDS) -> None:
        """Waits until the events meet the condition."""
        self._until(lambda: condition(self.events()), seconds)

    def faults(self) -> list[str]:
        """Gives what must not happen, since the last call.

        These are errors and warnings of the console, among them every breach of the content
        security policy, and requests to another address than the server's.
        """
        faults = [
            entry["message"]
            for entry in self.driver.get_log("browser")  # type: ignore[no-untyped-call] # Selenium's
            if entry["level"] in ("SEVERE", "WARNING")
        ]
        own = urlsplit(self.address).netloc
        for entry in self.driver.get_log("performance"):  # type: ignore[no-untyped-call] # as above
            message = json.loads(entry["message"])["message"]
            parameters = message["params"]
            if message["method"] == "Network.requestWillBeSent":
                url = urlsplit(parameters["request"]["url"])
            elif message["method"] == "Network.webSocketCreated":
                url = urlsplit(parameters["url"])
            else:
                continue
            # Chromium's own pages and what is inside a stylesheet go to no server.
            if url.scheme not in ("chrome", "data", "blob") and url.netloc != own:
                faults.append(f"request to {url.geturl()}")
        return faults

    def _submit(self, email: str, password: str) -> None:
        for name, value in (("email", email), ("password", password)):
            field = self._one(f"input[name={name}]")
            field.clear()
            field.send_keys(value)
        self._one(".sign-in button").click()

    def _paste(self, pane: str, model: str, text: str) -> None:
        self._one(f"{pane} .view-lines").click()
        self.driver.switch_to.active_element.send_keys(Keys.CONTROL + "a")
        self.driver.execute_script(PASTE, text)
        self._until(lambda: self.driver.execute_script(TEXT, model) == text)

    def _ready(self) -> bool:
        # The reload button spins while GraphiQL reads the schema.
        return bool(
            self._all(".graphiql-query-editor .view-lines")
            and not self._all(".graphiql-sidebar .graphiql-spin")
        )

    def _all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def _one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def _until(self, condition: Callable[[], Any], seconds: float = SECONDS) -> Any:
        return WebDriverWait(self.driver, seconds, poll_frequency=0.1).until(lambda _: condition())


@contextmanager
def graphiql(address: str, programs: tuple[str, str], profile: Path) -> Iterator[GraphiQL]:
    """Starts Chromium for the server at `address` with an empty `profile`, and ends it after.

    `programs` come from `chromium()`: with both paths given, Selenium looks for nothing online.
    """
    options = webdriver.ChromeOptions()
    options.binary_location, executable = programs
    for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(executable))
    try:
        yield GraphiQL(driver, address)
    finally:
        driver.quit()
