// Tokens of mails. Only their hashes are stored. Next on the way: audit.cpp.
#include "store/tokens.hpp"

namespace certline::store {

using Row = std::pair<KeyTag, TokenRecord>;

std::optional<TokenRecord> Tokens::find(const Sha256& token_hash) const {
  return rows().load<TokenRecord>(Table::tokens, tag_key(half_of(token_hash)));
}

Range<Row> Tokens::all(const KeyTag& after) const {
  return rows_after<Row>(rows(), Table::tokens, tag_key(after), RowKey(),
                         [](ByteView key, ByteView value) {
                           Row row{parse_tag_key(key), {}};
                           decode({value, key}, row.second);
                           return row;
                         });
}

void Tokens::put(const Sha256& token_hash, const TokenRecord& record) {
  TokenRecord whole = record;
  whole.digest = token_hash;
  rows().put(Table::tokens, tag_key(half_of(token_hash)), encode(whole));
}

void Tokens::remove(const KeyTag& first_half) {
  rows().remove(Table::tokens, tag_key(first_half));
}

}  // namespace certline::store
