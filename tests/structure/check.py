#!/usr/bin/env python3
"""check.py [CHECK…]: the rules of the tree, each a function that yields complaints as "file:line:
text".

It checks which room may include which, how long a line, a function and a file may be, which names
and words do not belong here, and that formatter and shell checker have nothing to say.
"""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(os.environ.get("CERTLINE_TREE", pathlib.Path(__file__).resolve().parents[2]))
LINE_COLUMNS = 100
FILE_LINES = 500
FUNCTION_LINES = 70
# Its users copy one file, so it is one.
ONE_FILE = {"hooks/certline": 1300}

# room → rooms whose headers it may include besides its own, and whatever those may include, too. A
# room is a folder with a library of its own. Tests see everything.
MAY_INCLUDE = {
    "protocol": set(),
    "protocol/line": {"protocol"},
    "protocol/rest": {"protocol"},
    "inventory": {"protocol"},
    "pki": {"inventory"},
    "store": {"inventory"},
    "store/lmdb": {"store"},
    "scanner": {"pki"},
    "connectors": {"pki"},
    "daemon/runtime": {"scanner", "store"},
    "daemon/notices": {"daemon/runtime", "connectors"},
    "daemon/scans": {"daemon/notices"},
    "daemon/service": {"daemon/notices"},
    "daemon/server/http": {"protocol/rest"},
    "daemon/server": {"daemon/service", "daemon/server/http", "protocol/line"},
    "daemon/commands": {"daemon/service", "store/lmdb"},
    "daemon": {"daemon/scans", "daemon/server", "daemon/commands"},
}


def closure(room):
    rooms = {room}
    for other in MAY_INCLUDE[room]:
        rooms |= closure(other)
    return rooms


INCLUDES = {room: closure(room) for room in MAY_INCLUDE}
# Folders without a library of their own, part of the room above.
PART_OF_ROOM = {"protocol/requests"}
# The files of the daemon that stand in no room.
TOP_OF_DAEMON = {"main", "process", "own_endpoints"}
# library → (pattern of its headers, folders that may see them)
LIBRARIES = {
    "Asio": (r"boost/asio|boost/beast", {"scanner", "daemon"}),
    "OpenSSL": (r"openssl/|boost/asio/ssl", {"pki", "scanner", "daemon"}),
    "libcurl": (r"curl/", {"connectors"}),
}
# Scanner and daemon speak TLS but take no certificate apart: that is pki's.
TLS_OPENSSL = {"openssl/ssl.h", "openssl/err.h", "openssl/bio.h"}

NAMES = r"^(commons?|utils?|helpers?|misc|managers?)$"
WORDS = r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK|not imple" r"mented|st" r"ubs?)\b"
SLEEPS = r"sleep_f" r"or|sleep_u" r"ntil|usl" r"eep\(|(^|[^\w.])sle" r"ep [0-9]"


def git_files():
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                         cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted({name for name in out.split("\0")
                   if name and (ROOT / name).is_file() and not (ROOT / name).is_symlink()})


FILES = git_files()


def text(name):
    try:
        return (ROOT / name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None  # a corpus file


def sources():
    return [f for f in FILES if f.endswith((".cpp", ".hpp"))]


def shell_scripts():
    return [f for f in FILES if re.match(r"#!.*\b(ba|k|mk|z)?sh\b", (text(f) or "").split("\n")[0])]


def written_by_hand():
    """Everything people read: corpora are bytes, LICENSE is a quotation."""
    return [f for f in FILES
            if "/corpus/" not in f and f != "LICENSE" and text(f) is not None]


def room_of(name):
    """The innermost room of a file; None for what is in none, such as tests."""
    parts = name.split("/")[:-1]
    while parts and "/".join(parts) not in INCLUDES:
        parts.pop()
    return "/".join(parts) or None


def includes():
    for name in sources():
        room = room_of(name)
        if room is None:
            continue
        top = room.split("/")[0]
        for number, line in enumerate(text(name).splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line)
            if not match:
                continue
            kind, header = match.groups()
            if kind == '"' and room_of(header.replace("_generated.h", ".h")) not in INCLUDES[room]:
                yield f"{name}:{number}: {room}/ may not include {header}"
            for library, (pattern, folders) in LIBRARIES.items():
                if re.match(pattern, header) and top not in folders:
                    yield f"{name}:{number}: {room}/ may not see {library} ({header})"
            if top in ("scanner", "daemon") and header.startswith("openssl/") \
                    and header not in TLS_OPENSSL:
                yield f"{name}:{number}: {room}/ takes no OpenSSL object apart ({header})"
            if top == "daemon" and header.startswith("openssl/") \
                    and not name.startswith("daemon/server/tls_"):
                yield f"{name}:{number}: OpenSSL is behind daemon/server/tls_* ({header})"


# One engine is behind store/engine.hpp; its own tests and the faults may look at it, too.
ENGINE = ("store/lmdb/", "tests/unit/store/lmdb/", "tests/faults/")


def engine():
    """LMDB's header and functions stay in the engine's room."""
    for name in sources():
        if name.startswith(ENGINE):
            continue
        for number, line in enumerate(text(name).splitlines(), 1):
            match = re.search(r"\bmdb_\w+|\bMDB_\w+|<lmdb\.h>", line)
            if match:
                yield f"{name}:{number}: {match.group()} is for store/lmdb/ only"


def rooms():
    """The build's rooms are those of MAY_INCLUDE, and every source stands in one."""
    built = set(re.findall(r"^certline_folder\((\S+)", text("CMakeLists.txt"), re.MULTILINE))
    for room in sorted(built ^ set(MAY_INCLUDE)):
        yield f"CMakeLists.txt:1: {room} is a room either there or in tests/structure/check.py"
    for name in sources():
        path = pathlib.PurePath(name)
        if path.parts[0] == "tests" and path.parts[1] != "unit":
            continue
        folder = str(path.parent).removeprefix("tests/unit/")
        if folder not in set(MAY_INCLUDE) | PART_OF_ROOM and name != "tests/unit/catch_main.cpp":
            yield f"{name}:1: {folder}/ is no room; see CMakeLists.txt"
        if str(path.parent) == "daemon" and path.stem not in TOP_OF_DAEMON:
            yield f"{name}:1: belongs into a room of daemon/"


# A name at namespace scope: the tree is formatted, so it stands in the first column.
DEFINITION = re.compile(
    r"(?:struct|class|enum class|union) (?P<type>\w+)\b(?!.*;$)"
    r"|using (?P<alias>\w+) ="
    r"|(?:inline )?constexpr [^=({]*?\b(?P<constant>k[A-Z]\w*)"
    r"|(?!using|return|namespace|template|static_assert|extern|friend|struct|class|enum|union)"
    r"[\w:][\w:<>,&* ]*?[ &*](?P<function>\w+)\(")


def unique_names():
    """One name, one thing: a header's name is no other room's, nor is a type in any source file."""
    seen = {}  # name → (room, file) of the header that has it
    types = []
    for name in sources():
        room = room_of(name)
        if room is None:
            continue
        for number, line in enumerate(text(name).splitlines(), 1):
            match = DEFINITION.match(line)
            if not match or "operator" in line:
                continue
            word = match.group(match.lastgroup)
            if match.lastgroup == "type":
                types.append((word, room, name, number))
            if not name.endswith(".hpp"):
                continue
            other_room, other = seen.setdefault(word, (room, name))
            if other_room != room:
                yield f"{name}:{number}: {word} is a name of {other}, too: say which it is"
    for word, room, name, number in types:
        other_room, other = seen.get(word, (room, name))
        if name.endswith(".cpp") and other_room != room:
            yield f"{name}:{number}: {word} is a name of {other}, too: say which it is"


def lengths():
    for name in written_by_hand():
        is_source = name.endswith((".cpp", ".hpp", ".py", ".fbs", "CMakeLists.txt", ".cmake")) \
            or name in shell_scripts()
        lines = text(name).splitlines()
        most = ONE_FILE.get(name, FILE_LINES)
        if is_source and len(lines) > most:
            yield f"{name}:1: {len(lines)} lines, at most {most}: split it by idea"
        for number, line in enumerate(lines, 1):
            if is_source and len(line) > LINE_COLUMNS:
                yield f"{name}:{number}: {len(line)} columns, at most {LINE_COLUMNS}"
            if line != line.rstrip() and not name.endswith(".wire"):
                yield f"{name}:{number}: white space at the end of the line"


def functions():
    """The tree is formatted, so a function ends at the brace in its first line's column."""
    not_a_function = re.compile(r"\s*(namespace|class|struct|enum|union|extern|template|}|#|//)")
    for name in sources():
        lines = text(name).splitlines()
        start = 0
        for number, line in enumerate(lines):
            indent = len(line) - len(line.lstrip())
            opens = line.endswith("{") and line.rstrip(" {").endswith((")", "const", "noexcept",
                                                                     "override", "final"))
            if number < start or indent > 4 or not opens or not_a_function.match(line):
                continue
            column = indent if indent in (0, 2) else 0  # 4: a signature's continuation
            close = " " * column + "}"
            end = next((n for n in range(number + 1, len(lines)) if lines[n].startswith(close)),
                       len(lines))
            if end - number + 1 > FUNCTION_LINES:
                yield f"{name}:{number + 1}: function of {end - number + 1} lines, " \
                      f"at most {FUNCTION_LINES}"
            start = end


def names():
    for name in FILES:
        for part in pathlib.PurePath(name).parts:
            if re.match(NAMES, part.split(".")[0], re.IGNORECASE):
                yield f"{name}:1: '{part}' doesn't say what the thing does"
    for name in sources():
        if not re.fullmatch(r"[a-z0-9_]+\.[ch]pp", pathlib.PurePath(name).name):
            yield f"{name}:1: file names are snake_case"


def words():
    for name in written_by_hand():
        for number, line in enumerate(text(name).splitlines(), 1):
            match = re.search(WORDS, line)
            if match:
                yield f"{name}:{number}: '{match.group()}' marks something unfinished"
            if name.startswith("tests/") and re.search(SLEEPS, line):
                yield f"{name}:{number}: a test waits for a condition, not for time to pass"


def openings():
    for name in sources():
        lines = text(name).splitlines()
        first = lines[0] if lines else ""
        if name.endswith(".cpp") and not first.startswith("//"):
            yield f"{name}:1: opens with a comment: what this is, why this way"
        if name.endswith(".hpp") and first != "#pragma once":
            yield f"{name}:1: opens with #pragma once"


def formatting():
    run = subprocess.run(["clang-format-14", "--dry-run", "-Werror", *sources()], cwd=ROOT,
                         capture_output=True, text=True)
    yield from re.findall(r"^\S+:\d+:\d+: error: .*$", run.stderr, re.MULTILINE)
    if run.returncode and not run.stderr:
        yield "clang-format-14 failed"


def shell():
    scripts = [f for f in shell_scripts() if re.match(r"#!.*\b(ba|k)?sh\b", text(f))]
    run = subprocess.run(["shellcheck", "-x", "-f", "gcc", *scripts], cwd=ROOT,
                         capture_output=True, text=True)
    yield from run.stdout.splitlines()
    posix = [f for f in scripts if re.match(r"#!.*[/ ]sh$", text(f).split("\n")[0])]
    run = subprocess.run(["shfmt", "-i", "2", "-l", *posix], cwd=ROOT, capture_output=True,
                         text=True)
    for name in run.stdout.splitlines():
        yield f"{name}:1: shfmt -i 2 writes it otherwise"
    yield from run.stderr.splitlines()


def manuals():
    pages = [f for f in FILES if f.startswith("packaging/man/")]
    run = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], cwd=ROOT,
                         capture_output=True, text=True)
    yield from run.stdout.splitlines()


def transcripts():
    """protocol/PROTOCOL.md cites every transcript of tests/wire, and no other."""
    cited = set(re.findall(r"\b([a-z0-9_]+\.wire)\b", text("protocol/PROTOCOL.md")))
    there = {pathlib.PurePath(f).name for f in FILES if re.match(r"tests/wire/.*\.wire$", f)}
    for name in sorted(cited - there):
        yield f"protocol/PROTOCOL.md:1: cites {name}, which tests/wire doesn't have"
    for name in sorted(there - cited):
        yield f"tests/wire/{name}:1: protocol/PROTOCOL.md doesn't cite it"


CHECKS = {check.__name__: check
          for check in (includes, engine, rooms, unique_names, lengths, functions, names, words,
                        openings, formatting, shell, manuals, transcripts)}


def main():
    wanted = sys.argv[1:] or list(CHECKS)
    complaints = [f"{complaint} [{name}]" for name in wanted for complaint in CHECKS[name]()]
    print("\n".join(complaints) if complaints else f"{len(FILES)} files, nothing to complain about")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
