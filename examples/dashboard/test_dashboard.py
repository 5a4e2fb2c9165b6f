"""The dashboard in a headless Chromium: every click, and what happens when things go wrong. Run by scripts/check-dashboard.

SCREENSHOTS=directory also writes the pictures that README shows.
"""

import base64
import http.cookiejar
import os
import re
import subprocess
import unittest
import urllib.error
import urllib.parse
import urllib.request

import psycopg
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

URL = os.environ["DASHBOARD_URL"]
PASSWORD = os.environ["DASHBOARD_PASSWORD"]
DATA = os.environ["DATA"]
SUPERUSER = "dbname=sample"
CSP = "default-src 'none'"
HOSTILE = [
    '<b>bold</b> & "quotes" \'here\'',
    "<script>window.owned = 1</script>",
    '"><img src=x onerror=window.owned=1>',
    "{{ 7 * 7 }} %s ${x} '; DROP TABLE apikeys.key; --",
    "javascript:window.owned=1//",
    "\u05e9\u05dc\u05d5\u05dd \u0639\u0631\u0628\u064a (right to left)",
    "\u6f22" * 100,
    "W" * 100,
]


def sql(statement, *values):
    """As the superuser, to see what really happened."""
    with psycopg.connect(SUPERUSER, autocommit=True) as connection:
        return connection.execute(statement, values).fetchone()


def code_of(secret):
    return sql("SELECT code FROM apikeys.validate_key(%s, 'data')", secret)[0]


class Client:
    """A client without a browser: for requests that no page makes, and for what works without JavaScript."""

    def __init__(self, name=None):
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        if name:
            self.send("/sign-in", operator=name, password=PASSWORD)

    def request(self, path, fields=None):
        data = urllib.parse.urlencode(fields, True).encode() if fields is not None else None
        try:
            response = self.opener.open(URL + path, data, timeout=30)
        except urllib.error.HTTPError as error:
            response = error
        return response.status, response.read().decode(), response.headers

    def token(self):
        return re.search(r'name="csrf_token" value="([^"]+)"', self.request("/")[1])[1]

    def send(self, path, **fields):
        return self.request(path, {"csrf_token": self.token(), **fields})


class DashboardTest(unittest.TestCase):
    browsers = {}

    @classmethod
    def browser(cls, name="ann@example.com"):
        """A browser in which this operator is signed in."""
        if name not in cls.browsers:
            options = webdriver.ChromeOptions()
            for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                             "--disable-extensions", "--disable-background-networking", "--window-size=1100,760"):
                options.add_argument(argument)
            options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
            options.binary_location = "/usr/bin/chromium"
            driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
            cls.browsers[name] = driver
            driver.get(URL)
            driver.find_element(By.ID, "operator").send_keys(name)
            driver.find_element(By.ID, "password").send_keys(PASSWORD + Keys.ENTER)
            WebDriverWait(driver, 20).until(lambda d: d.find_elements(By.CLASS_NAME, "who"))
        return cls.browsers[name]

    @classmethod
    def tearDownClass(cls):
        for driver in cls.browsers.values():
            driver.quit()

    def setUp(self):
        self.d = self.browser()

    def tearDown(self):
        """No page had a script of somebody else's, or broke its own policy."""
        for driver in self.browsers.values():
            complaints = [entry["message"] for entry in driver.get_log("browser") if "Failed to load resource" not in entry["message"]]
            self.assertEqual(complaints, [])
            self.assertIsNone(driver.execute_script("return window.owned || null"))

    # -- small words

    def go(self, path):
        self.d.get(URL + path)

    def click(self, text, within="main"):
        """The link or button with this text; waits for the page that comes."""
        page = self.d.find_element(By.TAG_NAME, "html")
        found = [e for e in self.d.find_elements(By.CSS_SELECTOR, f"{within} a, {within} button")
                 if e.text.strip() == text or e.get_attribute("aria-label") == text]
        self.assertEqual(len(found), 1, f"one {text!r} in {self.text()[:600]}")
        self.d.execute_script("arguments[0].scrollIntoView({block: 'center'})", found[0])
        found[0].click()
        self.wait(lambda d: d.find_element(By.TAG_NAME, "html") != page and d.execute_script("return document.readyState") == "complete")

    def wait(self, what):
        return WebDriverWait(self.d, 120, poll_frequency=0.05).until(what)

    def text(self, selector="main"):
        return self.d.find_element(By.CSS_SELECTOR, selector).text

    def fill(self, **fields):
        for name, value in fields.items():
            element = self.d.find_element(By.ID, name)
            if element.tag_name == "select":
                Select(element).select_by_value(value)
            else:
                # not send_keys: it cannot type what is outside the first plane, and a date by parts only
                self.d.execute_script("arguments[0].value = arguments[1]", element, value)

    def open_all(self):
        self.d.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")

    def check(self, *apis):
        for box in self.d.find_elements(By.CSS_SELECTOR, "input[name=apis]"):
            if box.is_selected() != (box.get_attribute("value") in apis):
                box.click()

    def create(self, name, *apis, **fields):
        self.go("/keys/new")
        self.open_all()
        self.fill(name=name, **fields)
        self.check(*(apis or ("data",)))
        self.click("Create key")
        secrets = self.d.find_elements(By.ID, "secret")
        self.assertEqual(len(secrets), 1, self.text())
        return secrets[0].get_attribute("value")

    def errors(self):
        """The text beside each field, by the field; each is tied to its field for who cannot see it."""
        told = {}
        for element in self.d.find_elements(By.CSS_SELECTOR, ".error"):
            name = element.get_attribute("id")[: -len("-error")]
            field = self.d.find_element(By.ID, name)
            self.assertIn(f"{name}-error", field.get_attribute("aria-describedby"))
            self.assertEqual(field.get_attribute("aria-invalid"), "true")
            told[name] = element.text
        return told

    def names(self):
        return [e.text for e in self.d.find_elements(By.CSS_SELECTOR, "tbody th a")]

    # -- signing in

    def test_sign_in(self):
        nobody = Client()
        status, page, headers = nobody.request("/keys")
        self.assertIn('id="password"', page)
        self.assertTrue(headers["Content-Security-Policy"].startswith(CSP))
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
        for name in ("ann@example.com", "stranger@example.com"):
            status, page, _ = nobody.request("/sign-in", {"operator": name, "password": "guess", "csrf_token": token})
            self.assertEqual((status, "do not belong together" in page), (401, True))
        # leads to a page of ours or to the keys, never elsewhere
        for target, arrives in (("/audit", "/audit"), ("//evil.example/", "/keys"), ("/\\evil.example/", "/keys"), ("https://evil.example/", "/keys")):
            client = Client()
            page = client.request("/sign-in")[1]
            token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
            data = urllib.parse.urlencode({"operator": "ann@example.com", "password": PASSWORD, "csrf_token": token}).encode()
            response = client.opener.open(URL + "/sign-in?" + urllib.parse.urlencode({"next": target}), data)
            self.assertEqual(urllib.parse.urlparse(response.url).path, arrives)
            self.assertTrue(response.url.startswith(URL))
        cookie = next(iter(client.jar))
        self.assertTrue(cookie.has_nonstandard_attr("HttpOnly"))
        self.assertEqual(cookie.get_nonstandard_attr("SameSite"), "Strict")
        client.send("/sign-out")
        self.assertIn('id="password"', client.request("/keys")[1])

    def test_forged_requests(self):
        ann = Client("ann@example.com")
        before = sql("SELECT count(*) FROM apikeys.audit_logs")
        key_id = sql("SELECT apikeys.key_id('Mobile app')")[0]
        for path in ("/keys/new", f"/keys/{key_id}/edit", f"/keys/{key_id}/archive", f"/keys/{key_id}/disable", f"/keys/{key_id}/enable",
                     f"/keys/{key_id}/regenerate", f"/keys/{key_id}/end_overlap", "/audit/email", "/workspaces/new", "/workspaces/acme/edit",
                     "/workspaces/acme/members", "/workspaces/acme/members/remove", "/workspaces/acme/drop", "/check", "/sign-out"):
            for fields in ({"name": "forged"}, {"name": "forged", "csrf_token": "guess"}):
                self.assertEqual(ann.request(path, fields)[0], 400, path)
            self.assertEqual(ann.request(path)[0], 200 if path in ("/keys/new", "/workspaces/new", "/check") or path.split("/")[-1] in (
                "edit", "archive", "disable", "regenerate", "drop") else 405, path)  # and a GET changes nothing
        self.assertEqual(sql("SELECT count(*) FROM apikeys.audit_logs"), before)

    def test_what_pages_are_sent_with(self):
        ann = Client("ann@example.com")
        key_id = sql("SELECT apikeys.key_id('Mobile app')")[0]
        for path in ("/keys", "/keys/new", f"/keys/{key_id}", "/check", "/audit", "/audit/1", "/audit/verify", "/workspaces", "/workspaces/acme", "/none"):
            _, page, headers = ann.request(path)
            self.assertTrue(headers["Content-Security-Policy"].startswith(CSP))
            self.assertNotIn("unsafe", headers["Content-Security-Policy"])
            self.assertEqual(headers["Cache-Control"], "no-store")
            self.assertNotRegex(page, r"<style|<script(?! src=)|\bstyle=|\bon[a-z]+=")
        self.assertEqual(ann.request("/none")[0], 404)
        self.assertEqual(ann.request("/keys/01234567-89ab-cdef-0123-456789abcdef")[0], 404)

    # -- keys

    def test_create_and_see_the_secret_once(self):
        secret = self.create("Checkout", "data", "push", owner="customer 1", rate_limit="5", rate_window="01:00:00", quota="1000",
                             quota_period="day", allowed_cidrs="192.0.2.0/24\n2001:db8::1", metadata='{"a": ["<i>"]}',
                             expires_at="2035-01-02T03:04:05")
        self.assertRegex(secret, r"^ak_[0-9A-Za-z]{49}$")
        self.assertIn("only time", self.text())
        self.assertIn("Partial", self.text())
        self.d.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
        self.d.find_element(By.ID, "copy").click()
        self.wait(lambda d: d.find_element(By.ID, "copied").text == "Copied.")
        self.assertEqual(self.d.execute_async_script("navigator.clipboard.readText().then(arguments[0])"), secret)
        self.assertEqual(
            sql("""SELECT valid, code FROM apikeys.validate_key(%s, 'push', '192.0.2.9')""", secret), (True, "VALID"))
        if os.environ.get("SCREENSHOTS"):  # not the secret of a picture that is looked at for years
            self.d.execute_script("document.getElementById('secret').value = 'ak_' + '0'.repeat(43) + '2PL60u'; document.activeElement.blur()")
            self.picture("secret")
        self.d.refresh()  # does not create it again, and the secret is gone
        self.assertIn("Usage", self.text())
        self.assertNotIn(secret, self.d.page_source)
        shown = self.text("dl")
        for what in ("Partial data, push", "customer 1", "2035-01-02 03:04", "5 per hour", "of 1000 used; period: day",
                     "192.0.2.0/24, 2001:db8::1/128", '"<i>"', "by ann@example.com"):
            self.assertIn(what, shown)
        self.go("/keys?order=created_at+desc")
        self.assertEqual(self.names()[0], "Checkout")
        self.assertNotIn(secret, self.d.page_source)
        self.assertEqual(sql("SELECT count(*) FROM apikeys.active_keys WHERE name = 'Checkout'"), (1,))

    def test_actor(self):
        self.create("Whose")
        self.assertEqual(
            sql("SELECT actor, team, host(ip::inet), db_user FROM apikeys.audit_logs WHERE key_name = 'Whose'"),
            ("ann@example.com", "Platform", "127.0.0.1", "dashboard"))
        bob = Client("bob@example.com")
        self.assertIn('id="secret"', bob.send("/keys/new", name="Whose by Bob", apis="data", workspace="default")[1])  # no JavaScript
        self.assertEqual(sql("SELECT actor, team FROM apikeys.audit_logs WHERE key_name = 'Whose by Bob'"), ("bob@example.com", "Data"))

    def test_mistakes_stand_beside_their_field(self):
        def mistaken(field, message, **fields):
            self.go("/keys/new")
            self.open_all()
            self.check(*fields.pop("apis", ["data"]))
            self.fill(**{"name": "Mistaken", "owner": "keep me", **fields})
            self.click("Create key")
            told = self.errors()
            self.assertEqual(list(told), [field], self.text())
            self.assertRegex(told[field], message)
            self.assertEqual(self.d.find_element(By.ID, "owner").get_attribute("value"), "keep me")
            self.assertEqual(self.d.switch_to.active_element.get_attribute("id"), "problem")  # read out at once

        mistaken("name", "(?i)name", name="")
        mistaken("name", "too long", name="x" * 101)
        mistaken("name", "(?i)already", name="mobile APP")
        mistaken("apis", "(?i)api", apis=[])
        mistaken("allowed_cidrs", "300", allowed_cidrs="192.0.2.300")
        mistaken("quota", "whole number", quota="99999999999999999999")
        mistaken("metadata", "JSON", metadata="{")
        mistaken("expires_at", "(?i)past", expires_at="2001-01-01T00:00:00")
        self.assertEqual(sql("SELECT count(*) FROM apikeys.active_keys WHERE name = 'Mistaken'"), (0,))
        # the workspace's policy
        for i in range(5):
            self.create(f"One of five {i}", workspace="globex")
        self.go("/keys/new")
        self.fill(name="One of six", workspace="globex")
        self.check("data")
        self.click("Create key")
        self.assertRegex(self.text(".problem"), "(?i)globex|keys")
        # what no browser sends
        ann = Client("ann@example.com")
        for fields in ({"name": "nul \0 byte"}, {"apis": "no such api"}, {"rate_limit": "-1"}, {"rate_window": "soon", "rate_limit": "1"},
                       {"quota_period": "eon", "quota": "1"}, {"expires_at": "soon"}, {"metadata": '"\\u0000"'}, {"metadata": "NaN"}, {"metadata": "[" * 100000}):
            status, page, _ = ann.send("/keys/new", **{"name": "Mistaken", "apis": "data", "workspace": "default", **fields})
            self.assertIn(status, (404, 422), fields)
            self.assertIn('role="alert"', page)
        self.assertEqual(ann.send("/keys/new", name="Mistaken", apis="data", workspace="none")[0], 404)

    def test_edit(self):
        self.create("Before", "data", expires_at="2035-01-02T03:04:05", quota="7", allowed_cidrs="192.0.2.1",
                    rate_limit="3", metadata='{"x": 1.10, "y": 12345678901234567890.5}')
        sql("SELECT name FROM apikeys.update_key(apikeys.key_id('Before'), expires_at => '2035-01-02 03:04:05.678901Z', rate_window => '90 seconds')")
        self.click("I have copied it")
        before = sql("SELECT count(*) FROM apikeys.audit_logs")
        self.click("Edit")
        self.click("Save")  # nothing changed, nothing written: the form gives back what it was given
        self.assertEqual(sql("SELECT count(*) FROM apikeys.audit_logs"), before)
        self.click("Edit")
        self.fill(name="After", team="Other team")
        self.check("data", "segmentation", "push")
        self.click("Save")
        self.assertIn("Saved.", self.text())
        shown = self.text()
        for what in ("After", "Full", "Other team", "2035-01-02 03:04", "0 of 7 used", "192.0.2.1/32", "Changed"):
            self.assertIn(what, shown)
        self.click("Edit")
        self.fill(name="After", team="", expires_at="", quota="", metadata="", allowed_cidrs="")
        self.click("Save")
        self.assertEqual(sql("SELECT team, expires_at, quota, metadata, allowed_cidrs FROM apikeys.active_keys WHERE name = 'After'"),
                         (None, None, None, None, None))
        self.click("Edit")
        self.click("Cancel")
        self.assertIn("Details", self.text())

    def test_pause_and_resume(self):
        secret = self.create("Paused")
        self.click("I have copied it")
        self.click("Pause")
        self.fill(reason="<em>lunch</em>")
        self.click("Pause")
        self.assertIn("Paused.", self.text())
        self.assertIn("by ann@example.com: <em>lunch</em>", self.text(".note"))
        self.assertEqual(code_of(secret), "DISABLED")
        self.assertEqual(sql("SELECT changes ->> 'reason' FROM apikeys.audit_logs WHERE key_name = 'Paused' LIMIT 1"), ("<em>lunch</em>",))
        self.go("/keys?state=disabled")
        self.assertIn("Paused", self.names())
        self.click("Paused", ".scroll")
        self.click("Resume")
        self.assertEqual(code_of(secret), "VALID")

    def test_regenerate(self):
        first = self.create("Rotated")
        self.click("I have copied it")
        self.click("Regenerate")
        self.fill(overlap="7 days")
        self.click("Regenerate")
        second = self.d.find_element(By.ID, "secret").get_attribute("value")
        self.assertIn("The old secret stays valid until", self.text())
        self.assertEqual((code_of(first), code_of(second)), ("VALID", "VALID"))
        self.d.refresh()
        self.assertEqual(code_of(second), "VALID")  # a reload made no third one
        self.assertNotIn(second, self.d.page_source)
        self.click("Stop it now")
        self.assertEqual((code_of(first), code_of(second)), ("REGENERATED", "VALID"))
        self.click("Regenerate")
        self.fill(overlap="0")
        self.click("Regenerate")
        self.assertIn("The old secret has stopped.", self.text())
        self.assertEqual(code_of(second), "REGENERATED")

    def test_archive(self):
        secret = self.create("Finished")
        self.click("I have copied it")
        self.click("Archive")
        self.assertIn("cannot be undone", self.text())
        self.click("Cancel")
        self.assertEqual(code_of(secret), "VALID")
        self.click("Archive")
        stale = self.d.current_url
        self.click("Archive")
        self.assertEqual(code_of(secret), "ARCHIVED")
        self.assertEqual(self.d.find_elements(By.CSS_SELECTOR, ".actions"), [])
        self.click("API keys", "header")
        self.assertNotIn("Finished", self.names())
        self.click("Archived", ".tabs")
        self.assertIn("Finished", self.names())
        self.d.get(stale)  # a page that was open all the time
        self.click("Archive")
        self.assertIn("archived", self.text(".problem"))

    def test_list(self):
        for i in range(27):
            sql("SELECT name FROM apikeys.create_key(%s, '{data}')", f"Many {i:02}")
        self.go("/keys")
        self.fill(search="many")
        self.click("Show")
        self.assertEqual((len(self.names()), self.text("caption")), (25, "27 keys"))
        self.click("Next")
        self.assertEqual(len(self.names()), 2)
        self.click("Previous")
        self.click("Name", "thead")
        self.assertEqual(self.names()[:2], ["Many 00", "Many 01"])
        self.click("Name ▲", "thead")
        self.assertEqual(self.names()[0], "Many 26")
        self.go("/keys?workspace=acme&api=push")
        self.assertEqual(self.names(), ["Acme shop"])
        for query in ("state=x", "order=name%3B+DROP", "page=-1", "page=99999999999999999999", "api=none", "search=%27%22%25_", "page=x"):
            self.go("/keys?" + query)
            self.assertIn("API keys", self.text("h1"))
        with psycopg.connect(SUPERUSER, autocommit=True) as connection:
            connection.execute("SELECT apikeys.archive_key(key_id) FROM apikeys.active_keys WHERE name LIKE 'Many %'")

    def test_usage_chart(self):
        self.go(f"/keys/{sql('SELECT apikeys.key_id(%s)', 'Partner feed')[0]}")
        self.assertEqual(self.d.find_element(By.CSS_SELECTOR, "figure svg").get_attribute("role"), "img")
        self.assertGreater(len(self.d.find_elements(By.CSS_SELECTOR, "svg rect.valid")), 20)
        valid, = sql("""SELECT sum(valid) FROM apikeys.usage_history WHERE name = 'Partner feed' AND hour > now() - interval '24 hours'""")
        self.assertIn(f"{valid} valid", self.text("figcaption"))
        self.assertIn(f"{valid} valid", self.d.find_element(By.TAG_NAME, "desc").get_attribute("textContent"))
        self.click("7 days")
        self.assertGreater(len(self.d.find_elements(By.CSS_SELECTOR, "svg rect.valid")), 100)

    # -- audit logs

    def test_audit_logs(self):
        self.go("/audit")
        sql("SELECT count(*) FROM generate_series(1, 30) i, apikeys.update_key(apikeys.key_id('Acme shop'), owner => 'customer ' || i)")
        self.go("/audit")
        seen = []
        while True:
            seen += [row.text for row in self.d.find_elements(By.CSS_SELECTOR, ".log tbody tr")]
            if not self.d.find_elements(By.LINK_TEXT, "Older"):
                break
            self.click("Older")
        self.assertEqual(len(seen), sql("SELECT count(*) FROM apikeys.audit_logs")[0])
        self.click("Newest")
        self.fill(actor="bob@example.com", team="Data", action="Update", search="partner")
        self.click("Show")
        found = [row.text for row in self.d.find_elements(By.CSS_SELECTOR, ".log tbody tr")]
        self.assertEqual(len(found), 1)
        self.assertIn("Partner feed", found[0])
        today = sql("SELECT (now() AT TIME ZONE 'UTC')::date::text")[0]
        self.fill(since=today, until=today)
        self.click("Show")
        self.assertEqual(len(self.d.find_elements(By.CSS_SELECTOR, ".log tbody tr")), 1)
        self.fill(until="", since="", actor="", team="", action="", search="", workspace="acme")
        self.click("Show")
        self.assertEqual({row.text for row in self.d.find_elements(By.CSS_SELECTOR, ".log tbody td:nth-child(6) .sub")}, {"acme"})
        self.fill(until="2020-01-01", since="")
        self.click("Show")
        self.assertIn("no such entries", self.text())
        self.click("Clear")
        self.assertGreater(len(self.d.find_elements(By.CSS_SELECTOR, ".log tbody tr")), 5)
        ann = Client("ann@example.com")
        self.assertEqual(ann.request("/audit?since=yesterday")[0], 422)
        self.assertEqual(ann.request("/audit?key_id=x")[0], 422)
        self.assertEqual(ann.request("/audit?until=9999-12-31")[0], 422)
        self.assertEqual(ann.request("/audit?search=%00")[0], 422)
        self.assertEqual(ann.request("/audit?before=99999999999999999999")[0], 200)

    def test_download(self):
        self.go("/audit?actor=bob@example.com&search=partner")
        link = self.d.find_element(By.LINK_TEXT, "Download CSV").get_attribute("href")
        status, text, headers = Client("ann@example.com").request(link[len(URL):])
        self.assertEqual(headers["Content-Type"], "text/csv; charset=utf-8")
        self.assertIn("attachment", headers["Content-Disposition"])
        lines = text.split("\r\n")
        self.assertEqual(lines[0], "Time,Team,Entity,Activity,Action,Actor,IP")
        self.assertEqual((len(lines), "Partner feed" in lines[1]), (3, True))

    def test_email(self):
        self.go("/audit?actor=bob@example.com")
        self.fill(recipient="auditor@example.com")
        self.click("Email CSV")
        if "The report is queued." in self.text():
            self.assertIn("auditor@example.com", self.text("section"))
            self.assertEqual(self.d.find_element(By.ID, "actor").get_attribute("value"), "bob@example.com")
            self.assertEqual(sql("SELECT asked_by, filters ->> 'actors' FROM apikeys.reports"), ("ann@example.com", '["bob@example.com"]'))
            self.d.execute_script("document.querySelector('form.filters[method=post]').noValidate = true")
            self.fill(recipient="no address")
            self.click("Email CSV")
            self.assertIn("recipient", self.errors())
        else:  # built without libcurl
            self.assertIn("not installed", self.text(".problem"))

    # -- workspaces and teams

    def test_workspaces(self):
        self.go("/keys")
        self.click("Workspaces", "header")
        self.click("Create workspace")
        self.fill(workspace="bad id!", name="Initech")
        self.click("Create workspace")
        self.assertEqual(list(self.errors()), ["workspace"])
        self.fill(workspace="initech", prefix="ini", key_limit="3", max_lifetime="1 year", rate_limit="50", leak_action="archive")
        self.click("Create workspace")
        self.assertIn("Created.", self.text())
        self.click("initech")
        for what in ("Initech", "ini", "3", "1 year", "50 per minute", "archived"):
            self.assertIn(what, self.text("dl"))
        self.click("Edit")
        self.fill(name="Initech Inc", key_limit="", max_lifetime="", rate_limit="", default_lifetime="90 days")
        self.click("Save")
        self.assertEqual(
            sql("SELECT name, key_limit, max_lifetime, rate_limit, default_lifetime::text FROM apikeys.workspaces WHERE workspace = 'initech'"),
            ("Initech Inc", None, None, None, "90 days"))
        self.fill(actor="zoe@example.com", team="<u>Reports</u>")
        self.click("Add")
        self.assertIn("<u>Reports</u>", self.text("table"))
        self.click("Remove zoe@example.com")
        self.assertIn("Nobody yet", self.text())
        self.fill(actor="zoe@example.com", team="x" * 300)
        self.click("Add")
        self.assertEqual(list(self.errors()), ["team"])
        self.create("In the way", workspace="initech")
        self.go("/workspaces/initech")
        self.click("Delete")
        self.click("Delete")
        self.assertRegex(self.text(".problem"), "initech")
        sql("SELECT name FROM apikeys.archive_key(apikeys.key_id('In the way'))")
        self.click("Delete")
        self.assertIn("Deleted.", self.text())
        self.assertNotIn("initech", self.text("table"))

    def test_refused_requests_and_access(self):
        sql("SELECT count(*) FROM generate_series(1, 3), apikeys.validate_key('nobody''s', 'data', '198.51.100.9')")
        self.go("/workspaces")
        self.assertRegex(self.text("section[aria-labelledby=denied]"), "MALFORMED|NOT_FOUND")
        self.assertIn("198.51.100.9", self.text("section[aria-labelledby=denied]"))
        self.go("/workspaces/default")
        self.assertIn("INSUFFICIENT_PERMISSIONS segmentation", self.text("section[aria-labelledby=denied]"))
        self.assertIn("dashboard_admin admin all workspaces", self.text("section[aria-labelledby=access]"))
        self.assertNotIn("dashboard_acme_view", self.text())
        mia = Client("mia@example.com")
        for path in ("/workspaces", "/workspaces/acme"):
            status, page, _ = mia.request(path)
            self.assertEqual((status, "198.51.100.9" in page, "Who may do what" in page), (200, False, False))

    # -- hostile names

    def test_hostile_names(self):
        for name in HOSTILE:
            with self.subTest(name=name):
                self.create(name, team=name, owner=name)
                self.assertIn(name, self.text("h1"))
                self.click("I have copied it")
                self.assertIn(name, self.text("h1"))
                self.assertEqual(self.text("dl").count(name), 2)
                path = self.d.current_url[len(URL):]
                for page in ("/keys?order=created_at+desc", path, path + "/edit", path + "/archive", "/audit", "/audit/" + str(sql("SELECT max(audit_id) FROM apikeys.audit_logs")[0])):
                    self.go(page)
                    self.assertIn(name, self.text() if "/edit" not in page else self.d.find_element(By.ID, "name").get_attribute("value"))
                    # it does not push the page apart
                    self.assertLessEqual(*self.d.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]"), page)
                    self.assertIsNone(self.d.execute_script("return window.owned || null"))
                self.go("/keys?" + urllib.parse.urlencode({"search": name}))
                self.assertEqual(self.names(), [name])
                sql("SELECT name FROM apikeys.archive_key(apikeys.key_id(%s))", name)

    # -- operators

    def test_operator_without_rights(self):
        nobody = Client("nobody@example.com")
        for path in ("/keys", "/audit", "/audit/download", "/workspaces"):
            status, page, _ = nobody.request(path)
            self.assertEqual(status, 403)
            self.assertIn("You may not do that", page)
        eve = Client("eve@example.com")
        self.assertIn("Acme shop", eve.request("/keys")[1])
        self.assertNotIn("Mobile app", eve.request("/keys?search=Mobile")[1].split("<table")[-1])
        theirs, ours = sql("SELECT apikeys.key_id('Acme shop'), apikeys.key_id('Mobile app')")
        self.assertEqual(eve.request(f"/keys/{theirs}")[0], 200)
        self.assertEqual(eve.request(f"/keys/{ours}")[0], 404)  # not a hint that it is there
        before = sql("SELECT count(*) FROM apikeys.audit_logs")
        for what in ("archive", "disable", "regenerate", "edit", "enable", "end_overlap"):
            self.assertEqual(eve.request(f"/keys/{theirs}/{what}")[0], 403 if what in ("archive", "disable", "regenerate", "edit") else 405, what)
            self.assertEqual(eve.send(f"/keys/{theirs}/{what}", name="Eve's", apis="data")[0], 403, what)
        self.assertEqual(eve.send("/keys/new", name="Eve's", apis="data")[0], 403)
        self.assertEqual(eve.send("/workspaces/new", workspace="eve")[0], 403)
        self.assertEqual(eve.send("/audit/email", recipient="eve@example.com")[0], 403)
        self.assertEqual(eve.request("/audit")[0], 403)
        self.assertEqual(sql("SELECT count(*) FROM apikeys.audit_logs"), before)
        # whose right goes while the form is open: it stays with what was typed
        page = eve.send("/keys/new", name="Eve&s", apis="data")[1]
        self.assertIn("ermission denied", page)
        self.assertIn('value="Eve&amp;s"', page)

    def test_no_button_that_cannot_work(self):
        """Whatever page an operator comes to, no link leads to a refusal, and what is missing is explained."""
        def crawl(name):
            client, seen, waiting = Client(name), {}, ["/"]
            while waiting:
                path = waiting.pop(0)
                if path in seen or len(seen) > 200:
                    continue
                status, page, headers = client.request(path)
                seen[path] = (status, page)
                if headers["Content-Type"].startswith("text/html"):
                    main = page.split("<main", 1)[-1] if status < 400 else ""
                    links = re.findall(r'<a [^>]*href="(/[^"#]*|\?[^"#]*)"', page.split("<main", 1)[0] + main)
                    for link in links:
                        link = urllib.parse.urljoin(path, link.replace("&amp;", "&"))
                        if "order=" not in link and not link.startswith("/static"):
                            waiting.append(link)
            return seen

        for name, can, cannot in (
                ("ann@example.com", ["Create key", "Archive", "Create workspace", "Verify the log", "Add"], []),
                ("mia@example.com", ["Create key", "Archive", "Check a secret"], ["Create workspace", "Audit logs", "Add", "Delete"]),
                ("eve@example.com", ["Acme shop", "Workspaces"], ["Create key", "Archive", "Edit", "Pause", "Check a secret", "Audit logs", "Add", "Resume"]),
                ("nobody@example.com", ["Sign out"], ["API keys", "Create key", "Audit logs", "Workspaces"])):
            pages = crawl(name)
            refused = {path for path, (status, _) in pages.items() if status >= 400}
            self.assertEqual(refused, {"/"} if name == "nobody@example.com" else set(), name)
            # the tabs of states are no buttons
            text = "".join(re.sub(r'<nav class="tabs".*?</nav>|<title>.*?</title>|<h1>.*?</h1>', "", page, flags=re.S) for _, page in pages.values())
            for button in can:
                self.assertRegex(text, f">[^<]*{button}", name)
            for button in cannot:
                self.assertNotRegex(text, f">{button}<", name)
            self.assertEqual("and cannot change" in text, name in ("eve@example.com", "mia@example.com"), name)
            self.assertEqual("has no access to any workspace" in text, name == "nobody@example.com")
        mia = Client("mia@example.com")
        self.assertIn('id="secret"', mia.send("/keys/new", name="Mia's", apis="data")[1])
        self.assertEqual(sql("SELECT workspace FROM apikeys.active_keys WHERE name = 'Mia''s'"), ("acme",))

    def test_two_operators_at_once(self):
        self.create("Shared")
        self.click("I have copied it")
        path = self.d.current_url[len(URL):]
        self.click("Edit")
        self.fill(team="Ann's")
        ann, self.d = self.d, self.browser("bob@example.com")
        self.go(path + "/edit")
        self.fill(team="Bob's")
        self.click("Save")
        self.assertIn("Saved.", self.text())
        self.d = ann
        self.click("Save")
        self.assertRegex(self.text(".problem"), "(?i)changed")
        self.assertEqual(self.d.find_element(By.ID, "team").get_attribute("value"), "Ann's")  # nothing typed is lost
        self.click("Save")  # and saving again does not overwrite what was never seen
        self.assertRegex(self.text(".problem"), "(?i)changed")
        self.assertEqual(sql("SELECT team FROM apikeys.active_keys WHERE name = 'Shared'"), ("Bob's",))
        self.click("Load the key as it is now")
        self.assertEqual(self.d.find_element(By.ID, "team").get_attribute("value"), "Bob's")
        self.fill(team="Both")
        self.click("Save")
        self.assertEqual(sql("SELECT team FROM apikeys.active_keys WHERE name = 'Shared'"), ("Both",))

    # -- the database goes away

    def test_database_away_and_back(self):
        def control(*arguments):
            subprocess.run(["pg_ctl", "-s", "-w", "-D", DATA, *arguments], check=True, stdout=subprocess.DEVNULL)

        self.go("/keys/new")
        self.fill(name="Typed before")
        self.check("data", "push")
        control("-m", "fast", "stop")
        try:
            self.click("Create key")
            self.assertIn("cannot be reached", self.text(".problem"))
            self.assertEqual(self.d.find_element(By.ID, "name").get_attribute("value"), "Typed before")
            status, page, headers = Client("ann@example.com").request("/keys")
            self.assertEqual((status, headers["Retry-After"]), (503, "5"))
            self.assertNotIn("socket", page)  # nothing of the inside
        finally:
            control("-l", os.path.join(os.path.dirname(DATA), "server.log"), "start")
        self.click("Create key")  # the same form, the same session
        self.assertRegex(self.d.find_element(By.ID, "secret").get_attribute("value"), "^ak_")
        self.assertEqual(sql("SELECT apis FROM apikeys.active_keys WHERE name = 'Typed before'"), (["data", "push"],))

    # -- secrets and proofs

    def test_check_a_secret(self):
        secret = self.create("Checked", rate_limit="5", rate_window="01:00:00", quota="1000", quota_period="day", owner="customer <2>")
        for _ in range(3):
            self.assertEqual(code_of(secret), "VALID")

        def look(**fields):
            self.click("Check a secret", "header")
            self.fill(**fields)
            self.click("Check")
            self.assertNotIn(secret, self.d.page_source)
            return self.text()

        for _ in range(2):  # and looking charges nothing
            shown = look(key=secret, api="data")
            for what in ("gets 200 VALID", "Checked", "customer <2>", "2 of 5", "997 of 1\u202f000"):
                self.assertIn(what, shown)
        self.assertIn("gets 403 INSUFFICIENT_PERMISSIONS", look(key=secret, api="push"))
        self.assertIn("gets 401 MALFORMED", look(key=secret[:-1] + ("a" if secret[-1] != "a" else "b")))
        self.assertIn("none that you may see", look(key="ak_" + "0" * 43 + "2PL60u"))
        self.assertEqual(self.d.find_element(By.ID, "key").get_attribute("value"), "")
        # another tenant's operator learns nothing of it
        page = Client("mia@example.com").send("/check", key=secret)[1]
        self.assertIn("NOT_FOUND", page)
        self.assertNotIn("Checked", page)

    def test_proof(self):
        self.create("Proved")
        self.go("/audit?search=Proved")
        self.click('Created key "Proved"')
        for what in ("What changed", "apis", "ann@example.com", "Proved This entry is number"):
            self.assertIn(what, self.text())
        self.click("Audit logs", "header")
        self.click("Verify the log")
        self.assertIn("are as they were written", self.text(".done"))
        for row in self.d.find_elements(By.CSS_SELECTOR, "tbody tr"):
            self.assertIn("Verified", row.text)
        self.assertIn("/workspace/default", self.text("#checkpoints ~ pre:nth-of-type(3)"))
        # somebody gets past the triggers
        forged, = sql("SELECT max(audit_id) FROM apikeys.audit_logs WHERE key_name = 'Proved'")
        alter = f"SET session_replication_role = replica; UPDATE apikeys.audit_log SET actor = '%s' WHERE audit_id = {forged}"
        with psycopg.connect(SUPERUSER, autocommit=True) as connection:
            connection.execute(alter % "mallory")
            try:
                self.d.refresh()
                self.assertIn("is wrong", self.text(".problem"))
                self.click(str(forged))
                self.assertIn("mallory", self.text())
                self.assertNotIn("Proved This entry", self.text())
            finally:
                connection.execute(alter % "ann@example.com")
        self.d.refresh()
        self.assertIn("Proved This entry", self.text())
        ann = Client("ann@example.com")
        for path in ("/audit/0", "/audit/999999999", "/audit/99999999999999999999"):
            self.assertEqual(ann.request(path)[0], 404, path)

    # -- for everybody

    def test_keyboard(self):
        def press(*keys):
            for key in keys:
                self.d.switch_to.active_element.send_keys(key)

        self.go("/keys/new")
        press(Keys.TAB)
        self.assertEqual(self.d.switch_to.active_element.text, "Skip to the content")
        press(Keys.ENTER, Keys.TAB)
        self.assertEqual(self.d.switch_to.active_element.get_attribute("id"), "name")
        press("Typed by hand", Keys.TAB, Keys.SPACE)
        press(Keys.ENTER)
        self.wait(lambda d: d.find_elements(By.ID, "secret"))
        self.assertEqual(self.d.switch_to.active_element.get_attribute("id"), "secret")
        press(Keys.TAB, Keys.ENTER)
        self.wait(lambda d: d.find_element(By.ID, "copied").text)

    def test_screen_reader(self):
        key_id = sql("SELECT apikeys.key_id('Partner feed')")[0]
        with open(os.environ["AXE"], encoding="utf-8") as file:
            axe = file.read()
        for path in ("/keys", "/keys/new", f"/keys/{key_id}", f"/keys/{key_id}/edit", f"/keys/{key_id}/archive", "/check", "/audit",
                     "/audit/10", "/audit/verify", "/workspaces", "/workspaces/acme", "/workspaces/acme/edit", "/none"):
            self.go(path)
            self.d.execute_script(axe)
            found = self.d.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
            self.assertGreater(len(found["passes"]), 10)
            self.assertEqual([(v["id"], v["help"], [n["html"][:120] for n in v["nodes"]]) for v in found["violations"]], [], path)
            unnamed = self.d.execute_script("""
                return [...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a')]
                    .filter(e => !(e.labels && e.labels.length) && !e.getAttribute('aria-label') && !e.textContent.trim())
                    .map(e => e.outerHTML)""")
            self.assertEqual(unnamed, [], path)
            twice = self.d.execute_script("""
                const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
                return ids.filter((id, i) => ids.indexOf(id) != i)""")
            self.assertEqual(twice, [], path)
            self.assertEqual(len(self.d.find_elements(By.TAG_NAME, "h1")), 1)
            self.assertEqual(self.d.find_element(By.TAG_NAME, "html").get_attribute("lang"), "en")
            self.assertEqual(self.d.execute_script("return [...document.querySelectorAll('th:not([scope])')].length"), 0)

    def test_dark_mode_has_contrast(self):
        """The text on the page, and beside it, has the contrast that WCAG AA wants, in both colour schemes."""
        def luminance(colour):
            parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
            parts = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
            return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

        grounds = set()
        paused, = sql("SELECT apikeys.key_id('Load test')")
        for scheme in ("light", "dark"):
            self.d.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
            for path in ("/keys", "/keys?state=archived", "/keys/new", f"/keys/{paused}", "/check", "/audit", "/audit/verify", "/audit/10", "/workspaces/acme"):
                self.go(path)
                pairs = self.d.execute_script("""
                    const ground = e => {
                        for (; e; e = e.parentElement) {
                            const c = getComputedStyle(e).backgroundColor;
                            if (c != 'rgba(0, 0, 0, 0)') return c;
                        }
                    };
                    return [...document.querySelectorAll('h1, h2, p, a, button, td, th, dt, dd, label, strong, .tag, .hint, .sub, .who, input, caption, summary, .brand')]
                        .map(e => [getComputedStyle(e).color, ground(e), e.outerHTML.slice(0, 80)])""")
                for text, ground, what in pairs:
                    high, low = sorted((luminance(text), luminance(ground)), reverse=True)
                    self.assertGreaterEqual((high + 0.05) / (low + 0.05), 4.5, (scheme, text, ground, what))
                grounds.add(ground)
        self.d.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        self.assertGreater(len(grounds), 1)

    def test_a_picture_of_the_list(self):
        key = f"/keys/{sql('SELECT apikeys.key_id(%s)', 'Partner feed')[0]}"
        for path, name in (("/keys", "keys"), (key, "key"), ("/audit", "audit"), ("/audit/verify", "verify")):
            self.go(path)
            self.picture(name)
        self.d.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
        self.go(key)
        self.picture("dark")
        self.d.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        self.d.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 360, "height": 700, "deviceScaleFactor": 1, "mobile": True})
        for path in ("/keys", "/keys/new", key, "/check", "/audit", "/audit/10", "/audit/verify", "/workspaces", "/workspaces/acme"):  # a telephone
            self.go(path)
            self.assertLessEqual(self.d.execute_script("return document.documentElement.scrollWidth"), 360, path)
        self.d.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def picture(self, name):
        """A picture of the page from its top, as WebP, which is small."""
        if os.environ.get("SCREENSHOTS"):
            height = self.d.execute_script("return document.querySelector('main').getBoundingClientRect().bottom")
            self.d.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                   {"width": 1240, "height": min(int(height), 900), "deviceScaleFactor": 1, "mobile": False})
            data = self.d.execute_cdp_cmd("Page.captureScreenshot", {"format": "webp", "quality": 90})["data"]
            with open(os.path.join(os.environ["SCREENSHOTS"], f"dashboard-{name}.webp"), "wb") as file:
                file.write(base64.b64decode(data))
            self.d.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


if __name__ == "__main__":
    result = unittest.main(verbosity=2, exit=False).result
    bad = len({getattr(test, "test_case", test).id() for test, _ in result.failures + result.errors})  # a subtest is a part of its test
    print(f"{result.testsRun - bad} passed, {bad} failed")
    raise SystemExit(not result.wasSuccessful() or not result.testsRun)
