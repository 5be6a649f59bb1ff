#pragma once
// The account behind a key: its address, and a certificate whose names it watches.

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/requests/type_list.hpp"
#include "protocol/values.hpp"

namespace certline {

struct GetUser {
  ApiKey key;
};
struct AddCertificate {
  ApiKey key;
  std::vector<std::uint8_t> der;
};

struct UserName {
  std::string email;  // as claimed; empty: the key was never claimed
};
struct CertificateAdded {
  std::string id;   // UUID text, the same for the same certificate
  std::string key;  // hex MD5 of "CERT:" + its base64
  std::uint32_t names = 0;
  std::uint32_t refused = 0;  // of its names: the rules of this server forbid them
};

using AccountRequests = TypeList<GetUser, AddCertificate>;
using AccountReplies = TypeList<UserName, CertificateAdded>;

}  // namespace certline
