"""The kinds of hostile and odd scan targets: what each sends, and the problem that its scan must
report. Most are a script of bytes and an ending; the others change what a real TLS server sends.

A step of a script is bytes to send, HEAR (waits for the next bytes of the scanner), or a function
that makes the bytes to send from those received last.
"""

import random

HEAR = object()
CLOSE, RESET, SILENCE = "close", "reset", "silence"


def flood(chunk):
    """The ending that repeats something as fast as it is taken."""
    return ("flood", chunk * (65536 // len(chunk) or 1))


def trickle(chunk):
    """The ending that repeats something now and then, so that no single wait is long."""
    return ("trickle", chunk)


def record(kind, body, version=b"\x03\x03"):
    return bytes([kind]) + version + len(body).to_bytes(2, "big") + body


def message(kind, body, announced=None):
    return bytes([kind]) + (announced or len(body)).to_bytes(3, "big") + body


def extension(number, body):
    return number.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


CHANGE_CIPHER, ALERT, HANDSHAKE = 20, 21, 22
HELLO_REQUEST, SERVER_HELLO, CERTIFICATE = 0, 2, 11
RANDOM = random.Random(1).randbytes
SOME_RANDOM = RANDOM(32)
TLS12_HELLO = record(HANDSHAKE, message(SERVER_HELLO, b"\x03\x03" + SOME_RANDOM + b"\0\xc0\x2f\0"))


def fragments(data, kind=HANDSHAKE):
    """A record for each byte."""
    return b"".join(record(kind, data[i:i + 1]) for i in range(len(data)))


def tls13_hello(hello, secret=SOME_RANDOM, share=b"\0\x1d\0\x20" + RANDOM(32)):
    session = hello[44:44 + hello[43]]  # has to be the client's
    extensions = extension(0x2b, b"\x03\x04") + extension(0x33, share)
    body = b"\x03\x03" + secret + bytes([len(session)]) + session + b"\x13\x01\0"
    return record(HANDSHAKE, message(
        SERVER_HELLO, body + len(extensions).to_bytes(2, "big") + extensions))


def hello_retry(hello):
    """RFC 8446 4.1.4: asks for a key share on P-256."""
    marker = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
    return tls13_hello(hello, marker, b"\0\x17")


def alert(level, number, version=b"\x03\x03"):
    return record(ALERT, bytes([level, number]), version)


def certificates(*der):
    listed = b"".join(len(d).to_bytes(3, "big") + d for d in der)
    return record(HANDSHAKE, message(CERTIFICATE, len(listed).to_bytes(3, "big") + listed))


TO_EHLO = (b"220 mail\r\n", HEAR)
TO_STARTTLS = (*TO_EHLO, b"250-mail\r\n250 STARTTLS\r\n", HEAR)
GO_AHEAD = (*TO_STARTTLS, b"220 go ahead\r\n", HEAR)
XMPP = (b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' "
        b"xmlns:stream='http://etherx.jabber.org/streams'>")

# Name, protocol before TLS, problem, steps, ending.
SCRIPTS = [
    # No connection to speak of.
    ("closes at once", "none", "tls_error", (), CLOSE),
    ("resets at once", "none", "tls_error", (), RESET),
    ("resets at once, mail", "smtp", "starttls_protocol_error", (), RESET),
    ("closes at once, mail", "smtp", "starttls_protocol_error", (), CLOSE),
    ("silent", "none", "timeout", (), SILENCE),
    ("closes after the hello", "none", "tls_error", (HEAR,), CLOSE),
    ("silent, mail", "smtp", "timeout", (), SILENCE),
    # Drips.
    ("drips a handshake", "none", "timeout", (HEAR, b"\x16\x03\x03\x40\0\x02\0\x3f\0"),
     trickle(b"\x03")),
    ("drips a banner", "none", "not_tls", (), trickle(b"S")),
    ("drips what begins like TLS", "none", "not_tls", (HEAR, b"\x16"), trickle(b"-")),
    ("drips a greeting", "smtp", "timeout", (b"220",), trickle(b"-")),
    # Another protocol.
    ("SSH", "none", "not_tls", (b"SSH-2.0-OpenSSH_9.2p1\r\n",), SILENCE),
    ("SSH, closing", "none", "not_tls", (b"SSH-2.0-OpenSSH_9.2p1\r\n", HEAR), CLOSE),
    ("HTTP", "none", "not_tls", (HEAR, b"HTTP/1.1 400 Bad Request\r\n\r\n"), CLOSE),
    ("HTTP without end", "none", "not_tls", (HEAR, b"HTTP/1.1 200 OK\r\n\r\n"), flood(b"<html>")),
    ("plain mail on a TLS port", "none", "not_tls", (b"220 mail ESMTP\r\n",), SILENCE),
    ("plain FTP", "none", "not_tls", (b"220-welcome\r\n220 ftp\r\n",), SILENCE),
    ("MySQL", "none", "not_tls", (b"\x4a\0\0\0\x0a8.0.1\0",), SILENCE),
    ("SSL 2", "none", "not_tls", (HEAR, b"\x80\x0b\x04\0\x01\0\x02\0\0\0\0\0\x10"), SILENCE),
    ("garbage", "none", "not_tls", (HEAR, b"\xff" + RANDOM(5000)), CLOSE),
    ("zeros without end", "none", "not_tls", (), flood(b"\0")),
    # Handshakes that lead nowhere.
    ("echoes the hello", "none", "tls_error", (HEAR, lambda hello: hello), CLOSE),
    ("close_notify", "none", "tls_error", (HEAR, alert(1, 0)), CLOSE),
    ("an alert of version 0", "none", "tls_error", (HEAR, alert(2, 112, b"\0\0")), CLOSE),
    ("a hello, then an alert", "none", "tls_error", (HEAR, TLS12_HELLO, alert(2, 40)), CLOSE),
    ("a hello, then silence", "none", "timeout", (HEAR, TLS12_HELLO), SILENCE),
    ("SSL 3", "none", "tls_error", (HEAR, TLS12_HELLO.replace(b"\x03\x03", b"\x03\0")), SILENCE),
    ("a record too long", "none", "tls_error", (HEAR, b"\x16\x03\x03\xff\xff"), flood(b"x")),
    ("a message of 16 MB", "none", "tls_error",
     (HEAR, record(HANDSHAKE, message(SERVER_HELLO, b"", 0xffffff))),
     flood(record(HANDSHAKE, b"x" * 16384))),
    ("retries without end", "none", "tls_error",
     (HEAR, hello_retry, HEAR, hello_retry), SILENCE),
    ("no certificates", "none", "tls_error", (HEAR, TLS12_HELLO + certificates()), SILENCE),
    ("hello requests without end", "none", "tls_error", (HEAR,),
     flood(record(HANDSHAKE, message(HELLO_REQUEST, b"")))),
    ("hello requests now and then", "none", "timeout", (HEAR,),
     trickle(record(HANDSHAKE, message(HELLO_REQUEST, b"")))),
    ("tiny records without end", "none", "tls_error",
     (HEAR, TLS12_HELLO, fragments(message(CERTIFICATE, b"\x0d\xbb\x9d\x0d\xbb\x9a", 900000))),
     flood(record(HANDSHAKE, b"x"))),
    ("empty records without end", "none", "tls_error", (HEAR,), flood(record(HANDSHAKE, b""))),
    ("warnings without end", "none", "tls_error", (HEAR,), flood(alert(1, 100))),
    ("warnings behind a hello", "none", "tls_error", (HEAR, TLS12_HELLO), flood(alert(1, 100))),
    ("cipher changes without end", "none", "tls_error", (HEAR, tls13_hello),
     flood(record(CHANGE_CIPHER, b"\1"))),
    ("a hello of TLS 1.3, then silence", "none", "timeout", (HEAR, tls13_hello), SILENCE),
    ("undecipherable records", "none", "tls_error", (HEAR, tls13_hello),
     flood(record(23, RANDOM(300)))),
    # Mail and others, before TLS.
    ("a greeting without end", "smtp", "starttls_protocol_error", (), flood(b"220-hello\r\n")),
    ("a slow greeting without end", "smtp", "timeout", (), trickle(b"220-hello\r\n")),
    ("a line without end", "smtp", "starttls_protocol_error", (b"220 ",), flood(b"x")),
    ("capabilities without end", "smtp", "starttls_protocol_error", TO_EHLO,
     flood(b"250-SIZE\r\n")),
    ("refuses guests", "smtp", "starttls_refused", (b"554 go away\r\n",), SILENCE),
    ("refuses STARTTLS", "smtp", "starttls_refused", (*TO_STARTTLS, b"454 no\r\n"), SILENCE),
    ("offers no STARTTLS", "smtp", "starttls_not_offered", (*TO_EHLO, b"250 mail\r\n"), SILENCE),
    ("speaks behind the go-ahead", "smtp", "injection_suspected",
     (*TO_STARTTLS, b"220 go\r\n250 x\r\n"), SILENCE),
    ("early TLS bytes", "smtp", "injection_suspected",
     (*TO_STARTTLS, b"220 go\r\n" + TLS12_HELLO), SILENCE),
    ("leaves after the greeting", "smtp", "starttls_protocol_error", TO_EHLO, CLOSE),
    ("SSH as mail", "smtp", "starttls_protocol_error", (b"SSH-2.0-x\r\n",), SILENCE),
    ("TLS as mail", "smtp", "starttls_protocol_error", (TLS12_HELLO,), SILENCE),
    ("silent after the go-ahead", "smtp", "timeout", GO_AHEAD, SILENCE),
    ("plain text after the go-ahead", "smtp", "not_tls", (*GO_AHEAD, b"500 what?\r\n"), SILENCE),
    ("leaves after the go-ahead", "smtp", "tls_error", GO_AHEAD, CLOSE),
    ("pre-authenticated", "imap", "starttls_refused", (b"* PREAUTH in\r\n",), SILENCE),
    ("untagged lines without end", "imap", "starttls_protocol_error", (b"* OK hi\r\n", HEAR),
     flood(b"* CAPABILITY IMAP4rev1\r\n")),
    ("a list without end", "pop3", "starttls_protocol_error", (b"+OK\r\n", HEAR, b"+OK\r\n"),
     flood(b"UIDL\r\n")),
    ("FTP without end", "ftp", "starttls_protocol_error", (), flood(b"220-hello\r\n")),
    ("news without end", "nntp", "starttls_protocol_error",
     (b"200 hi\r\n", HEAR, b"101 list\r\n"), flood(b"READER\r\n")),
    ("filters without end", "sieve", "starttls_protocol_error", (), flood(b'"SIEVE" "x"\r\n')),
    ("a directory of 4 GB", "ldap", "starttls_protocol_error",
     (HEAR, b"\x30\x84\xff\xff\xff\xff"), flood(b"x")),
    ("a stream without end", "xmpp-client", "starttls_protocol_error",
     (HEAR, XMPP + b"<stream:features>"), flood(b"<bind/>")),
    ("a packet of 16 MB", "mysql", "starttls_protocol_error", (b"\xff\xff\xff\0\x0a",),
     flood(b"x")),
    ("a database that shouts", "postgres", "injection_suspected", (HEAR, b"S" + TLS12_HELLO),
     SILENCE),
]

# Dialogue that is cut after each of its bytes.
CUT_DIALOGUE = (b"220 mail\r\n", b"250-mail\r\n250 STARTTLS\r\n", b"220 go ahead\r\n")
