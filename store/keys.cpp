// API keys, and the index from an account to its keys. Each write updates the index from the stored
// record. Next on the way: accounts.cpp.
#include "store/keys.hpp"

namespace certline::store {

using Row = std::pair<KeyTag, KeyRecord>;

std::optional<KeyRecord> Keys::find(const Sha256& key_hash) const {
  return rows().load<KeyRecord>(Table::keys, api_key_key(key_hash));
}

std::optional<KeyRecord> Keys::by_tag(const KeyTag& tag) const {
  return rows().load<KeyRecord>(Table::keys, tag_key(tag));
}

Range<Row> Keys::of(AccountId account, const KeyTag& after) const {
  if (!rows().has(Table::account_keys)) {  // an older format, open for reading
    const auto read = [account](ByteView key, ByteView value) -> std::optional<Row> {
      Row row{parse_tag_key(key), {}};
      decode({value, key}, row.second);
      if (row.second.account != account) return std::nullopt;
      return row;
    };
    return rows_after<Row>(rows(), Table::keys, tag_key(after), RowKey(), read);
  }
  rows().must_be_sound(Table::keys);  // a damaged one may have no entry in the index
  const auto read = [this](ByteView key, ByteView value) -> std::optional<Row> {
    check_index({value, key});
    const KeyTag tag = parse_account_keys_key(key).tag;
    auto record = by_tag(tag);
    if (!record) throw CorruptValue("an index names a key that is not there");
    return Row{tag, std::move(*record)};
  };
  return rows_after<Row>(rows(), Table::account_keys, account_keys_key(account, after),
                         account_key(account), read);
}

void Keys::put(const Sha256& key_hash, const KeyRecord& record) {
  KeyRecord whole = record;
  whole.digest = key_hash;
  const auto before = find(key_hash);
  const bool moves = !before || before->account != record.account;
  // Its count of names and its reports are of no concern to a reader.
  if (moves || before->state != record.state) rows().changes().touch_key(key_hash);
  if (moves) {
    const KeyTag tag = half_of(key_hash);
    if (before) rows().remove(Table::account_keys, account_keys_key(before->account, tag));
    rows().put(Table::account_keys, account_keys_key(record.account, tag));
  }
  rows().put(Table::keys, api_key_key(key_hash), encode(whole));
}

void Keys::remove(const KeyTag& tag) {
  const auto before = by_tag(tag);
  if (!before) return;
  rows().changes().touch_key(before->digest);
  rows().remove(Table::account_keys, account_keys_key(before->account, tag));
  rows().remove(Table::keys, tag_key(tag));
}

}  // namespace certline::store
