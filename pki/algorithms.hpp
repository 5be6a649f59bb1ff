#pragma once
// Prepares and checks the algorithms of OpenSSL that this program needs.

namespace certline::pki {

// Makes OpenSSL find every algorithm that certificates and TLS need, once. Throws
// std::runtime_error naming the first that is missing.
void load_algorithms();

}  // namespace certline::pki
