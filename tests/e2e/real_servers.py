"""Real servers, each from a configuration of its own in a directory of its own, at a free port."""

import os
import pathlib
import pwd
import shutil

from harness import Server, accepts, free_port, run, wait_for


def dnsmasq(hosts=(), below=()):
    """Answers only for `hosts`, pairs of name and address, and for all names below a domain, pairs
    alike; its TCP port shows that it is up."""
    port = free_port()
    records = [f"--host-record={name},{address}" for name, address in hosts]
    records += [f"--address=/{domain}/{address}" for domain, address in below]
    return Server(["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
                   "--no-hosts", "--listen-address=127.0.0.1", "--bind-interfaces", "--user=",
                   "--pid-file=", "--local=/demo.test/", f"--port={port}", *records], port)


def nginx(directory, certificate, addresses=("127.0.0.1",), port=None):
    port = port or free_port(addresses[0])
    listen = "\n".join(f"    listen {address}:{port} ssl http2;" for address in addresses)
    directory = pathlib.Path(directory)
    (directory / "nginx.conf").write_text(f"""
user root;
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
{listen}
    ssl_certificate {certificate.chain};
    ssl_certificate_key {certificate.key};
    return 204;
  }}
}}
""")
    return Server(["nginx", "-p", directory, "-c", directory / "nginx.conf", "-e", "stderr"], port,
                  addresses[0])


def gnutls_serv(certificate, priority="NORMAL", arguments=("--disable-client-cert",)):
    port = free_port()
    return Server(["gnutls-serv", "--port", port, "--x509certfile", certificate.chain,
                   "--x509keyfile", certificate.key, "--priority", priority, "--nodb", *arguments],
                  port)


# Before RFC 5746, only TLS 1.0: what a forgotten appliance speaks.
OLD_PRIORITY = ("NORMAL:-VERS-ALL:+VERS-TLS1.0:%DISABLE_SAFE_RENEGOTIATION:%NO_EXTENSIONS:"
                "%ALLOW_SMALL_RECORDS")
CLIENT_CERTIFICATE = ("--require-client-cert", "--verify-client-cert")


def dovecot(directory, certificate, ports):
    """IMAP, POP3 and ManageSieve, all by STARTTLS; `ports` maps imap, pop3 and sieve."""
    directory = pathlib.Path(directory)
    (directory / "dovecot.conf").write_text(f"""
protocols = imap pop3 sieve
base_dir = {directory}/run
state_dir = {directory}/state
log_path = /dev/stderr
listen = 127.0.0.1
ssl = yes
ssl_cert = <{certificate.chain}
ssl_key = <{certificate.key}
default_vsz_limit = 512M
mail_location = maildir:{directory}/mail
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {ports["imap"]}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {ports["pop3"]}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service managesieve-login {{
  chroot =
  inet_listener sieve {{
    port = {ports["sieve"]}
  }}
}}
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=dovecot gid=dovecot home={directory}/home
}}
""")
    server = Server(["dovecot", "-F", "-c", directory / "dovecot.conf"], ports["imap"])
    for port in ports.values():
        wait_for(lambda: accepts(port), f"dovecot on {port}")
    return server


POSTFIX_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup   unix n - n - 0 cleanup
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
proxymap  unix - - n - - proxymap
postlog   unix-dgram n - n - 1 postlogd
"""


def postfix(directory, certificate):
    port = free_port()
    directory = pathlib.Path(directory)
    config, queue, data = (directory / name for name in ("postfix", "queue", "data"))
    for path in (config, queue, data):
        path.mkdir()
    shutil.chown(data, "postfix")
    for name in ("pid", "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold",
                 "incoming", "private", "saved", "trace", "public", "maildrop"):
        (queue / name).mkdir()
        if name != "pid":
            shutil.chown(queue / name, "postfix")
    (config / "main.cf").write_text(f"""
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
myhostname = mail.demo.test
mydestination =
inet_interfaces = loopback-only
alias_maps =
alias_database =
maillog_file = /dev/stdout
smtpd_tls_security_level = may
smtpd_tls_chain_files = {certificate.key} {certificate.chain}
smtpd_peername_lookup = no
smtp_tls_security_level = none
""")
    (config / "master.cf").write_text(POSTFIX_MASTER.format(port=port))
    return Server(["/usr/lib/postfix/sbin/master", "-c", config, "-s"], port)


def vsftpd(directory, certificate):
    port = free_port()
    directory = pathlib.Path(directory)
    empty = directory / "empty"
    empty.mkdir()
    (directory / "vsftpd.conf").write_text(f"""
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
anonymous_enable=YES
anon_root={empty}
ftp_username=nobody
nopriv_user=nobody
secure_chroot_dir={empty}
ssl_enable=YES
allow_anon_ssl=YES
rsa_cert_file={certificate.chain}
rsa_private_key_file={certificate.key}
ssl_ciphers=HIGH
seccomp_sandbox=NO
xferlog_enable=NO
""")
    return Server(["vsftpd", directory / "vsftpd.conf"], port)


def postgres(directory, certificate):
    """Refuses to run as root and to read a key that others may read."""
    port = free_port()
    directory = pathlib.Path(directory)
    home = directory / "postgres"
    home.mkdir()
    key = home / "server.key"
    shutil.copy(certificate.key, key)
    key.chmod(0o600)
    user = pwd.getpwnam("postgres")
    for path in (home, key):
        os.chown(path, user.pw_uid, user.pw_gid)
    binaries = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
    as_postgres = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    run(*as_postgres, binaries / "initdb", "--no-sync", "-A", "trust", "-D", home / "data",
        cwd=directory, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"})
    settings = {"ssl": "on", "ssl_cert_file": certificate.chain, "ssl_key_file": key,
                "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": home,
                "fsync": "off"}
    options = [f"--{name}={value}" for name, value in settings.items()]
    return Server([*as_postgres, binaries / "postgres", "-D", home / "data", *options], port,
                  cwd=directory)


def slapd(directory, certificate):
    port = free_port()
    directory = pathlib.Path(directory)
    (directory / "slapd.conf").write_text(f"""
include /etc/ldap/schema/core.schema
pidfile {directory}/slapd.pid
TLSCertificateFile {certificate.chain}
TLSCertificateKeyFile {certificate.key}
TLSVerifyClient never
""")
    return Server(["slapd", "-d", "0", "-f", directory / "slapd.conf", "-h",
                   f"ldap://127.0.0.1:{port}"], port)
