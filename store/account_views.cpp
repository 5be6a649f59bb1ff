// Reads and writes of accounts, their keys, and what is known about who did what to them. Indexes
// are kept from what is stored; numbers come from the format record, so that none is given out
// twice, not even after a restore.
#include <algorithm>

#include "store/view_state.hpp"

namespace certline::store {

std::optional<KeyRecord> ReadView::key(const Sha256& key_hash) const {
  return impl_->load<KeyRecord>(Table::keys, api_key_key(key_hash));
}

std::optional<KeyRecord> ReadView::key_by_tag(const KeyTag& tag) const {
  return impl_->load<KeyRecord>(Table::keys, tag_key(tag));
}

std::vector<std::pair<KeyTag, KeyRecord>> ReadView::keys(AccountId account, const KeyTag& after,
                                                         std::size_t most) const {
  std::vector<std::pair<KeyTag, KeyRecord>> out;
  if (most == 0) return out;
  if (!impl_->environment->has(Table::account_keys)) {  // an older format, open for reading
    impl_->scan(Table::keys, Key(), tag_key(after), [&](ByteView key, ByteView value) {
      KeyRecord record;
      decode({value, key}, record);
      const KeyTag tag = parse_tag_key(key);
      if (record.account == account && tag != after) out.emplace_back(tag, std::move(record));
      return out.size() < most;
    });
    return out;
  }
  impl_->must_be_sound(Table::keys);  // a damaged one may have no entry in the index
  impl_->scan(Table::account_keys, account_key(account), account_keys_key(account, after),
              [&](ByteView key, ByteView value) {
                check_index({value, key});
                const KeyTag tag = parse_account_keys_key(key).tag;
                if (tag == after) return true;
                auto record = key_by_tag(tag);
                if (!record) throw CorruptValue("an index names a key that is not there");
                out.emplace_back(tag, std::move(*record));
                return out.size() < most;
              });
  return out;
}

std::optional<AccountRecord> ReadView::account(AccountId id) const {
  return impl_->load<AccountRecord>(Table::accounts, account_key(id));
}

std::vector<AccountRecord> ReadView::accounts(AccountId after, std::size_t most) const {
  std::vector<AccountRecord> out;
  if (most == 0) return out;
  impl_->scan(Table::accounts, Key(), account_key(after), [&](ByteView key, ByteView value) {
    if (parse_number_key(key) == after) return true;
    decode({value, key}, out.emplace_back());
    return out.size() < most;
  });
  return out;
}

std::optional<AccountId> ReadView::account_by_email(std::string_view email) const {
  const auto found = impl_->load<ReferenceRecord>(Table::emails, email_key(email));
  if (!found) return std::nullopt;
  return found->id;
}

std::vector<AccountId> ReadView::claims(std::string_view email, std::size_t most) const {
  std::vector<AccountId> out;
  if (most == 0) return out;
  const Key prefix = claims_of(email);
  impl_->scan(Table::claims, prefix, prefix, [&](ByteView key, ByteView value) {
    check_index({value, key});
    out.push_back(parse_claim_key(key).account);
    return out.size() < most;
  });
  return out;
}

std::optional<TokenRecord> ReadView::token(const Sha256& token_hash) const {
  return impl_->load<TokenRecord>(Table::tokens, tag_key(tag_of(token_hash)));
}

std::vector<std::pair<KeyTag, TokenRecord>> ReadView::tokens(const KeyTag& after,
                                                             std::size_t most) const {
  std::vector<std::pair<KeyTag, TokenRecord>> out;
  if (most == 0) return out;
  impl_->scan(Table::tokens, Key(), tag_key(after), [&](ByteView key, ByteView value) {
    const KeyTag half = parse_tag_key(key);
    if (half == after) return true;
    decode({value, key}, out.emplace_back(half, TokenRecord{}).second);
    return out.size() < most;
  });
  return out;
}

std::vector<std::pair<std::uint64_t, AuditRecord>> ReadView::audit(std::uint64_t after,
                                                                   std::size_t most) const {
  std::vector<std::pair<std::uint64_t, AuditRecord>> out;
  if (most == 0) return out;
  impl_->scan(Table::audit, Key(), number_key(after), [&](ByteView key, ByteView value) {
    const std::uint64_t number = parse_number_key(key);
    if (number == after) return true;
    decode({value, key}, out.emplace_back(number, AuditRecord{}).second);
    return out.size() < most;
  });
  return out;
}

std::uint32_t ReadView::new_accounts(UtcTime day, const IpAddress& source) const {
  const Key key = newcomer_key(static_cast<std::uint32_t>(day), source);
  return impl_->load<CountRecord>(Table::newcomers, key).value_or(CountRecord{}).count;
}

Sha256 ReadView::secret() const {
  const MetaRecord meta = impl_->meta();
  if (!meta.secret) throw StoreFailure("a store of an older format has no secret yet");
  return *meta.secret;
}

AccountId WriteView::new_account_id() {
  return impl_->take_number(&MetaRecord::next_account);
}

EndpointId WriteView::new_endpoint_id() {
  return impl_->take_number(&MetaRecord::next_endpoint);
}

std::uint64_t WriteView::new_delivery_id() {
  return impl_->take_number(&MetaRecord::next_delivery);
}

void WriteView::put_key(const Sha256& key_hash, const KeyRecord& record) {
  KeyRecord whole = record;
  whole.digest = key_hash;
  const auto before = key(key_hash);
  const bool moves = !before || before->account != record.account;
  // Its count of names and its reports are of no concern to a reader.
  if (moves || before->state != record.state) impl_->changes->touch_key(key_hash);
  if (moves) {
    const KeyTag tag = tag_of(key_hash);
    if (before) impl_->remove(Table::account_keys, account_keys_key(before->account, tag).view());
    impl_->put(Table::account_keys, account_keys_key(record.account, tag));
  }
  impl_->put(Table::keys, api_key_key(key_hash), encode(whole));
}

void WriteView::remove_key(const KeyTag& tag) {
  const auto before = key_by_tag(tag);
  if (!before) return;
  impl_->changes->touch_key(before->digest);
  impl_->remove(Table::account_keys, account_keys_key(before->account, tag).view());
  impl_->remove(Table::keys, tag_key(tag).view());
}

void WriteView::put_account(const AccountRecord& record) {
  const auto before = account(record.id);
  if (before && before->email != record.email) forget_email(*before);
  if (before && !before->claimed_email.empty() && before->claimed_email != record.claimed_email)
    impl_->remove(Table::claims, claim_key(before->claimed_email, record.id).view());
  if (!record.email.empty())
    impl_->put(Table::emails, email_key(record.email), encode(ReferenceRecord{record.id}));
  if (!record.claimed_email.empty())
    impl_->put(Table::claims, claim_key(record.claimed_email, record.id));
  impl_->put(Table::accounts, account_key(record.id), encode(record));
}

// Unless another account has it by now.
void WriteView::forget_email(const AccountRecord& account) {
  if (account.email.empty() || account_by_email(account.email) != account.id) return;
  impl_->remove(Table::emails, email_key(account.email).view());
}

void WriteView::remove_account(AccountId id) {
  const auto before = account(id);
  if (!before) return;
  forget_email(*before);
  if (!before->claimed_email.empty())
    impl_->remove(Table::claims, claim_key(before->claimed_email, id).view());
  impl_->remove(Table::accounts, account_key(id).view());
}

void WriteView::put_token(const Sha256& token_hash, const TokenRecord& record) {
  TokenRecord whole = record;
  whole.digest = token_hash;
  impl_->put(Table::tokens, tag_key(tag_of(token_hash)), encode(whole));
}

void WriteView::remove_token(const KeyTag& first_half) {
  impl_->remove(Table::tokens, tag_key(first_half).view());
}

void WriteView::append_audit(const AuditRecord& record) {
  const Key key = number_key(impl_->take_number(&MetaRecord::next_audit));
  if (impl_->get(Table::audit, key)) throw CorruptValue("the audit goes beyond its last number");
  impl_->put(Table::audit, key, encode(record));
}

// The table holds one day, so what another day left goes at once, however much it is.
void WriteView::count_new_account(UtcTime day, const IpAddress& source) {
  const auto today = static_cast<std::uint32_t>(day);
  bool of_today = true;
  impl_->scan(Table::newcomers, Key(), Key(), [&](ByteView key, ByteView) {
    of_today = parse_newcomer_key(key).day == today;
    return false;
  });
  if (!of_today) impl_->clear(Table::newcomers);
  const std::uint32_t count = new_accounts(day, source) + 1;
  impl_->put(Table::newcomers, newcomer_key(today, source), encode(CountRecord{count}));
}

}  // namespace certline::store
