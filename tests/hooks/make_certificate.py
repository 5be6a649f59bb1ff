#!/usr/bin/env python3
"""make_certificate.py OUT DAYS NAME...: a self-signed certificate in OUT.pem, its key in OUT.key. A
NAME is an IP address, or the bytes of a DNS name with Python's escapes: whatever an authority might
sign.
"""

import ipaddress
import subprocess
import sys


def element(tag, content):
    size = len(content)
    octets = (size.bit_length() + 7) // 8
    length = bytes([size]) if size < 128 else bytes([0x80 + octets]) + size.to_bytes(octets, "big")
    return bytes([tag]) + length + content


def general_name(text):
    try:
        return element(0x87, ipaddress.ip_address(text).packed)
    except ValueError:
        return element(0x82, text.encode().decode("unicode_escape").encode("latin-1"))


out, days, *names = sys.argv[1:]
san = element(0x30, b"".join(general_name(name) for name in names))
config = f"""[req]
distinguished_name = dn
[dn]
[leaf]
subjectAltName = DER:{san.hex()}
"""
subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-keyout", f"{out}.key", "-out", f"{out}.pem", "-days", days, "-subj",
                "/CN=certline test", "-config", "/dev/stdin", "-extensions", "leaf"],
               input=config.encode(), check=True, stderr=subprocess.DEVNULL)
