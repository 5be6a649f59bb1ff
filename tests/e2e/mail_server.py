"""A mail server that keeps what it gets: postfix delivers to a Maildir, and accepts mail only over
TLS and after a login, which dovecot checks.
"""

import contextlib
import email
import email.policy
import os
import pathlib
import pwd
import shutil

from harness import Process, Server, free_port, wait_for

DOMAIN = "demo.test"
USER, PASSWORD = "certline", "correct-horse"

MAIN = """
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
myhostname = mail.{domain}
mydestination =
inet_interfaces = loopback-only
alias_maps =
alias_database =
maillog_file = /dev/stdout
smtpd_tls_security_level = encrypt
smtpd_tls_chain_files = {certificate.key} {certificate.chain}
smtpd_tls_auth_only = yes
smtpd_peername_lookup = no
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = reject_unlisted_recipient
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {boxes}
virtual_mailbox_maps = inline:{{ {maps} }}
virtual_uid_maps = static:{nobody.pw_uid}
virtual_gid_maps = static:{nobody.pw_gid}
local_transport = error:none
"""

MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
virtual   unix - n n - - virtual
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
proxymap  unix - - n - - proxymap
postlog   unix-dgram n - n - 1 postlogd
"""

DOVECOT = """
protocols =
base_dir = {directory}/dovecot
state_dir = {directory}/dovecot-state
log_path = /dev/stderr
ssl = no
default_vsz_limit = 512M
passdb {{
  driver = static
  args = user={user} password={password}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
service auth {{
  unix_listener {queue}/private/auth {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
"""


class MailServer:
    """Knows the local parts `boxes`, all others it refuses."""

    def __init__(self, directory, certificate, boxes):
        self.directory = pathlib.Path(directory) / "mail-server"
        self.certificate = certificate
        self.boxes = boxes
        self.port = free_port()
        self.exits = contextlib.ExitStack()

    def _prepare(self):
        config, queue, data, boxes = (self.directory / name
                                      for name in ("postfix", "queue", "data", "boxes"))
        for path in (self.directory, config, queue, data, boxes):
            path.mkdir(mode=0o755)
        shutil.chown(data, "postfix")
        nobody = pwd.getpwnam("nobody")
        os.chown(boxes, nobody.pw_uid, nobody.pw_gid)
        for name in ("pid", "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold",
                     "incoming", "private", "saved", "trace", "public", "maildrop"):
            (queue / name).mkdir()
            if name != "pid":
                shutil.chown(queue / name, "postfix")
        maps = ", ".join(f"{{ {box}@{DOMAIN} = {box}/ }}" for box in self.boxes)
        (config / "main.cf").write_text(MAIN.format(
            queue=queue, data=data, domain=DOMAIN, certificate=self.certificate, boxes=boxes,
            maps=maps, nobody=nobody))
        (config / "master.cf").write_text(MASTER.format(port=self.port))
        (self.directory / "dovecot.conf").write_text(DOVECOT.format(
            directory=self.directory, queue=queue, user=USER, password=PASSWORD))
        return config, queue

    def __enter__(self):
        config, queue = self._prepare()
        with contextlib.ExitStack() as exits:
            self.logins = exits.enter_context(
                Process(["dovecot", "-F", "-c", self.directory / "dovecot.conf"]))
            wait_for(lambda: (queue / "private/auth").exists(), "dovecot's socket for logins")
            self.postfix = exits.enter_context(
                Server(["/usr/lib/postfix/sbin/master", "-c", config, "-s"], self.port))
            self.exits = exits.pop_all()
        return self

    def __exit__(self, *arguments):
        return self.exits.__exit__(*arguments)

    def mails(self, box):
        """What has arrived there, parsed, the oldest first."""
        files = [f for part in ("new", "cur")
                 for f in (self.directory / "boxes" / box / part).glob("*")]
        files.sort(key=lambda f: f.stat().st_mtime_ns)
        return [email.message_from_bytes(f.read_bytes(), policy=email.policy.default)
                for f in files]

    def config(self, trust_file, password_file):
        """[smtp] for the daemon."""
        password_file.write_text(PASSWORD + "\n")
        return f"""
[smtp]
server = "127.0.0.1:{self.port}"
from = "certline@{DOMAIN}"
user = "{USER}"
password_file = "{password_file}"
trust_file = "{trust_file}"
"""
