"""A browser driven over the WebDriver protocol (W3C), with nothing but the standard library."""
import base64
import http.client
import json
import shutil
import subprocess
import tempfile

from support.backends import closed_port
from support.wait import eventually

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's name for a reference to an element


class Browser:
    """Debian's chromium without a window. `close` ends it and its driver."""

    def __init__(self):
        self._port, self._profile = closed_port(), tempfile.mkdtemp()
        self._driver = subprocess.Popen(["chromedriver", "--port=%d" % self._port], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._session = None
        try:
            eventually(lambda: self._call("GET", "/status")["ready"], seconds=30)
            arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                         "--user-data-dir=" + self._profile, "--no-proxy-server", "--disable-background-networking"]
            options = {"binary": shutil.which("chromium"), "args": arguments}
            capabilities = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options,
                                                             "goog:loggingPrefs": {"browser": "ALL"}}}}
            self._session = "/session/" + self._call("POST", "/session", capabilities)["sessionId"]
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None,
                               {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(answer, dict) and answer.get("error"):
            raise AssertionError("%s %s: %s" % (method, path, answer["message"]))
        return answer

    def open(self, url):
        self._call("POST", self._session + "/url", {"url": url})

    def _element(self, selector):
        found = self._call("POST", self._session + "/element", {"using": "css selector", "value": selector})
        return "%s/element/%s" % (self._session, found[ELEMENT])

    def text(self, selector):
        return self._call("GET", self._element(selector) + "/text")

    def type(self, selector, text):
        self._call("POST", self._element(selector) + "/value", {"text": text})

    def click(self, selector):
        self._call("POST", self._element(selector) + "/click", {})

    def run(self, script):
        return self._call("POST", self._session + "/execute/sync", {"script": script, "args": []})

    def console(self):
        """What the page complained about."""
        return [entry["message"] for entry in self._call("POST", self._session + "/se/log", {"type": "browser"})]

    def screenshot(self, path):

        with open(path, "wb") as file:
            file.write(base64.b64decode(self._call("GET", self._session + "/screenshot")))

    def close(self):
        try:
            if self._session:
                self._call("DELETE", self._session)
        except (OSError, AssertionError):
            pass
        self._driver.terminate()
        self._driver.wait(20)
        shutil.rmtree(self._profile, ignore_errors=True)
