#!/usr/bin/env python3
"""The REST routes by curl and jq, as people use them: the published examples with another host,
every documented body, every way to send a key, errors, limits, HTTPS.
"""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
from harness import (PATIENCE, ROOT, Authority, Daemon, check, equal, loopback_config, main,
                     need_root, run, wait_for)
import real_servers

HTTP = '\n[http]\nlisten = ["127.0.0.1:0"]\n'
FISH = "fish.enigmabridge.com"
SITE = "127.0.0.21"  # an address of loopback where nobody else has port 443
MINE, THEIRS = "0123456789abcdef", "fedcba9876543210"
EXPIRATION_ROW = ["ip", "certificate_found", "certificate_sha256", "renewal_due", "expired",
                  "renewal_utc", "last_scan_utc"]

# As published. The key in the last line is the domain's `key` and no API key: a slip of the
# document, so the test puts in a real one, as anybody has to.
PUBLISHED = [
    "curl https://keychest.net/api/v1.0/access/claim/{email}",
    "curl -s https://keychest.net/api/v1.0/access/claim/{email} | jq -r '.api_key'",
    "curl -s -X POST -H \"Content-Type: application/json\" -d '{\"api_key\":"
    "\"5b9b6aceb95011e7bb9f7fca73a26228\", \"domain\":\"fish.enigmabridge.com\"}' "
    "https://keychest.net/api/v1.0/servers/add",
    "curl -s https://keychest.net/api/v1.0/servers/expiration/fish.enigmabridge.com"
    "?api_key=da70d5e4864f57e910e66bd21c685b26",
]


class Answer:
    """What curl brought: status, fields by lower-case name, the body and its JSON."""

    def __init__(self, head, body):
        lines = head.strip().split("\r\n\r\n")[-1].split("\r\n")
        self.status = int(lines[0].split()[1])
        self.fields = {name.lower(): value for name, value in
                       (line.split(": ", 1) for line in lines[1:] if ": " in line)}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body}"


class Site(Daemon):
    """A daemon with HTTP, and curl pointed at it."""

    def __init__(self, directory, authority=None, resolver=None, more=""):
        trusted = authority or Authority(directory / "ca")
        dns = f'resolvers = ["127.0.0.1:{resolver.port}"]\n' if resolver else ""
        super().__init__(directory, loopback_config(trusted, dns + HTTP + more))
        self.url = f"http://127.0.0.1:{self.port_of('http')}"

    def curl(self, path, *arguments):
        head = self.directory / "head"
        done = subprocess.run(["curl", "-sS", "-D", head, "--max-time", "60", *arguments,
                               self.url + path], capture_output=True, text=True,
                              timeout=PATIENCE * 3)
        check(done.returncode == 0, f"curl {path} {arguments}: {done.stderr}")
        return Answer(head.read_bytes().decode(), done.stdout)

    def post(self, path, *arguments, **fields):
        return self.curl(path, "-H", "Content-Type: application/json", "-d", json.dumps(fields),
                         *arguments)

    def added(self, name, key=MINE):
        answer = self.post("/api/v1.0/servers/add", api_key=key, domain=name)
        equal(answer.status, 200, f"add {name}: {answer}")
        return answer.json


@contextlib.contextmanager
def watched_site(directory, names, **issue):
    """nginx on SITE:443 with a certificate for the names, which point there and at [::1]."""
    authority = Authority(directory / "ca")
    certificate = authority.issue(list(names), **issue)
    hosts = [(name, address) for name in names for address in (SITE, "::1")]
    web = directory / "nginx"
    web.mkdir()
    with real_servers.nginx(web, certificate, (SITE,), 443), \
            real_servers.dnsmasq(hosts) as resolver, Site(directory, authority, resolver) as site:
        yield site, certificate


def published_script(directory):
    """The curl lines of the published document, host and e-mail put in."""
    seed = next(pathlib.Path(ROOT.parent / "shared/seeds").glob("000_*"), None)
    if seed:
        lines = [line for line in seed.read_text().splitlines() if line.startswith("curl ")]
        equal([re.sub(r"\[email.protected\]", "{email}", line) for line in lines], PUBLISHED,
              "the lines of the document")
    with watched_site(directory, [FISH], days=10, age_days=80) as (site, certificate):
        def shell(line, key=""):
            for published, ours in (("5b9b6aceb95011e7bb9f7fca73a26228", key),
                                    ("da70d5e4864f57e910e66bd21c685b26", key),
                                    ("https://keychest.net", site.url),
                                    ("{email}", "a@example.org")):
                line = line.replace(published, ours)
            return run("bash", "-o", "pipefail", "-c", line)

        claimed = json.loads(shell(PUBLISHED[0]))
        equal(list(claimed), ["status", "user", "api_key"], "members of a claim")
        equal((claimed["status"], claimed["user"]), ("created", "a@example.org"), "the claim")
        key = shell(PUBLISHED[1]).strip()
        check(len(key) == 32 and key != claimed["api_key"], f"another key each time: {key}")
        added = json.loads(shell(PUBLISHED[2], key))
        equal(list(added), ["status", "id", "key", "domain"], "members of an add")
        equal((added["status"], added["key"], added["domain"]),
              ("success", "da70d5e4864f57e910e66bd21c685b26", FISH), "the add")
        again = json.loads(shell(PUBLISHED[2], key))
        equal(again, added, "asking twice changes nothing")

        def scanned():
            got = json.loads(shell(PUBLISHED[3], key))
            return got if len(got["results"]) == 2 else None
        got = wait_for(scanned, "the first scan")
        equal(list(got), ["domain", "certificate_found", "renewal_due", "expired_found", "results",
                          "status"], "members of an expiration")
        results = {row["ip"]: row for row in got.pop("results")}
        equal(got, {"domain": FISH, "certificate_found": True, "renewal_due": True,
                    "expired_found": False, "status": "success"}, "the summary")
        for row in results.values():
            equal(list(row), EXPIRATION_ROW, "members of an address")
            check(isinstance(row.pop("last_scan_utc"), int), f"a time in seconds: {row}")
        equal(results["::1"], {"ip": "::1", "certificate_found": False, "certificate_sha256": None,
                               "renewal_due": None, "expired": None, "renewal_utc": None},
              "an address without a certificate")
        equal(results[SITE], {"ip": SITE, "certificate_found": True,
                              "certificate_sha256": certificate.sha256, "renewal_due": True,
                              "expired": False, "renewal_utc": certificate.not_after},
              "an address with one")
        jq = f" | jq -r '.results[] | select(.ip==\"{SITE}\") | .renewal_due'"
        equal(shell(PUBLISHED[3] + jq, key).strip(), "true", "as a script reads it")


def claims(directory):
    with Site(directory) as site:
        path = "/api/v1.0/access/claim"
        key = "5b9b6aceb95011e7bb9f7fca73a26228"
        claim = lambda **fields: site.post(path, **fields)
        equal(claim(email="a@example.org", api_key=key).body,
              f'{{"status":"created","user":"a@example.org","api_key":"{key}"}}', "created")
        equal(claim(email="a@example.org", api_key=key).body, '{"status":"success"}', "again")
        taken = claim(email="b@example.org", api_key=key)
        equal((taken.status, taken.body), (503, '{"status":"error"}'), "another's key")
        for fields in ({"email": "nobody", "api_key": key}, {"email": "c@example.org"},
                       {"email": "c@example.org", "api_key": "short"}, {}):
            wrong = claim(**fields)
            equal((wrong.status, list(wrong.json)), (422, ["message", "errors"]),
                  f"{fields}: {wrong}")
            equal(wrong.json["message"], "The given data was invalid.", "its message")
        equal(site.curl("/api/v1.0/user?api_key=" + key).body, '{"user":"a@example.org"}',
              "the user")


def every_way_to_send(directory):
    with Site(directory) as site:
        add = "/api/v1.0/servers/add"
        ways = [
            ("json", [add, "-H", "Content-Type: application/json", "-d",
                      f'{{"api_key":"{MINE}","domain":"json.example.org"}}']),
            ("form", [add, "-d", f"api_key={MINE}", "-d", "domain=form.example.org"]),
            ("query", [f"{add}?api_key={MINE}&domain=query.example.org", "-X", "POST"]),
            ("bearer", [add, "-H", f"Authorization: Bearer {MINE}", "-d",
                        "domain=bearer.example.org"]),
            ("basic", [add, "-u", f"anybody:{MINE}", "-d", "domain=basic.example.org"]),
            ("chunked", [add, "-H", "Transfer-Encoding: chunked", "-u", f":{MINE}", "-d",
                         "domain=chunked.example.org"]),
            ("expect", [add, "-H", "Expect: 100-continue", "-u", f":{MINE}", "-d",
                        "domain=expect.example.org"]),
            ("http1.0", [add, "--http1.0", "-u", f":{MINE}", "-d", "domain=http1.0.example.org"]),
        ]
        for name, arguments in ways:
            answer = site.curl(*arguments)
            equal((answer.status, answer.json["domain"]), (200, f"{name}.example.org"),
                  f"{name}: {answer}")
        listed = site.curl("/api/v1.0/servers", "-u", f":{MINE}")
        equal(listed.json["domains"], sorted(f"{name}.example.org" for name, _ in ways),
              "all of them")


def errors(directory):
    with Site(directory) as site:
        site.added("mine.example.org")
        site.added("theirs.example.org", THEIRS)
        expiration = "/api/v1.0/servers/expiration/"
        unknown = '{"error":"Unauthenticated."}'
        for path in ("mine.example.org", "mine.example.org?api_key=unknown-but-long-enough",
                     "mine.example.org?api_key=short"):
            got = site.curl(expiration + path)
            equal((got.status, got.body), (401, unknown), path)
        for name in ("theirs.example.org", "nobody.example.org"):
            got = site.curl(f"{expiration}{name}?api_key={MINE}")
            equal((got.status, got.body), (404, f'{{"domain":"{name}","status":"not-registered"}}'),
                  f"{name}: a foreign name and an unknown one look alike")
        got = site.curl(f"{expiration}-bad-?api_key={MINE}&request_id=r1")
        equal((got.status, list(got.json.items())),
              (422, [("domain", "-bad-"), ("request_id", "r1"), ("status", "invalid-domain")]),
              "a bad name")
        got = site.post("/api/v1.0/servers/add", api_key=MINE, domain="-bad-.example.org")
        equal((got.status, got.json["status"]), (406, "invalid-domain"), "a bad name")
        add = ["/api/v1.0/servers/add", "-H", "Content-Type: application/json", "-d"]
        equal(site.curl(*add, '{"api_key":').status, 400, "no JSON")
        equal(site.curl(*add, '{"domain":"a.example.org"}').status, 401, "no key")
        equal(site.curl(*add, '["domain"]', "-u", f":{MINE}").status, 422, "no object")
        equal(site.curl(*add, '{"domain":"a.b","domain":"c.d"}', "-u", f":{MINE}").status, 422,
              "a name twice")
        large = site.directory / "large"
        large.write_text('{"domain":"' + "a" * 100_000 + '"}')
        got = site.curl(*add, f"@{large}")
        equal((got.status, got.fields["content-type"], got.fields["connection"]),
              (413, "application/problem+json", "close"), "100 kB")
        got = site.curl("/api/v1.0/servers/add", "-X", "GET")
        equal((got.status, "POST" in got.fields["allow"]), (405, True),
              f"a wrong method: {got.fields}")
        equal(site.curl("/api/ping", "-X", "FROB").status, 501, "no method at all")
        got = site.curl("/api/v1.0/nothing")
        equal((got.status, list(got.json), got.json["error"]),
              (404, ["error", "html_docs"], "endpoint not found"), "an unknown route")
        got = site.curl("/elsewhere")
        equal((got.status, got.json["status"]), (404, 404), "elsewhere: a problem document")
        got = site.curl("/api/ping", "-I", "-o", "/dev/null")
        equal((got.status, got.fields["content-length"]), (200, "20"), "HEAD")
        check(MINE not in site.log() and THEIRS not in site.log(), "the log gives no key away")


def expiration_in_detail(directory):
    with watched_site(directory, [FISH]) as (site, certificate):
        site.added(FISH)
        path = f"/api/v1.0/servers/expiration/{FISH}"
        key = ("-H", f"Authorization: Bearer {MINE}")
        first = site.curl(f"{path}?wait=30", *key)
        equal(len(first.json["results"]), 2, f"wait is for the scan: {first}")
        one = site.curl(f"{path}?ip={SITE}&request_id=r-1", *key).json
        equal(list(one), ["domain", "ip", "request_id", "certificate_found", "renewal_due",
                          "expired_found", "results", "status"], "members with ip and request_id")
        equal((one["ip"], one["request_id"], [row["ip"] for row in one["results"]],
               one["results"][0]["certificate_sha256"], one["renewal_due"]),
              (SITE, "r-1", [SITE], certificate.sha256, False), "one address")
        other = site.curl(f"{path}?ip=192.0.2.77", *key)
        equal((other.status, other.json["results"]), (200, []), "an address that it doesn't have")
        equal(site.curl(f"{path}?request_id=" + "x" * 65, *key).status, 422, "a long request_id")
        rows = site.curl(f"/api/v1.0/servers/addresses/{FISH}", *key).json["addresses"]
        equal({row["ip"]: row["problem"] for row in rows}, {SITE: "none", "::1": "refused"},
              "problems")
        scan = site.post("/api/v1.0/servers/scan", *key, domain=FISH)
        check(scan.status in (200, 429), f"a scan, unless there was one just now: {scan}")
        equal(site.curl(f"/api/v1.0/servers/{FISH}", "-X", "DELETE", *key).status, 200, "removed")
        equal(site.curl(path, *key).status, 404, "and gone")


def certificate_added(directory):
    """A certificate's names are watched, and it is expected there."""
    names = ["one.demo.test", "two.demo.test"]
    with watched_site(directory, names) as (site, certificate):
        pem = certificate.chain.read_text()
        add = lambda text: site.post("/api/v1.0/certificate/add", api_key=MINE, certificate=text)
        got = add(pem)
        equal((got.status, list(got.json)), (200, ["status", "id", "key"]), f"added: {got}")
        equal(site.curl("/api/v1.0/servers", "-u", f":{MINE}").json["domains"], names, "its names")
        for name in names:
            def scanned():
                reply = site.request(f"command expiration domain {name} apikey {MINE}")
                return reply.pairs["problem"] != "pending"
            wait_for(scanned, f"the first scan of {name}")
            reply = site.request(f"command expiration domain {name} apikey {MINE} ip {SITE}")
            equal((reply.pairs.get("certificate_sha256"), reply.pairs.get("problem")),
                  (certificate.sha256, "none"), f"{name}: {reply}")
        later = Authority(directory / "later").issue(names)
        equal(add(later.chain.read_text()).status, 200, "its successor, not yet served")
        reply = site.request(f"command expiration domain {names[0]} apikey {MINE}")
        equal(reply.pairs["problem"], "old_certificate_served", f"it is awaited: {reply}")
        equal(add(pem + pem).body, '{"status":"single-cert-expected"}', "two certificates")
        equal(add("no certificate").status in (406, 422), True, "none")


def rate_limits(directory):
    more = "\n[limits]\nexempt_loopback = false\nkey_per_minute = 2\nkey_burst = 2\n"
    with Site(directory, more=more) as site:
        site.added("a.example.org")
        path = f"/api/v1.0/servers/expiration/a.example.org?api_key={MINE}"
        equal(site.curl(path).status, 200, "the second request of the minute")
        got = site.curl(path)
        equal((got.status, got.body), (429, '{"message":"Too Many Attempts."}'), "the third")
        limit = {name[12:]: got.fields[name] for name in got.fields if name.startswith("x-rate")}
        equal((limit["limit"], limit["remaining"]), ("2", "0"), "limits")
        check(0 < int(got.fields["retry-after"]) <= 60, f"when to come back: {got.fields}")
        check(int(limit["reset"]) > 1_700_000_000, f"the same, absolute: {got.fields}")


def description(directory):
    """What is served is the document, and its paths are there."""
    with Site(directory) as site:
        got = site.curl("/api/openapi.json")
        equal((got.status, got.json["openapi"].startswith("3.1")), (200, True), "OpenAPI 3.1")
        for path, methods in got.json["paths"].items():
            for method in methods:
                answer = site.curl(path.replace("{", "").replace("}", ""), "-X", method.upper())
                check(answer.status not in (405, 501) and "endpoint not found" not in answer.body,
                      f"{method} {path} is there: {answer}")


def https(directory):
    authority = Authority(directory / "ca")
    own = authority.issue(["127.0.0.1"])
    tls = f'\n[tls]\ncertificate = "{own.chain}"\nkey = "{own.key}"\n'
    with Site(directory, authority, more=tls) as site:
        site.url = f"https://127.0.0.1:{site.port_of('https')}"
        trust = ("--cacert", authority.certificate)
        for version in ("--tlsv1.3", "--tls-max=1.2"):
            got = site.curl("/api/ping", *trust, *version.split("="))
            equal((got.status, got.body), (200, '{"status":"success"}'), version)
        got = site.curl("/api/v1.0/servers/add", *trust, "-u", f":{MINE}", "-d",
                        "domain=a.example.org")
        equal(got.status, 200, f"a write: {got}")


if __name__ == "__main__":
    need_root()  # port 443, as the published names have no other
    os.environ["LC_ALL"] = "C.UTF-8"
    main(published_script, claims, every_way_to_send, errors, expiration_in_detail,
         certificate_added, rate_limits, description, https)
