#!/usr/bin/env python3
"""Accounts end to end: addresses confirmed by mail, takeovers refused and written down, `certlined
admin` on a running daemon and on its store, and a deleted account that leaves nothing in any table.
"""

import json
import os
import re
import subprocess

import harness
from harness import CERTLINED, Daemon, check, equal, main, run, wait_for
from mailbox import Mailbox

KEY, OTHER, THIRD = "owner-key-00000001", "mallory-key-000002", "further-key-000003"
OWNER = "owner@example.org"


def config(directory, mailbox=None):
    text = f'[line]\nsocket = "{directory}/line.sock"\n'
    if mailbox:
        text += ('[accounts]\nverification = "email"\n[http]\n'
                 'public_url = "https://watch.example.net"\n' + mailbox.config)
    return text


def ok(reply):
    check(reply.ok, f"wanted success, got {reply}")
    return reply


def refused(reply, code):
    equal(reply.code, code, f"the code of {reply}")
    return reply


def admin(daemon, *arguments, status=0):
    """What `certlined admin …` prints; on standard error where it should fail."""
    done = subprocess.run([CERTLINED, "admin", "--config", daemon.config_file, *arguments],
                          capture_output=True, text=True, timeout=harness.PATIENCE, check=False)
    equal(done.returncode, status, f"exit status of {arguments}, which said {done.stderr!r}")
    if status == 0:
        equal(done.stderr, "", f"standard error of {arguments}")
        return done.stdout
    equal(done.stdout, "", f"standard output of {arguments}")
    check(done.stderr.count("\n") == 1 or status == 2, f"more than one line: {done.stderr!r}")
    return done.stderr


def json_lines(text):
    """Each line as a value; jq reads them as well."""
    subprocess.run(["jq", "-e", "."], input=text, text=True, stdout=subprocess.DEVNULL, check=True)
    return [json.loads(line) for line in text.splitlines()]


def tag_of(daemon, account, state):
    rows = json_lines(admin(daemon, "keys", account, "--json"))
    return next(row["key"] for row in rows if row["state"] == state)


def confirmation(directory):
    """The mail says who claimed what and how to confirm, in both forms; its token works once."""
    with Mailbox() as mailbox, Daemon(directory, config(directory, mailbox)) as daemon:
        ok(daemon.request(f"command claim email {OWNER} apikey {KEY}"))
        mail = mailbox.next(OWNER)
        equal(mail.sender, "certline@example.net", "the sender")
        equal(mail.message["To"], OWNER, "To:")
        check(mail.message["Message-ID"], "a mail without Message-ID")
        check("127.0.0.1" in mail.text and OWNER in mail.text, mail.text)
        tokens = mail.tokens()
        for purpose, token in tokens.items():
            check(f"https://watch.example.net/{purpose}/{token}\n" in mail.text, mail.text)
            check(f"command confirm token {token}\n" in mail.text, mail.text)

        accounts = json_lines(admin(daemon, "accounts", "--json"))
        equal([(a["email"], a["claimed_email"], a["state"]) for a in accounts],
              [("", OWNER, "unverified")], "accounts before the confirmation")
        ok(daemon.request(f"command confirm token {tokens['confirm']}"))
        refused(daemon.request(f"command confirm token {tokens['confirm']}"), 404)
        accounts = json_lines(admin(daemon, "accounts", "--json"))
        equal([(a["email"], a["state"]) for a in accounts], [(OWNER, "verified")], "accounts after")
        # Nothing that is kept opens anything: a backup has no page that is in use no more.
        wait_for(lambda: tables(daemon)["deliveries"] == "DATA=END\n", "an empty queue")
        run(CERTLINED, "backup", "--config", daemon.config_file, directory / "copy")
        data = (directory / "copy" / "data.mdb").read_bytes()
        check(OWNER.encode() in data, "the backup lacks the account")
        for secret in (KEY, *tokens.values()):
            check(secret.encode() not in data, f"the backup has {secret} in clear")
        mailbox.check_empty()


def takeover(directory):
    """Who claims a confirmed address, or another's key, gets nothing, and is in the audit."""
    with Mailbox() as mailbox, Daemon(directory, config(directory, mailbox)) as daemon:
        ok(daemon.request(f"command claim email {OWNER} apikey {KEY}"))
        first = mailbox.next(OWNER).tokens()
        ok(daemon.request(f"command confirm token {first['confirm']}"))
        ok(daemon.request(f"command add domain secret.example.org:8443 apikey {KEY}"))

        stranger = ok(daemon.request(f"command claim email {OWNER} apikey {OTHER}"))
        newcomer = ok(daemon.request(f"command claim email new@example.org apikey {THIRD}"))
        equal(stranger.lines, newcomer.lines, "what a claim says of a known and an unknown address")
        equal(ok(daemon.request(f"command domains apikey {OTHER}")).data, None, "names seen")
        refused(daemon.request(f"command claim email mallory@example.org apikey {KEY}"), 409)
        refused(daemon.request("command confirm token "
                               "0123456789abcdef.0123456789abcdef0123456789abcdef"), 404)
        # Another mail's token for this address does nothing to the owner's names.
        tokens = mailbox.next(OWNER).tokens()
        equal(sorted(tokens), ["block-keys", "confirm", "revoke"], "what the second mail offers")
        ok(daemon.request(f"command confirm token {tokens['revoke']}"))
        refused(daemon.request(f"command domains apikey {OTHER}"), 401)
        refused(daemon.request(f"command confirm token {tokens['confirm']}"), 404)
        equal(ok(daemon.request(f"command domains apikey {KEY}")).data, "secret.example.org:8443",
              "the owner's names")

        rows = json_lines(admin(daemon, "audit"))
        actions = [row["action"] for row in rows]
        equal(actions, ["new-account", "new-key", "claim", "confirm",
                        "new-account", "new-key", "claim",
                        "new-account", "new-key", "claim",
                        "refused-claim", "refused-token", "revoke", "refused-token"], "the audit")
        check(all(row["source"] == "127.0.0.1" for row in rows), "rows without their source")
        equal([row["id"] for row in rows], list(range(1, len(rows) + 1)), "the rows' numbers")
        later = json_lines(admin(daemon, "audit", "--after", "10"))
        equal(later, rows[10:], "the audit from a row on")
        refusal = rows[10]
        equal((refusal["subject"], refusal["account"]), ("mallory@example.org", 1), "a refusal")
        check(refusal["actor"].startswith("key ") and refusal["detail"], f"{refusal}")


def administration(directory):
    """Changes over the socket; what was there before and after by the lists."""
    with Daemon(directory, config(directory)) as daemon:
        equal(admin(daemon, "accounts").split(),
              "account email state names keys quota created".split(), "the list without accounts")
        ok(daemon.request(f"command claim email {OWNER} apikey {KEY}"))
        ok(daemon.request(f"command claim email {OWNER} apikey {OTHER}"))
        ok(daemon.request(f"command add domain a.example.org:8443 apikey {KEY}"))
        ok(daemon.request(f"command add domain b.example.org:8443 apikey {THIRD}"))
        table = admin(daemon, "accounts")
        check(re.search(rf"^1 +{OWNER} +unverified +1 +2 +1000 +20\d\d-", table, re.M), table)
        check(re.search(r"^2 +- +unverified +1 +1 ", table, re.M), table)
        equal(len(admin(daemon, "keys", OWNER).splitlines()), 3, "lines of the list of keys")

        equal(admin(daemon, "verify", OWNER),
              "verified, with 2 keys that were not confirmed\n", "verify")
        admin(daemon, "quota", "1", "1")
        refused(daemon.request(f"command add domain c.example.org:8443 apikey {KEY}"), 429)
        admin(daemon, "quota", OWNER, "0")
        ok(daemon.request(f"command add domain c.example.org:8443 apikey {KEY}"))
        admin(daemon, "block", "1")
        refused(daemon.request(f"command domains apikey {KEY}"), 401)
        admin(daemon, "unblock", "1")
        ok(daemon.request(f"command domains apikey {KEY}"))
        admin(daemon, "revoke", tag_of(daemon, "2", "unconfirmed"))
        refused(daemon.request(f"command domains apikey {THIRD}"), 401)

        check("--yes" in admin(daemon, "delete", "2", status=2), "delete without --yes")
        equal(admin(daemon, "delete", "2", "--yes"), "deleted with 1 keys\n", "delete")
        check("404 no such account" in admin(daemon, "delete", "2", "--yes", status=1), "again")
        check("no such account" in admin(daemon, "keys", "2", status=1), "its keys")
        admin(daemon, "block", "nobody", status=2)
        admin(daemon, "revoke", "abc", status=2)
        equal(json_lines(admin(daemon, "audit"))[-1]["actor"], f"uid {os.getuid()}",
              "who deleted it")


def export(directory):
    """Everything known of an account, a line each, and nothing of another's."""
    with Mailbox() as mailbox, Daemon(directory, config(directory, mailbox)) as daemon:
        ok(daemon.request(f"command claim email {OWNER} apikey {KEY}"))
        ok(daemon.request(f"command confirm token {mailbox.next(OWNER).tokens()['confirm']}"))
        ok(daemon.request(f"command claim email other@example.org apikey {OTHER}"))
        for name in ("a.example.org:8443", "b.example.org:25"):
            ok(daemon.request(f"command add domain {name} apikey {KEY}"))
        ok(daemon.request(f"command add domain c.example.org:8443 apikey {OTHER}"))
        rows = json_lines(admin(daemon, "export", OWNER))
        kinds = [row["record"] for row in rows]
        for kind, count in (("account", 1), ("key", 1), ("name", 2), ("token", 2), ("audit", 4)):
            equal(kinds.count(kind), count, f"how many lines of kind {kind}")
        names = {row["name"]: row for row in rows if row["record"] == "name"}
        equal(names["b.example.org:25"]["starttls"], "smtp", "how TLS begins there")
        text = json.dumps(rows)
        check("other@example.org" not in text and "c.example.org" not in text, text)
        check(KEY not in text, "the export has a key")


def without_daemon(directory):
    """Reading needs no daemon; changing says in one line what is missing."""
    with Daemon(directory, config(directory)) as daemon:
        ok(daemon.request(f"command claim email {OWNER} apikey {KEY}"))
        daemon.stop()
        check(OWNER in admin(daemon, "accounts"), "the list of accounts")
        equal(len(json_lines(admin(daemon, "export", "1"))), 5, "lines of the export")
        said = admin(daemon, "block", "1", status=1)
        check(f"{directory}/line.sock" in said and "is it running" in said, said)
        said = admin(daemon, "--socket", f"{directory}/elsewhere", "block", "1", status=1)
        check("elsewhere" in said, said)
        daemon.write_config("")
        check("line.socket is empty" in admin(daemon, "block", "1", status=1), "without a socket")


def tables(daemon):
    """Every row of every table, but for the counters and the audit."""
    path = str(daemon.store)
    names = run("mdb_dump", "-l", path).split()
    return {name: run("mdb_dump", "-s", name, path).split("HEADER=END\n")[1]
            for name in names if name not in ("meta", "audit")}


def delete_leaves_nothing(directory):
    """The tables of the store are, byte by byte, what they were before the account came."""
    with Mailbox() as mailbox, Daemon(directory, config(directory, mailbox)) as daemon:
        def sent(recipient):
            tokens = mailbox.next(recipient).tokens()
            wait_for(lambda: tables(daemon)["deliveries"] == "DATA=END\n", "an empty queue")
            return tokens

        ok(daemon.request(f"command claim email other@example.org apikey {OTHER}"))
        sent("other@example.org")
        before = tables(daemon)
        ok(daemon.request(f"command claim email {OWNER} apikey {KEY}"))
        tokens = sent(OWNER)
        ok(daemon.request(f"command confirm token {tokens['confirm']}"))
        ok(daemon.request(f"command claim email {OWNER} apikey {THIRD}"))
        tokens = sent(OWNER)
        ok(daemon.request(f"command confirm token {tokens['confirm']}"))
        for n in range(30):
            ok(daemon.request(f"command add domain n{n}.example.org:8443 apikey {KEY}"))
        ok(daemon.request(f"command notify digest daily apikey {KEY}"))
        # A scan under way writes what it saw; it finds its endpoint gone.
        during = tables(daemon)
        check(during != before and during["watches"], "an account that left no rows")
        equal(admin(daemon, "delete", OWNER, "--yes"), "deleted with 2 keys\n", "delete")
        wait_for(lambda: tables(daemon) == before, "the tables to be as before")


if __name__ == "__main__":
    main(confirmation, takeover, administration, export, without_daemon, delete_leaves_nothing)
