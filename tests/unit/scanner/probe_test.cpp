// Single probes against real TLS servers and silent ones on loopback.

#include "scanner/probe.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "loopback_servers.hpp"
#include "scanner/tls_context.hpp"

using namespace certline;
using namespace certline::scanner;
using namespace certline::scanner::test;
using namespace std::string_literals;
using pki::test::Made;

namespace {

const Made& root() {
  static const Made made = pki::test::make_root("root");
  return made;
}
const Made& leaf() {
  static const Made made = pki::test::make_leaf(root(), {.key = pki::test::rsa_key(2048)});
  return made;
}

ProbeTarget target(std::uint16_t port, Starttls starttls = Starttls::none) {
  return {IpAddress::v4(INADDR_LOOPBACK),   port, starttls, "www.example.org", "me.example",
          std::chrono::milliseconds(20'000)};
}

ProbeFacts run(ProbeTarget t) {
  static const SslContextHandle context = make_client_context();
  boost::asio::io_context io;
  ProbeFacts out;
  std::exception_ptr thrown;
  auto ended = [&](const std::exception_ptr& e, ProbeFacts facts) {
    thrown = e;
    out = std::move(facts);
  };
  boost::asio::co_spawn(io, probe(std::move(t), context.get()), ended);
  io.run();
  if (thrown) std::rethrow_exception(thrown);
  return out;
}

AddressObservation judged(ProbeTarget t, ScanState verdict = ScanState::ok) {
  FixedVerifier verifier(verdict);
  ProbeFacts facts = run(t);
  return judge_probe(t, std::move(facts), verifier, pki::test::kNow).row;
}

AddressObservation against(TlsOptions options, ScanState verdict = ScanState::ok) {
  const TlsServerContext tls({&leaf(), &root()}, std::move(options));
  LoopbackServer server([&](int fd, int) { tls.serve(fd); });
  return judged(target(server.port()), verdict);
}

ProbeFacts dumb(const LoopbackServer::Serve& serve, Starttls starttls = Starttls::none) {
  LoopbackServer server(serve);
  return run(target(server.port(), starttls));
}

}  // namespace

TEST_CASE("a healthy server's facts") {
  const AddressObservation row = against({.alpn = "h2"});
  CHECK(row.state == ScanState::ok);
  CHECK(row.trusted);
  REQUIRE(row.chain.size() == 2);
  CHECK(row.chain[0].der == leaf().observed().der);
  CHECK(row.chain[0].sha256 == leaf().observed().sha256);
  CHECK(row.protocol == "TLSv1.3");
  CHECK(row.cipher == "TLS_AES_256_GCM_SHA384");
  CHECK(row.alpn == "h2");
  CHECK(row.group == "x25519");
}

TEST_CASE("old and odd settings can still be read") {
  const AddressObservation old =
      against({.highest = TLS1_VERSION, .ciphers = "AES128-SHA:@SECLEVEL=0"});
  CHECK(old.state == ScanState::ok);
  CHECK(old.protocol == "TLSv1");
  CHECK(old.cipher == "AES128-SHA");
  CHECK(old.group.empty());
  const AddressObservation curve = against(
      {.highest = TLS1_2_VERSION, .ciphers = "ECDHE-RSA-AES128-GCM-SHA256", .groups = "P-384"});
  CHECK(curve.group == "secp384r1");
  const AddressObservation unloved = against(
      {.highest = TLS1_2_VERSION, .ciphers = "ECDHE-RSA-AES128-SHA", .groups = "secp256k1"});
  CHECK(unloved.state == ScanState::ok);
  CHECK(unloved.group == "secp256k1");
  CHECK(against({}, ScanState::expired).state == ScanState::expired);
}

TEST_CASE("client certificates: demanded, wanted, and a chain that is bad anyway") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const AddressObservation demanded =
        against({.highest = version, .demand_client_certificate = true});
    INFO(version << " " << demanded.detail);
    CHECK(demanded.state == ScanState::client_certificate_required);
    CHECK(demanded.trusted);
    CHECK(demanded.chain.size() == 2);
    CHECK(against({.highest = version, .want_client_certificate = true}).state == ScanState::ok);
    const AddressObservation bad =
        against({.highest = version, .demand_client_certificate = true}, ScanState::wrong_host);
    CHECK(bad.state == ScanState::wrong_host);
    CHECK_FALSE(bad.trusted);
  }
}

TEST_CASE("a name or protocol that is refused is left out on the second try") {
  const AddressObservation name = against({.refused_name = "www.example.org"});
  CHECK(name.state == ScanState::ok);
  CHECK(name.protocol == "TLSv1.3");
  CHECK(against({.alpn = "ftp"}).state == ScanState::ok);
}

TEST_CASE("a server that cannot bear TLS 1.3 is asked again without") {
  const TlsServerContext tls({&leaf()}, {.highest = TLS1_2_VERSION});
  LoopbackServer server([&](int fd, int connection) {
    if (connection > 0) return tls.serve(fd);
    hear(fd);
    reset(fd);
  });
  const ProbeFacts facts = run(target(server.port()));
  CHECK(facts.failure == ScanState::ok);
  CHECK(facts.protocol == "TLSv1.2");
  CHECK(server.accepted() == 2);
}

TEST_CASE("an address as target: no SNI, judged as address") {
  const TlsServerContext tls({&leaf()}, {.refused_name = "127.0.0.1"});
  LoopbackServer server([&](int fd, int) { tls.serve(fd); });
  ProbeTarget t = target(server.port());
  t.host = "127.0.0.1";
  FixedVerifier verifier;
  CHECK(judge_probe(t, run(t), verifier, 0).row.state == ScanState::ok);
  CHECK(verifier.hosts() == std::vector<std::string>{"127.0.0.1"});
  CHECK(server.accepted() == 1);
}

TEST_CASE("the stapled response reaches the verdict") {
  const TlsServerContext tls({&leaf(), &root()}, {.stapled = Bytes(77, 1)});
  LoopbackServer server([&](int fd, int) { tls.serve(fd); });
  FixedVerifier verifier;
  const ProbeTarget t = target(server.port());
  const Judged out = judge_probe(t, run(t), verifier, 0);
  CHECK(verifier.staple_bytes() == 77);
  CHECK(out.proven_intermediates.size() == 1);
}

TEST_CASE("what does not speak TLS") {
  const ProbeFacts ssh = dumb([](int fd, int) {
    say(fd, "SSH-2.0-OpenSSH_9.2\r\n\x1b[31m");
    hear_all(fd);
  });
  CHECK(ssh.failure == ScanState::not_tls);
  CHECK(ssh.detail == "the server answers \"SSH-2.0-OpenSSH_9.2\\x0d\\x0a\\x1b[31m\"");
  const ProbeFacts http = dumb([](int fd, int) {
    hear(fd);
    say(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  CHECK(http.failure == ScanState::not_tls);
  const ProbeFacts junk = dumb([](int fd, int) {
    say(fd, std::string(5000, '\xff'));
    hear_all(fd);
  });
  CHECK(junk.failure == ScanState::not_tls);
  CHECK(junk.detail.size() <= 200);
}

TEST_CASE("ends, resets, alerts and silence") {
  LoopbackServer closing([](int fd, int) { hear(fd); });
  const ProbeFacts closed = run(target(closing.port()));
  CHECK(closed.failure == ScanState::tls_error);
  CHECK(closed.detail == "the server ended the connection in the handshake");
  CHECK(closing.accepted() == 2);
  CHECK(dumb([](int fd, int) {
          hear(fd);
          reset(fd);
        }).failure == ScanState::tls_error);
  const ProbeFacts alert = dumb([](int fd, int) {
    hear(fd);
    say(fd, "\x15\x03\x03\x00\x02\x02\x28"s);
  });
  CHECK(alert.detail == "alert handshake_failure");
  const ProbeFacts odd = dumb([](int fd, int) {
    hear(fd);
    say(fd, "\x15\x00\x00\x00\x02\x02\x70"s);
  });
  CHECK(odd.failure == ScanState::tls_error);
  CHECK(odd.detail == "alert unrecognized_name");
  LoopbackServer silent([](int fd, int) { hear_all(fd); });
  ProbeTarget t = target(silent.port());
  t.timeout = std::chrono::milliseconds(400);
  const ProbeFacts late = run(t);
  CHECK(late.failure == ScanState::timeout);
  CHECK(late.detail == "the deadline passed while shaking hands");
  t.starttls = Starttls::smtp;
  CHECK(run(t).failure == ScanState::timeout);
}

TEST_CASE("nobody there") {
  std::uint16_t port = 0;
  {
    port = LoopbackServer([](int, int) {}).port();
  }
  CHECK(run(target(port)).failure == ScanState::refused);
}

TEST_CASE("a server that never stops is cut off") {
  // A handshake message of 1 MiB announced, then records without end.
  LoopbackServer server([](int fd, int) {
    hear(fd);
    std::string record = "\x16\x03\x03\x00\x04\x00\x00\x00\x00"s;  // HelloRequest
    std::string flood;
    while (flood.size() < 256 * 1024) flood += record;
    for (int i = 0; i < 64; ++i) say(fd, flood);
    hear_all(fd);
  });
  const ProbeFacts facts = run(target(server.port()));
  CHECK(facts.failure == ScanState::tls_error);
  CHECK(facts.chain.empty());
}

TEST_CASE("a reset is the same outcome whether connect or the first read meets it") {
  const auto gone = [](int fd, int) { reset(fd); };
  for (int i = 0; i < 20; ++i) {
    CHECK(dumb(gone).failure == ScanState::tls_error);
    CHECK(dumb(gone, Starttls::smtp).failure == ScanState::starttls_protocol_error);
  }
}

TEST_CASE("tiny records cost more than their bytes: they are counted, too") {
  LoopbackServer server([](int fd, int) {
    hear(fd);
    // A ServerHello of TLS 1.2, then a certificate list of 900,000 bytes, a record for each byte.
    say(fd, "\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03"s + std::string(32, 'r') +
                "\x00\xc0\x2f\x00"s + "\x16\x03\x03\x00\x04\x0b\x0d\xbb\xa0"s);
    std::string flood;
    for (std::size_t i = 0; i < 20 * kProbeReads; ++i) flood += "\x16\x03\x03\x00\x01x"s;
    say(fd, flood);
    hear_all(fd);
  });
  const ProbeFacts facts = run(target(server.port()));
  CHECK(facts.failure == ScanState::tls_error);
  CHECK(facts.detail == "more than 2097152 bytes or 16384 pieces in a handshake");
}

TEST_CASE("STARTTLS, then TLS") {
  const TlsServerContext tls({&leaf()}, {});
  const auto smtp = [&](const std::string& reply) {
    return [&tls, reply](int fd, int) {
      say(fd, "220 hi\r\n");
      hear(fd);
      say(fd, "250-me\r\n250 STARTTLS\r\n");
      hear(fd);
      say(fd, reply);
      if (reply == "220 go\r\n") return tls.serve(fd);
      hear_all(fd);
    };
  };
  const ProbeFacts good = dumb(smtp("220 go\r\n"), Starttls::smtp);
  CHECK(good.failure == ScanState::ok);
  CHECK(good.chain.size() == 1);
  CHECK(good.alpn.empty());
  CHECK(dumb(smtp("220 go\r\n250 x\r\n"), Starttls::smtp).failure ==
        ScanState::injection_suspected);
  std::atomic<bool> hello{false};
  const ProbeFacts refused = dumb(
      [&](int fd, int) {
        say(fd, "220 hi\r\n");
        hear(fd);
        say(fd, "250-me\r\n250 STARTTLS\r\n");
        hear(fd);
        say(fd, "454 no\r\n");
        hello = !hear(fd).empty();
      },
      Starttls::smtp);
  CHECK(refused.failure == ScanState::starttls_refused);
  CHECK_FALSE(hello);
  const ProbeFacts mysql = dumb(
      [&](int fd, int) {
        say(fd, "\x4a\0\0\0\x0a"s + "8.0\0"s + std::string(13, 'x') + "\xff\xff"s +
                    std::string(54, 'x'));
        std::string request;
        while (request.size() < 36) {
          char bytes[36];
          const ssize_t got = recv(fd, bytes, 36 - request.size(), 0);
          if (got <= 0) return;
          request.append(bytes, static_cast<std::size_t>(got));
        }
        tls.serve(fd);
      },
      Starttls::mysql);
  INFO(mysql.detail);
  CHECK(mysql.failure == ScanState::ok);
  CHECK(dumb([](int, int) {}, Starttls::imap).failure == ScanState::starttls_protocol_error);
}

namespace {

// Ends in a clean state; true: it was TLS, if only at first.
bool replay(const std::string& bytes) {
  const ProbeFacts facts = dumb([&](int fd, int) {
    hear(fd);
    say(fd, bytes);
    shutdown(fd, SHUT_WR);
    hear_all(fd);
  });
  CHECK((facts.failure == ScanState::tls_error || facts.failure == ScanState::not_tls));
  CHECK_FALSE(facts.detail.empty());
  CHECK(facts.detail.size() <= 200);
  return facts.failure == ScanState::tls_error;
}

}  // namespace

TEST_CASE("server bytes of a fuzz corpus end in a clean state") {
  const std::string archive = CERTLINE_SOURCE_DIR "/../shared/corpora/tls-server-bytes.tar.xz";
  if (!std::filesystem::exists(archive)) {
    std::cout << "skipped: " << archive << " is missing\n";
    return;
  }
  const pki::test::Scratch scratch;
  REQUIRE(std::system(
              ("tar -xJf '" + archive + "' -C '" + scratch.path().string() + "'").c_str()) == 0);
  int count = 0, tls = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(scratch.path())) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    INFO(entry.path());
    replay(bytes);
    // Most begin with settings of the harness they come from: the server's part follows.
    const std::size_t first_record = bytes.find("\x16\x03");
    if (first_record != std::string::npos && first_record > 0)
      tls += replay(bytes.substr(first_record));
    ++count;
  }
  std::cout << "server byte streams: " << count << " of 648 ended in a clean state, " << tls
            << " again as TLS behind their preamble\n";
  CHECK(count == 648);
  CHECK(tls >= 300);
}
