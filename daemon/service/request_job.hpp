#pragma once
// A writing request as a job for the store.

#include <functional>
#include <memory>

#include "daemon/runtime/parts.hpp"
#include "daemon/runtime/settings.hpp"
#include "daemon/service/caller.hpp"
#include "daemon/service/refusal_rows.hpp"
#include "protocol/request.hpp"

namespace certline::service {

// `answer` is called on the writer thread, after the commit.
std::unique_ptr<store::WriteJob> request_job(const runtime::Parts& parts, RefusalRows& refusal_rows,
                                             const Request& request, const Caller& caller,
                                             runtime::SettingsPtr settings,
                                             std::function<void(Reply)> answer);

}  // namespace certline::service
