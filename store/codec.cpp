// FlatBuffers encodes. Decoding first copies the value to aligned memory, because LMDB aligns
// values to two bytes only. Then it checks everything: checksum, structure, ranges of numbers.
#include "store/codec.hpp"

#include "store/flat_values.hpp"

namespace certline::store {

void mix(std::string& value, std::uint32_t crc) {
  for (std::size_t i = 0; i < kChecksumBytes; ++i)
    value[i] = static_cast<char>(value[i] ^ static_cast<char>(crc >> (8 * i)));
}

std::uint32_t checksum_of(ByteView value) {
  if (value.size() < kChecksumBytes) throw CorruptValue("value too short");
  std::uint32_t crc = 0;
  for (std::size_t i = 0; i < kChecksumBytes; ++i)
    crc |= static_cast<std::uint32_t>(value[i]) << (8 * i);
  return crc;
}

bool sums_up(std::uint32_t stored, ByteView body, ByteView key) {
  const std::uint32_t own = crc32c(body);
  return stored == (own ^ crc32c(key)) || stored == own;
}

std::string bind(std::string value, ByteView key) {
  if (value.empty()) value.resize(kChecksumBytes);
  mix(value, crc32c(key));
  return value;
}

bool is_sound(StoredValue row) {
  if (row.bytes.empty()) return true;  // an index row of format 1
  if (row.bytes.size() < kChecksumBytes) return false;
  return sums_up(checksum_of(row.bytes), row.bytes.subspan(kChecksumBytes), row.key);
}

void check_index(StoredValue row) {
  if (row.bytes.empty()) return;  // as format 1 wrote it
  if (row.bytes.size() != kChecksumBytes) throw CorruptValue("index entry with a value");
  if (checksum_of(row.bytes) != crc32c(row.key)) throw CorruptValue("checksum mismatch");
}

std::string encode(const MetaRecord& r) {
  FlatBufferBuilder b(192);
  const auto secret = to_struct<flat::Hash>(r.secret.value_or(Sha256{}));
  return finish(b, flat::CreateMeta(b, r.format, r.next_account, r.next_endpoint, r.next_delivery,
                                    r.next_audit, r.secret ? &secret : nullptr));
}

void decode(StoredValue value, MetaRecord& out) {
  const Decoded<flat::Meta> t(value);
  out = {t->format(),        t->next_account(), t->next_endpoint(),
         t->next_delivery(), t->next_audit(),   optional_hash(t->secret())};
}

std::string encode(const ReferenceRecord& r) {
  FlatBufferBuilder b(64);
  return finish(b, flat::CreateReference(b, r.id));
}

void decode(StoredValue value, ReferenceRecord& out) {
  const Decoded<flat::Reference> t(value);
  out.id = t->id();
}

std::string encode(const IntermediateRecord& r) {
  FlatBufferBuilder b(r.der.size() + 64);
  const auto der = b.CreateVector(r.der);
  return finish(b, flat::CreateIntermediate(b, der));
}

void decode(StoredValue value, IntermediateRecord& out) {
  const Decoded<flat::Intermediate> t(value);
  out.der = blob(t->der());
}

std::string encode(const AccountRecord& r) {
  FlatBufferBuilder b(256);
  const auto email = b.CreateString(r.email);
  const auto claimed = short_text(b, r.claimed_email);
  const auto digest =
      r.digest ? flatbuffers::Optional<std::uint8_t>(number(*r.digest)) : flatbuffers::nullopt;
  return finish(b, flat::CreateAccount(b, r.id, email, r.created_utc, claimed, r.verified_utc,
                                       r.blocked_utc, r.no_further_keys, r.names_per_key,
                                       r.mail_off, digest, r.digest_utc, r.mailed_utc));
}

void decode(StoredValue value, AccountRecord& out) {
  const Decoded<flat::Account> t(value);
  out.id = t->id();
  out.email = text(t->email());
  out.created_utc = t->created_utc();
  out.claimed_email = text(t->claimed_email());
  out.verified_utc = t->verified_utc();
  out.blocked_utc = t->blocked_utc();
  out.no_further_keys = t->no_further_keys();
  out.names_per_key = t->names_per_key();
  out.mail_off = t->mail_off();
  out.digest.reset();
  if (const auto digest = t->digest())
    out.digest = named(*digest, Digest::off, Digest::weekly, "unknown kind of digest");
  out.digest_utc = t->digest_utc();
  out.mailed_utc = t->mailed_utc();
}

std::string encode(const KeyRecord& r) {
  FlatBufferBuilder b(192);
  const auto digest = to_struct<flat::Hash>(r.digest);
  flat::Address source;
  return finish(b, flat::CreateKey(b, r.account, r.created_utc, r.names, &digest, number(r.state),
                                   r.confirmed_utc, unless_zero(r.source.bytes, source),
                                   r.last_seen_utc, r.reports, r.usual_gap_s, r.silence_told));
}

void decode(StoredValue value, KeyRecord& out) {
  const Decoded<flat::Key> t(value);
  out.account = t->account();
  out.created_utc = t->created_utc();
  out.names = t->names();
  out.digest = required<32>(t->digest());
  out.state = named(t->state(), KeyState::active, KeyState::blocked, "unknown state of a key");
  out.confirmed_utc = t->confirmed_utc();
  out.source.bytes = or_zero<16>(t->source());
  out.last_seen_utc = t->last_seen_utc();
  out.reports = t->reports();
  out.usual_gap_s = t->usual_gap_s();
  out.silence_told = t->silence_told();
}

std::string encode(const WatchRecord& r) {
  FlatBufferBuilder b(256);
  const auto id = to_struct<flat::Uuid>(r.id);
  const auto added_by = to_struct<flat::Hash>(r.added_by);
  const auto expected = to_struct<flat::Hash>(r.expected.value_or(Sha256{}));
  return finish(
      b, flat::CreateWatch(b, &id, r.endpoint, &added_by, r.created_utc,
                           r.expected ? &expected : nullptr, r.expected_utc, r.expected_met_utc,
                           r.expected_told, r.trial_until_utc, r.resting));
}

void decode(StoredValue value, WatchRecord& out) {
  const Decoded<flat::Watch> t(value);
  out.id = required<16>(t->id());
  out.endpoint = t->endpoint();
  out.added_by = required<32>(t->added_by());
  out.created_utc = t->created_utc();
  out.expected = optional_hash(t->expected());
  out.expected_utc = t->expected_utc();
  out.expected_met_utc = t->expected_met_utc();
  out.expected_told = t->expected_told();
  out.trial_until_utc = t->trial_until_utc();
  out.resting = t->resting();
}

std::string encode(const EndpointRecord& r) {
  FlatBufferBuilder b(512);
  const auto host = b.CreateString(r.host);
  const auto detail = b.CreateString(r.detail);
  return finish(
      b, flat::CreateEndpoint(b, r.id, host, r.port, static_cast<std::uint8_t>(r.starttls),
                              r.watchers, r.next_scan_utc, r.last_scan_utc, r.scan_requested_utc,
                              r.failures, r.expectation_step, r.expectation_open, r.addresses,
                              r.certificate_found, r.trusted, r.not_after_utc, r.renewal_due_utc,
                              number(r.problem), detail, r.resting));
}

void decode(StoredValue value, EndpointRecord& out) {
  const Decoded<flat::Endpoint> t(value);
  if (t->starttls() >= kStarttlsCount) throw CorruptValue("unknown STARTTLS protocol");
  out.id = t->id();
  out.host = text(t->host());
  out.port = t->port();
  out.starttls = static_cast<Starttls>(t->starttls());
  out.watchers = t->watchers();
  out.next_scan_utc = t->next_scan_utc();
  out.last_scan_utc = t->last_scan_utc();
  out.scan_requested_utc = t->scan_requested_utc();
  out.failures = t->failures();
  out.expectation_step = t->expectation_step();
  out.expectation_open = t->expectation_open();
  out.addresses = t->addresses();
  out.certificate_found = t->certificate_found();
  out.trusted = t->trusted();
  out.not_after_utc = t->not_after_utc();
  out.renewal_due_utc = t->renewal_due_utc();
  out.problem = state(t->problem());
  out.detail = text(t->detail());
  out.resting = t->resting();
}

std::string encode(const AddressRecord& r) {
  FlatBufferBuilder b(1024);
  std::vector<flat::Hash> hashes;
  hashes.reserve(r.chain.size());
  for (const auto& hash : r.chain) hashes.push_back(to_struct<flat::Hash>(hash));
  const auto detail = b.CreateString(r.detail);
  const auto chain = b.CreateVectorOfStructs(hashes);
  const auto protocol = b.CreateString(r.protocol);
  const auto cipher = b.CreateString(r.cipher);
  const auto alpn = b.CreateString(r.alpn);
  const auto group = b.CreateString(r.group);
  const auto address = to_struct<flat::Address>(r.address.bytes);
  return finish(b, flat::CreateAddressState(b, &address, number(r.state), detail, r.trusted, chain,
                                            r.not_before_utc, r.not_after_utc, protocol, cipher,
                                            alpn, group, r.first_seen_utc, r.last_scan_utc,
                                            r.state_since_utc, r.last_certificate_utc));
}

void decode(StoredValue value, AddressRecord& out) {
  const Decoded<flat::AddressState> t(value);
  out.address.bytes = required<16>(t->address());
  out.state = state(t->state());
  out.detail = text(t->detail());
  out.trusted = t->trusted();
  out.chain.clear();
  if (const auto* chain = t->chain())
    for (const auto* hash : *chain) out.chain.push_back(required<32>(hash));
  out.not_before_utc = t->not_before_utc();
  out.not_after_utc = t->not_after_utc();
  out.protocol = text(t->protocol());
  out.cipher = text(t->cipher());
  out.alpn = text(t->alpn());
  out.group = text(t->group());
  out.first_seen_utc = t->first_seen_utc();
  out.last_scan_utc = t->last_scan_utc();
  out.state_since_utc = t->state_since_utc();
  out.last_certificate_utc = t->last_certificate_utc();
}

std::string encode(const CertificateRecord& r) {
  FlatBufferBuilder b(r.der.size() + 128);
  const auto der = b.CreateVector(r.der);
  return finish(b, flat::CreateCertificate(b, der, r.references, r.first_seen_utc));
}

void decode(StoredValue value, CertificateRecord& out) {
  const Decoded<flat::Certificate> t(value);
  out = {blob(t->der()), t->references(), t->first_seen_utc()};
}

std::string encode(const HistoryRecord& r) {
  FlatBufferBuilder b(256);
  const auto address = to_struct<flat::Address>(r.address.bytes);
  const auto before = to_struct<flat::Hash>(r.leaf_before.value_or(Sha256{}));
  const auto after = to_struct<flat::Hash>(r.leaf_after.value_or(Sha256{}));
  return finish(
      b, flat::CreateChange(b, r.at_utc, &address, static_cast<std::uint8_t>(r.kind),
                            number(r.before), number(r.after), r.leaf_before ? &before : nullptr,
                            r.leaf_after ? &after : nullptr));
}

void decode(StoredValue value, HistoryRecord& out) {
  const Decoded<flat::Change> t(value);
  out.at_utc = t->at_utc();
  out.address.bytes = required<16>(t->address());
  out.kind =
      named(t->kind(), ChangeKind::appeared, ChangeKind::certificate, "unknown kind of change");
  out.before = state(t->before());
  out.after = state(t->after());
  out.leaf_before = optional_hash(t->leaf_before());
  out.leaf_after = optional_hash(t->leaf_after());
}

}  // namespace certline::store
