// The values about people and not about certificates: tokens, the audit, and the records between an
// event and its message. They are apart because they change for other reasons. The rules are those
// of codec.cpp.
#include "store/flat_values.hpp"

namespace certline::store {

EventKind event_kind(std::uint8_t n) {
  return named(n, EventKind::renewal_overdue, EventKind::mail_confirmation,
               "unknown kind of event");
}

std::string encode(const CountRecord& r) {
  FlatBufferBuilder b(64);
  return finish(b, flat::CreateCount(b, r.count));
}

void decode(StoredValue value, CountRecord& out) {
  const Decoded<flat::Count> t(value);
  out.count = t->count();
}

std::string encode(const TokenRecord& r) {
  FlatBufferBuilder b(256);
  const auto email = b.CreateString(r.email);
  const auto digest = to_struct<flat::Hash>(r.digest);
  flat::KeyTag key;
  return finish(b, flat::CreateToken(b, number(r.purpose), email, unless_zero(r.key, key),
                                     r.created_utc, r.expires_utc, r.used_utc, &digest));
}

void decode(StoredValue value, TokenRecord& out) {
  const Decoded<flat::Token> t(value);
  out.purpose = named(t->purpose(), TokenPurpose::confirm, TokenPurpose::unsubscribe,
                      "unknown purpose of a token");
  out.email = text(t->email());
  out.key = or_zero<16>(t->key());
  out.created_utc = t->created_utc();
  out.expires_utc = t->expires_utc();
  out.used_utc = t->used_utc();
  out.digest = required<32>(t->digest());
}

std::string encode(const AuditRecord& r) {
  FlatBufferBuilder b(256);
  const auto actor = b.CreateString(r.actor);
  const auto action = b.CreateString(r.action);
  const auto subject = b.CreateString(r.subject);
  const auto detail = short_text(b, r.detail);
  flat::Address source;
  return finish(b, flat::CreateAudit(b, r.at_utc, actor, unless_zero(r.source.bytes, source),
                                     action, r.account, subject, detail));
}

void decode(StoredValue value, AuditRecord& out) {
  const Decoded<flat::Audit> t(value);
  out.at_utc = t->at_utc();
  out.actor = text(t->actor());
  out.source.bytes = or_zero<16>(t->source());
  out.action = text(t->action());
  out.account = t->account();
  out.subject = text(t->subject());
  out.detail = text(t->detail());
}

std::string encode(const AlertState& r) {
  FlatBufferBuilder b(256);
  const auto leaf = to_struct<flat::Hash>(r.leaf.value_or(Sha256{}));
  const auto earlier = to_struct<flat::Hash>(r.earlier.value_or(Sha256{}));
  flat::Hash verdict_leaf;
  return finish(b,
                flat::CreateAlertState(
                    b, r.leaf ? &leaf : nullptr, r.not_before_utc, r.not_after_utc, r.renewal_stage,
                    r.expired_stage, r.earlier ? &earlier : nullptr, r.reverts, number(r.verdict),
                    unless_zero(r.verdict_leaf, verdict_leaf), r.disagreement_told, r.disagreements,
                    number(r.network_told), number(r.network_state), r.network_failures));
}

void decode(StoredValue value, AlertState& out) {
  const Decoded<flat::AlertState> t(value);
  out.leaf = optional_hash(t->leaf());
  out.not_before_utc = t->not_before_utc();
  out.not_after_utc = t->not_after_utc();
  out.renewal_stage = t->renewal_stage();
  out.expired_stage = t->expired_stage();
  out.earlier = optional_hash(t->earlier());
  out.reverts = t->reverts();
  out.verdict = state(t->verdict());
  out.verdict_leaf = or_zero<32>(t->verdict_leaf());
  out.disagreement_told = t->disagreement_told();
  out.disagreements = t->disagreements();
  out.network_told = event_kind(t->network_told());
  out.network_state = state(t->network_state());
  out.network_failures = t->network_failures();
}

std::string encode(const IncidentRecord& r) {
  FlatBufferBuilder b(512);
  std::vector<flatbuffers::Offset<flat::IncidentHost>> offsets;
  offsets.reserve(r.hosts.size());
  for (const IncidentHost& host : r.hosts) {
    const auto name = b.CreateString(host.name);
    offsets.push_back(flat::CreateIncidentHost(b, host.endpoint, name, host.over));
  }
  const auto hosts = b.CreateVector(offsets);
  return finish(b, flat::CreateIncident(b, r.begun_utc, r.told_utc, hosts, r.more_hosts));
}

void decode(StoredValue value, IncidentRecord& out) {
  const Decoded<flat::Incident> t(value);
  out.begun_utc = t->begun_utc();
  out.told_utc = t->told_utc();
  out.hosts.clear();
  if (const auto* hosts = t->hosts()) {
    out.hosts.reserve(hosts->size());
    for (const auto* host : *hosts)
      out.hosts.push_back({host->endpoint(), text(host->name()), host->over()});
  }
  out.more_hosts = t->more_hosts();
}

std::string encode(const DeliveryRecord& r) {
  FlatBufferBuilder b(r.message.size() + 512);
  const auto channel = b.CreateString(r.channel);
  const auto to = short_text(b, r.to);
  const auto message = b.CreateString(r.message);
  const auto last_error = short_text(b, r.last_error);
  return finish(b, flat::CreateDelivery(b, r.id, channel, to, r.account, message, r.created_utc,
                                        r.attempts, r.next_utc, r.dead, last_error));
}

void decode(StoredValue value, DeliveryRecord& out) {
  const Decoded<flat::Delivery> t(value);
  out.id = t->id();
  out.channel = text(t->channel());
  out.to = text(t->to());
  out.account = t->account();
  out.message = text(t->message());
  out.created_utc = t->created_utc();
  out.attempts = t->attempts();
  out.next_utc = t->next_utc();
  out.dead = t->dead();
  out.last_error = text(t->last_error());
}

}  // namespace certline::store
