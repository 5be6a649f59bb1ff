#!/usr/bin/env python3
"""Notifications reach their recipients: by mail through a real postfix, by webhook and by program;
what is wrong, on which host, which command helps; and each event once, however often the daemon is
killed.
"""

import contextlib
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
import real_servers
from harness import (CERTLINED, PATIENCE, ROOT, Authority, Daemon, check, complete_config, equal,
                     free_port, loopback_config, main, need_root, run, s_server, wait_for)
from mail_server import DOMAIN, MailServer
from told import Clock, Receiver, webhook

DOCS = ROOT / "docs/notifications.md"
KEY = "0123456789abcdef"
SECRET = "hush hush"
MORE = """
[limits]
scan_interval_s = 0
[notify]
gather_s = 0
"""


def ask(line, text):
    reply = line.request(f"command {text} apikey {KEY}")
    equal(reply.code, 200, f"{text}: {reply}")
    return reply


def scan(line, name):
    for reply in line.requests(f"command scan domain {name} apikey {KEY}",
                               f"command expiration domain {name} apikey {KEY} wait 30"):
        equal(reply.code, 200, f"{name}: {reply}")


def signed(headers, body):
    """As docs/notifications.md says to check it."""
    match = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["Certline-Signature"])
    check(match, f"a signature: {headers['Certline-Signature']}")
    wanted = hmac.new(SECRET.encode(), match[1].encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted, match[2])


def mails_with(server, box, event):
    footer = f"certline, {event};"
    return [m for m in server.mails(box)
            if footer in m.get_body(("plain",)).get_content().replace("\n", " ")]


def by_mail(directory):
    """Each kind of trouble reaches the owner's mailbox, with what helps against it."""
    authority = Authority(directory / "ca")
    stranger = Authority(directory / "stranger", "nobody trusts this")
    mailbox = authority.issue(["127.0.0.1"])
    closed = free_port()
    with contextlib.ExitStack() as exits:
        mail = exits.enter_context(MailServer(directory, mailbox, ["you"]))
        expired = exits.enter_context(s_server(authority.issue(["127.0.0.1"], days=-1,
                                                               age_days=30)))
        untrusted = exits.enter_context(s_server(stranger.issue(["127.0.0.1"])))
        more = MORE + mail.config(authority.certificate, directory / "password") + \
            '[http]\npublic_url = "https://certline.demo.test"\n'
        daemon = exits.enter_context(Daemon(directory, loopback_config(authority, more)))
        line = exits.enter_context(daemon.line())
        ask(line, f"claim email you@{DOMAIN}")
        for port in (expired.port, untrusted.port, closed):
            ask(line, f"add domain 127.0.0.1:{port}")
        for _ in range(3):
            scan(line, f"127.0.0.1:{closed}")
        wanted = {"expired": (expired.port, "certbot"), "verdict": (untrusted.port, "fullchain"),
                  "unreachable": (closed, "ss -ltnp")}
        for event, (port, command) in wanted.items():
            found = wait_for(lambda: mails_with(mail, "you", event), f"a mail about {event}\n"
                             f"{daemon.log()}\n{mail.postfix.log()}")
            equal(len(found), 1, f"mails about {event}")
            look_at_mail(found[0], f"127.0.0.1:{port}", command)
        ids = [m["Message-ID"] for m in mail.mails("you")]
        equal(len(set(ids)), len(ids), "each mail has an id of its own")
        check("sasl_username=certline" in mail.postfix.log(500), "it logs in")


def look_at_mail(mail, name, command):
    text = mail.get_body(("plain",)).get_content()
    html = mail.get_body(("html",)).get_content()
    for part in (text, html):
        check(name in part, f"{name} is in {part}")
        check(command in part, f"{command} is in {part}")
    check("data " in text and " old;" in text.replace("\n", " "), f"the age of the data: {text}")
    widths = [len(row) for row in text.splitlines() if not row.startswith("https://")]
    check(max(widths) <= 80, f"80 columns: {text}")
    check(re.search(r'src=|<link|@import', html) is None, f"refers elsewhere: {html}")
    equal(mail["To"], f"you@{DOMAIN}", "To")
    equal(mail["Auto-Submitted"], "auto-generated", "Auto-Submitted")
    equal(mail["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click", "List-Unsubscribe-Post")
    link = re.fullmatch(r"<(https://certline\.demo\.test/unsubscribe/[0-9a-f]{16}-[0-9a-f]{32})>",
                        mail["List-Unsubscribe"])
    check(link and link[1] in text, f"the link: {mail['List-Unsubscribe']}")


def old_certificate(directory):
    """A certificate was renewed, and nginx was not reloaded; then it is."""
    authority = Authority(directory / "ca")
    served, renewed = authority.issue(["127.0.0.1"], days=20), authority.issue(["127.0.0.1"])
    clock = Clock(directory)
    secret = directory / "secret"
    secret.write_text(SECRET + "\n")
    chain, key = directory / "chain.pem", directory / "key.pem"
    shutil.copy(served.chain, chain)
    shutil.copy(served.key, key)
    served_by_nginx = type(served)(chain, key)
    with Receiver() as receiver, real_servers.nginx(directory, served_by_nginx) as nginx:
        more = MORE + webhook("ops", receiver.url, f'secret_file = "{secret}"\n')
        with Daemon(directory, loopback_config(authority, more),
                    env=clock.environment) as daemon, daemon.line() as line:
            name = f"127.0.0.1:{nginx.port}"
            ask(line, f"add domain {name}")
            equal(line.request(f"command add domain {name} apikey {KEY} sha256 {renewed.sha256}")
                  .code, 200, "announced")
            shutil.copy(renewed.chain, chain)
            shutil.copy(renewed.key, key)
            clock.forward(360)  # servers are given time to be reloaded
            scan(line, name)
            told = receiver.wait("old_certificate")[0]
            equal(told["certificate"]["sha256"], renewed.sha256, "what it is about")
            equal([h["name"] for h in told["hosts"]], [name], "its host")
            check("reload" in told["hosts"][0]["advice"], f"the command: {told['hosts']}")
            nginx.signal(signal.SIGHUP)
            clock.forward(420)

            def renewed_told():
                scan(line, name)
                return receiver.messages("renewed") or [
                    m for m in receiver.messages("recovered") if m["about"] == "old_certificate"]
            wait_for(renewed_told, "that the new one is served")
            equal(len(receiver.messages("old_certificate")), 1, "told once")
    for headers, body in receiver.taken:
        check(signed(headers, body), f"the signature of {body}")
        equal(headers["Certline-Delivery"], json.loads(body)["id"], "Certline-Delivery")
        equal(headers["Certline-Event"], json.loads(body)["event"], "Certline-Event")


STORM_NGINX = """
user root;
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
{servers}
}}
"""
STORM = 24
KILLS = 6


@contextlib.contextmanager
def many_expired(directory, authority):
    """Names with an expired certificate each, on addresses of their own."""
    port = free_port()
    names, servers = {}, []
    for i in range(STORM):
        address = f"127.0.2.{i + 1}"
        certificate = authority.issue([address], days=-1, age_days=30)
        names[f"{address}:{port}"] = certificate.sha256
        servers.append(f"server {{ listen {address}:{port} ssl; ssl_certificate "
                       f"{certificate.chain}; ssl_certificate_key {certificate.key}; "
                       "return 204; }")
    config = directory / "storm.conf"
    config.write_text(STORM_NGINX.format(directory=directory, servers="\n".join(servers)))
    with real_servers.Server(["nginx", "-p", directory, "-c", config, "-e", "stderr"], port,
                             "127.0.2.1"):
        yield names


def killed_in_a_storm(directory):
    """Killed while events come in and messages go out: none is lost, none is made twice."""
    authority = Authority(directory / "ca")
    with Receiver() as receiver, many_expired(directory, authority) as names:
        config = loopback_config(authority, MORE + webhook("ops", receiver.url))
        todo, kills = list(names), 0
        while todo or kills < KILLS:
            daemon = Daemon(directory, config)
            try:
                with daemon.line() as line:
                    for name in todo[:STORM // KILLS]:
                        ask(line, f"add domain {name}")
                todo = todo[STORM // KILLS:]
                before = len(receiver.taken)
                wait_for(lambda: len(receiver.taken) > before, "a message")
            finally:
                daemon.kill()
            kills += 1
        with Daemon(directory, config):
            wait_for(lambda: {s for m in receiver.messages("expired") for s in subjects(m)}
                     >= set(names), "all to be told")
        told = {}
        for message in receiver.messages("expired"):
            for subject in subjects(message):
                told.setdefault(subject, set()).add(message["id"])
        equal({s: len(ids) for s, ids in told.items()}, {name: 1 for name in names},
              "messages about each name")
        repeated = len(receiver.taken) - len({m["id"] for m in receiver.messages()})
        check(repeated <= kills, f"{repeated} repeated, by {kills} kills")


def subjects(message):
    return [host["name"] for host in message["hosts"]]


def by_program(directory):
    """A program as nobody, which finds the facts in its environment and on its standard input."""
    authority = Authority(directory / "ca")
    out = directory / "out"
    out.mkdir()
    out.chmod(0o777)
    page = directory / "page"
    page.write_text(f"#!/bin/sh\ncd {out} || exit\ncat >input\nid -un >user\nenv >new\n"
                    "mv new env\n")
    page.chmod(0o755)
    more = MORE + f"""
[[channel]]
name = "pager"
kind = "program"
user = "nobody"
command = ["{page}"]
"""
    with s_server(authority.issue(["127.0.0.1"], days=-1, age_days=30)) as server, \
            Daemon(directory, loopback_config(authority, more),
                   env=dict(os.environ, UNWANTED="1")) as daemon, daemon.line() as line:
        ask(line, f"add domain 127.0.0.1:{server.port}")
        wait_for((out / "env").exists, "the program's run")
        variables = dict(row.split("=", 1) for row in (out / "env").read_text().splitlines()
                         if "=" in row)
        message = json.loads((out / "input").read_text())
        equal((out / "user").read_text(), "nobody\n", "who runs it")
        equal(variables["CERTLINE_EVENT"], "expired", "the event")
        equal(variables["CERTLINE_ID"], message["id"], "the id")
        equal(variables["CERTLINE_TITLE"], message["title"], "the title")
        equal(variables["CERTLINE_HOSTS"], f"127.0.0.1:{server.port}", "the hosts")
        check("UNWANTED" not in variables, f"{variables}")


def receiver_away(directory):
    """A receiver that is away for an hour gets what happened meanwhile, each once, in order."""
    authority = Authority(directory / "ca")
    clock = Clock(directory)
    with Receiver() as receiver, many_expired(directory, authority) as names:
        receiver.status = 503
        with Daemon(directory, loopback_config(authority, MORE + webhook("ops", receiver.url)),
                    env=clock.environment) as daemon, daemon.line() as line:
            some = list(names)[:6]
            for minute, name in zip((0, 1, 5, 20, 40, 59), some):
                clock.forward(60 * minute)
                ask(line, f"add domain {name}")
                wait_for(lambda: name_told(daemon, name, line), f"a scan of {name}")
            equal(receiver.taken, [], "taken while away")
            receiver.status = 204
            clock.forward(2 * 3600)
            scan(line, some[0])
            told = lambda: [s for m in receiver.messages("expired") for s in subjects(m)]
            wait_for(lambda: len(told()) >= len(some), "all of them")
            daemon.stop()
        # More than five that come to be told at one moment are one message.
        merged = len(receiver.messages("expired")) == 1
        equal(sorted(told()) if merged else told(), some, "who was told, in order")


def name_told(daemon, name, line):
    pairs = line.request(f"command expiration domain {name} apikey {KEY} wait 1").pairs
    return pairs.get("expired_found") == "true"


def over_https(directory):
    """A receiver's certificate is verified by the channel's own roots."""
    authority = Authority(directory / "ca")
    with Receiver(authority.issue(["127.0.0.1"])) as receiver:
        channels = webhook("good", receiver.url, f'trust_file = "{authority.certificate}"\n') + \
            webhook("bad", receiver.url)
        good, bad = (try_channel(directory, channels, name) for name in ("good", "bad"))
        equal(good.returncode, 0, f"{good}")
        equal(bad.returncode, 1, f"{bad}")
        check("certificate" in bad.stderr, bad.stderr)
        equal(len(receiver.taken), 1, "messages")


def try_channel(directory, config, channel, *more):
    file = directory / "try.toml"
    file.write_text(complete_config(config, directory / "store"))
    return subprocess.run([CERTLINED, "notify", "--test", channel, "--config", file, *more],
                          capture_output=True, text=True, timeout=PATIENCE)


def try_channels(directory):
    """certlined notify --test: one line, and a status that a script can use."""
    authority = Authority(directory / "ca")
    with MailServer(directory, authority.issue(["127.0.0.1"]), ["you"]) as mail, \
            Receiver() as receiver:
        config = mail.config(authority.certificate, directory / "password") + \
            webhook("ops", receiver.url) + webhook("chat", receiver.url, 'form = "slack"\n') + \
            webhook("phone", receiver.url, 'form = "ntfy"\n') + \
            webhook("away", "http://127.0.0.1:1/") + """
[[channel]]
name = "yes"
kind = "program"
command = ["/bin/true"]
[[channel]]
name = "no"
kind = "program"
command = ["/bin/sh", "-c", "echo nobody is there >&2; exit 3"]
"""
        attempt = lambda *words: try_channel(directory, config, *words)
        for words in (["ops"], ["chat"], ["phone"], ["yes"], ["mail", "--to", f"you@{DOMAIN}"]):
            done = attempt(*words)
            check(done.returncode == 0 and re.fullmatch(
                rf"channel {words[0]} took message [0-9a-f-]{{36}}\n", done.stdout), f"{done}")
        for words, status, said in (
                (["away"], 1, "channel away did not take it: "),
                (["no"], 1, 'exit status 3: "nobody is there'),
                (["mail", "--to", f"them@{DOMAIN}"], 1, "User unknown in virtual mailbox table"),
                (["mail"], 2, "needs --to ADDRESS"), (["none"], 2, "no channel is called"),
                (["ops", "--to", "a@b.org"], 2, "only channel")):
            done = attempt(*words)
            equal(done.returncode, status, f"{done}")
            check(said in done.stderr and done.stderr.count("\n") == 1, f"{done}")
        wait_for(lambda: mail.mails("you"), "the mail")
        bodies = [body for _, body in receiver.taken]
        equal(json.loads(bodies[0])["event"], "test", "as JSON")
        check("attachments" in json.loads(bodies[1]), f"{bodies[1]}")
        equal(receiver.taken[2][0]["Priority"], "3", "as a push message")
        check(b"certlined notify --test" in bodies[2], f"{bodies[2]}")


def block(language, number=0):
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCS.read_text(),
                      re.MULTILINE | re.DOTALL)[number]


def documented(directory):
    """docs/notifications.md: its configuration is one, its console is what happens, its three lines
    check a signature."""
    authority = Authority(directory / "ca")
    with MailServer(directory, authority.issue(["127.0.0.1"]), ["you"]) as mail, \
            Receiver() as receiver:
        (directory / "secret").write_text(SECRET + "\n")
        sample = directory / "sample.toml"
        sample.write_text(block("toml"))
        equal(run(CERTLINED, "check-config", "--config", sample), "the configuration is fine\n",
              "the sample")
        config = mail.config(authority.certificate, directory / "password") + \
            webhook("ops", receiver.url, f'secret_file = "{directory}/secret"\n')
        (directory / "certlined.toml").write_text(complete_config(config, directory / "store"))
        for command, wanted in re.findall(r"^\$ certlined (.*)\n(.*\n)", block("console"),
                                          re.MULTILINE):
            words = command.replace("you@example.org", f"you@{DOMAIN}").split()
            done = subprocess.run([CERTLINED, *words], capture_output=True, text=True,
                                  cwd=directory, timeout=PATIENCE)
            form = lambda text: re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)
            equal(form(done.stdout + done.stderr), form(wanted), f"$ certlined {command}")
        headers, body = receiver.taken[0]
        for change, status in ((b"", 0), (b" ", 1)):
            (directory / "body").write_bytes(body + change)
            done = subprocess.run(["sh"], input=block("sh"), text=True, cwd=directory,
                                  timeout=PATIENCE,
                                  env=dict(os.environ, signature=headers["Certline-Signature"]))
            equal(done.returncode, status, f"the check with {change!r} added")


need_root()
main(by_mail, old_certificate, killed_in_a_storm, by_program, receiver_away, over_https,
     try_channels, documented)
