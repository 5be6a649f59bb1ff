// The pages that administrators ask for. What they change is administration_writes.cpp.
#include "daemon/service/account_rows.hpp"
#include "daemon/service/handlers.hpp"

namespace certline::service {
namespace {

constexpr std::size_t kPageRows = 32;  // more than fit one reply
constexpr std::size_t kChunk = 1000;

}  // namespace

Reply handle(ReadContext& context, const ListAccounts& request) {
  const store::ReadView& view = context.view();
  AccountPage page;
  for (const AccountRecord& account : view.accounts(request.after, kPageRows + 1)) {
    if (page.rows.size() == kPageRows) {
      page.more = true;
      break;
    }
    page.rows.push_back(account_row(view, account, context.settings.config));
  }
  return ReplyBody{std::move(page)};
}

Reply handle(ReadContext& context, const ListKeys& request) {
  const store::ReadView& view = context.view();
  const auto account = find_account(view, request.account);
  if (!account) return account.error();
  KeyPage page;
  for (const auto& [tag, key] :
       view.keys(account->id, request.after.value_or(KeyTag{}), kPageRows + 1)) {
    if (page.rows.size() == kPageRows) {
      page.more = true;
      break;
    }
    page.rows.push_back(key_row(tag, key));
  }
  return ReplyBody{std::move(page)};
}

Reply handle(ReadContext& context, const ListDeadLetters& request) {
  const store::ReadView& view = context.view();
  DeadLetterPage page;
  std::uint64_t after = request.after;
  for (auto chunk = view.deliveries(after, kChunk); !chunk.empty() && !page.more;
       chunk = view.deliveries(after, kChunk)) {
    after = chunk.back().id;
    for (const DeliveryRecord& delivery : chunk) {
      if (!delivery.dead) continue;
      if (page.rows.size() == kPageRows) {
        page.more = true;
        break;
      }
      page.rows.push_back(dead_letter_row(delivery));
    }
  }
  return ReplyBody{std::move(page)};
}

}  // namespace certline::service
