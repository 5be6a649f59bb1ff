// Accounts and their two indexes. Each write updates the indexes from the stored record. Numbers
// come from the format record, so no number is given out twice, not even after a restore. Next on
// the way: watches.cpp.
#include "store/accounts.hpp"

namespace certline::store {

std::optional<AccountRecord> Accounts::find(AccountId id) const {
  return rows().load<AccountRecord>(Table::accounts, account_key(id));
}

std::optional<AccountId> Accounts::by_email(std::string_view email) const {
  const auto found = rows().load<ReferenceRecord>(Table::emails, email_key(email));
  if (!found) return std::nullopt;
  return found->id;
}

Range<AccountRecord> Accounts::all(AccountId after) const {
  return rows_after<AccountRecord>(rows(), Table::accounts, account_key(after), RowKey(),
                                   [](ByteView key, ByteView value) {
                                     AccountRecord record;
                                     decode({value, key}, record);
                                     return record;
                                   });
}

Range<AccountId> Accounts::claiming(std::string_view email) const {
  const RowKey prefix = claims_of(email);
  return rows_after<AccountId>(rows(), Table::claims, prefix, prefix,
                               [](ByteView key, ByteView value) {
                                 check_index({value, key});
                                 return parse_claim_key(key).account;
                               });
}

std::uint32_t Accounts::opened(UtcTime day, const IpAddress& source) const {
  const RowKey key = newcomer_key(static_cast<std::uint32_t>(day), source);
  return rows().load<CountRecord>(Table::newcomers, key).value_or(CountRecord{}).count;
}

AccountId Accounts::new_id() {
  return rows().take_number(&MetaRecord::next_account);
}

void Accounts::put(const AccountRecord& record) {
  const auto before = find(record.id);
  if (before && before->email != record.email) forget_email(*before);
  if (before && !before->claimed_email.empty() && before->claimed_email != record.claimed_email)
    rows().remove(Table::claims, claim_key(before->claimed_email, record.id));
  if (!record.email.empty())
    rows().put(Table::emails, email_key(record.email), encode(ReferenceRecord{record.id}));
  if (!record.claimed_email.empty())
    rows().put(Table::claims, claim_key(record.claimed_email, record.id));
  rows().put(Table::accounts, account_key(record.id), encode(record));
}

// Unless another account has it by now.
void Accounts::forget_email(const AccountRecord& account) {
  if (account.email.empty() || by_email(account.email) != account.id) return;
  rows().remove(Table::emails, email_key(account.email));
}

void Accounts::remove(AccountId id) {
  const auto before = find(id);
  if (!before) return;
  forget_email(*before);
  if (!before->claimed_email.empty())
    rows().remove(Table::claims, claim_key(before->claimed_email, id));
  rows().remove(Table::accounts, account_key(id));
}

// The table holds one day, so what another day left goes at once, however much it is.
void Accounts::count_opened(UtcTime day, const IpAddress& source) {
  const auto today = static_cast<std::uint32_t>(day);
  bool of_today = true;
  rows().range(Table::newcomers, RowKey(), [&](ByteView key, ByteView) {
    of_today = parse_newcomer_key(key).day == today;
    return false;
  });
  if (!of_today) rows().clear(Table::newcomers);
  const std::uint32_t count = opened(day, source) + 1;
  rows().put(Table::newcomers, newcomer_key(today, source), encode(CountRecord{count}));
}

}  // namespace certline::store
