#!/usr/bin/env python3
"""Each check of check.py works: in a copy of the sources every rule is broken on purpose, and the
check must complain.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# (check, file to write or to append to, what is written, what the complaint must say)
VIOLATIONS = [
    ("includes", "daemon/notices/links.cpp", '#include "daemon/service/keys.hpp"\n',
     "daemon/notices/ may not include daemon/service/keys.hpp"),
    ("includes", "daemon/runtime/log.cpp", '#include "daemon/notices/links.hpp"\n',
     "daemon/runtime/ may not include daemon/notices/links.hpp"),
    ("includes", "daemon/server/http/head.cpp", '#include "daemon/server/connection.hpp"\n',
     "daemon/server/http/ may not include daemon/server/connection.hpp"),
    ("includes", "daemon/commands/scan_command.cpp", '#include "daemon/process.hpp"\n',
     "daemon/commands/ may not include daemon/process.hpp"),
    ("includes", "inventory/records.hpp", '#include "store/store.hpp"\n',
     "inventory/ may not include store/store.hpp"),
    ("includes", "daemon/scans/scan_driver.cpp", "#include <openssl/x509.h>\n",
     "takes no OpenSSL object apart"),
    ("engine", "store/watches.cpp", "int n = mdb_get(nullptr, 0, nullptr, nullptr);\n",
     "mdb_get is for store/lmdb/ only"),
    ("engine", "daemon/service/names.cpp", "#include <lmdb.h>\n",
     "<lmdb.h> is for store/lmdb/ only"),
    ("rooms", "daemon/sundry.cpp", "// It has no room.\n", "belongs into a room of daemon/"),
    ("rooms", "daemon/attic/old.cpp", "// Nor has it.\n", "daemon/attic/ is no room"),
    ("unique_names", "daemon/notices/links.hpp", "struct RefusalRows {\n  int n;\n};\n",
     "RefusalRows is a name of daemon/"),
    ("unique_names", "daemon/scans/scan_apply.cpp", "struct RefusalRows {\n  int n;\n};\n",
     "RefusalRows is a name of daemon/service/refusal_rows.hpp, too"),
]


def complaints(tree, check):
    return subprocess.run([sys.executable, HERE / "check.py", check], capture_output=True,
                          text=True, env=dict(os.environ, CERTLINE_TREE=str(tree))).stdout


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder) / "tree"
        tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.cpp", "*.hpp",
                                  "CMakeLists.txt"], cwd=ROOT, capture_output=True, text=True,
                                 check=True).stdout.split()
        for name in tracked:
            if (ROOT / name).exists():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, tree / name)
        subprocess.run(["git", "init", "-q"], cwd=tree, check=True)
        for check in sorted({violation[0] for violation in VIOLATIONS}):
            said = complaints(tree, check)
            if "nothing to complain about" not in said:
                print(f"{check} complains about the tree as it is:\n{said}")
                failed += 1
        for check, name, text, expected in VIOLATIONS:
            path = tree / name
            before = path.read_text() if path.exists() else None
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text((before or "") + text)
            said = complaints(tree, check)
            if not re.search(re.escape(name) + r":\d+: .*" + re.escape(expected), said) \
                    and expected not in said:
                print(f"{check} does not see {text.strip()!r} in {name}; it says:\n{said}")
                failed += 1
            path.unlink() if before is None else path.write_text(before)
    print(f"{len(VIOLATIONS)} violations, {failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
