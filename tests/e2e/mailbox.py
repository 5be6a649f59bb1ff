"""A mail server on loopback that keeps every mail, and finds the tokens in them."""

import email
import email.policy
import queue
import re

import harness
from harness import Failure, check


class Mail:
    def __init__(self, sender, recipients, data):
        self.sender, self.recipients = sender, recipients
        self.message = email.message_from_bytes(data, policy=email.policy.SMTP)
        body = self.message.get_body(preferencelist=("plain",))
        self.text = body.get_content().replace("\r\n", "\n")

    def tokens(self):
        """By what each of them is for, as the links say it: {"confirm": …}."""
        return dict(re.findall(r"https?://\S+?/(confirm|revoke|block-keys|block-account)/(\S+)",
                               self.text))


class Mailbox(harness.Listener):
    """Speaks just enough SMTP (RFC 5321) to be given mail."""

    def __init__(self):
        self.mails = queue.Queue()
        super().__init__()

    @property
    def config(self):
        return (f'[smtp]\nserver = "127.0.0.1:{self.port}"\ntls = "off"\n'
                'from = "certline@example.net"\n')

    def serve(self, guest):
        stream = guest.makefile("rwb")

        def say(text):
            stream.write(text.encode() + b"\r\n")
            stream.flush()

        say("220 mailbox.test ESMTP")
        sender, recipients = None, []
        for raw in stream:
            line = raw.decode("ascii").strip()
            verb = line.split(" ")[0].upper()
            if verb == "EHLO":
                say("250-mailbox.test\r\n250-8BITMIME\r\n250 SIZE 10485760")
            elif verb == "MAIL":
                sender, recipients = re.search(r"<(.*?)>", line).group(1), []
                say("250 fine")
            elif verb == "RCPT":
                recipients.append(re.search(r"<(.*?)>", line).group(1))
                say("250 fine")
            elif verb == "DATA":
                say("354 go on")
                self.mails.put(Mail(sender, recipients, self.data(stream)))
                say("250 kept")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 fine")

    @staticmethod
    def data(stream):
        lines = []
        for line in stream:
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def next(self, recipient):
        """The next mail that came; it has to be for this address."""
        try:
            mail = self.mails.get(timeout=harness.PATIENCE)
        except queue.Empty:
            raise Failure(f"no mail came for {recipient}") from None
        check(mail.recipients == [recipient], f"a mail for {mail.recipients}, not {recipient}")
        return mail

    def check_empty(self):
        check(self.mails.empty(), "a mail came that nobody waited for")
