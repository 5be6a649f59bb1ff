#pragma once
// One handler for each request: a reading one looks at the store and answers at once, a writing one
// runs inside the write transaction (write_context.hpp) and is answered after its commit. A request
// without a handler does not compile.

#include <concepts>

#include "daemon/service/read_context.hpp"
#include "daemon/service/write_context.hpp"
#include "protocol/request.hpp"

namespace certline::service {

Reply handle(ReadContext& context, const NewKey& request);
Reply handle(ReadContext& context, const GetExpiration& request);
Reply handle(ReadContext& context, const ListDomains& request);
Reply handle(ReadContext& context, const ListAddresses& request);
Reply handle(ReadContext& context, const CheckDomain& request);
Reply handle(ReadContext& context, const Ping& request);
Reply handle(ReadContext& context, const Help& request);
Reply handle(ReadContext& context, const GetStatus& request);
Reply handle(ReadContext& context, const GetUser& request);
Reply handle(ReadContext& context, const ListAccounts& request);
Reply handle(ReadContext& context, const ListKeys& request);
Reply handle(ReadContext& context, const ListDeadLetters& request);

Reply handle(WriteContext& context, const AddDomain& request);
Reply handle(WriteContext& context, const RemoveDomain& request);
Reply handle(WriteContext& context, const ScanDomain& request);
Reply handle(WriteContext& context, const AddCertificate& request);
Reply handle(WriteContext& context, const ClaimKey& request);
Reply handle(WriteContext& context, const SetNotify& request);
Reply handle(WriteContext& context, const ConfirmToken& request);
Reply handle(WriteContext& context, const RevokeKey& request);
Reply handle(WriteContext& context, const VerifyAccount& request);
Reply handle(WriteContext& context, const BlockAccount& request);
Reply handle(WriteContext& context, const UnblockAccount& request);
Reply handle(WriteContext& context, const SetQuota& request);
Reply handle(WriteContext& context, const DeleteAccount& request);

template <class R>
concept Reading = requires(ReadContext& context, const R& request) {
  { handle(context, request) } -> std::same_as<Reply>;
};
template <class R>
concept Writing = requires(WriteContext& context, const R& request) {
  { handle(context, request) } -> std::same_as<Reply>;
};

template <class... R>
constexpr bool each_has_one_handler(const std::variant<R...>*) {
  return ((Reading<R> != Writing<R>)&&...);
}
static_assert(each_has_one_handler(static_cast<const Request*>(nullptr)));

}  // namespace certline::service
