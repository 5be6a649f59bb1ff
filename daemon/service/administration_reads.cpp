// The pages that administrators ask for. What they change is administration_writes.cpp.
#include "daemon/service/account_rows.hpp"
#include "daemon/service/handlers.hpp"

namespace certline::service {
namespace {

constexpr std::size_t kPageRows = 32;  // more than fit one reply

}  // namespace

Reply handle(ReadContext& context, const ListAccounts& request) {
  const store::ReadView& view = context.view();
  AccountPage page;
  for (const AccountRecord& account : view.accounts.all(request.after).first(kPageRows + 1)) {
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
       view.keys.of(account->id, request.after.value_or(KeyTag{})).first(kPageRows + 1)) {
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
  for (const DeliveryRecord& delivery : view.deliveries.all(request.after)) {
    if (!delivery.dead) continue;
    if (page.rows.size() == kPageRows) {
      page.more = true;
      break;
    }
    page.rows.push_back(dead_letter_row(delivery));
  }
  return ReplyBody{std::move(page)};
}

}  // namespace certline::service
