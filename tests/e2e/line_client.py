"""A client of the line protocol, each of whose reads has a deadline."""

import socket

from expect import PATIENCE, Failure, check


class Reply:
    def __init__(self, lines):
        self.lines = lines
        self.data = next((line[5:] for line in lines if line.startswith("data ")), None)
        word, status, code, *text = lines[-1].split(" ", 3)
        check(word == "status" and status in ("ok", "error"), f"not a reply: {lines}")
        self.ok, self.code, self.text = status == "ok", int(code), "".join(text)

    @property
    def pairs(self):
        words = (self.data or "").split(" ")
        return dict(zip(words[::2], words[1::2]))

    def __repr__(self):
        return " | ".join(self.lines)


class Line:
    """One connection to the line protocol."""

    def __init__(self, port, address="127.0.0.1", source=None):
        source = (source, 0) if source else None
        self.socket = socket.create_connection((address, port), PATIENCE, source)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.gathered = b""

    @classmethod
    def over(cls, connection):
        """A line over a socket that is connected already."""
        line = cls.__new__(cls)
        connection.settimeout(PATIENCE)
        line.socket, line.gathered = connection, b""
        return line

    @classmethod
    def local(cls, path):
        """Over the daemon's Unix socket."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        connection.connect(str(path))
        return cls.over(connection)

    def send(self, data):
        self.socket.sendall(data)

    def read_line(self):
        """The next line without its LF; None at the end of what the daemon has to say."""
        while b"\n" not in self.gathered:
            try:
                some = self.socket.recv(65536)
            except ConnectionResetError:
                some = b""
            except socket.timeout:
                raise Failure(f"no line came; so far {self.gathered!r}") from None
            if not some:
                check(not self.gathered, f"the daemon closed within a line: {self.gathered!r}")
                return None
            self.gathered += some
        line, self.gathered = self.gathered.split(b"\n", 1)
        return line.decode()

    def read_reply(self):
        lines = []
        while not lines or not lines[-1].startswith("status "):
            line = self.read_line()
            check(line is not None, f"the daemon closed; before that: {lines}")
            lines.append(line)
        return Reply(lines)

    def request(self, text):
        self.send(text.encode() + b"\n")
        return self.read_reply()

    def requests(self, *texts):
        """Sent in one piece, so that a scan which one brings about doesn't end before the next one,
        that waits for it, is there: `wait` is for scans that end in its own second or later."""
        self.send("".join(f"{text}\n" for text in texts).encode())
        return [self.read_reply() for _ in texts]

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
