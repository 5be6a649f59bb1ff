// Reads only what is needed and trusts nothing. A compressed name may only point backwards and has
// at most 255 bytes, so it cannot go in circles. The number of aliases is bounded, and each must be
// a name that a host can have. Names stay in wire form, where a NUL or a dot in a label is a plain
// byte.

#include "scanner/dns_answer.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "protocol/values.hpp"

namespace certline::scanner {

namespace {

constexpr std::size_t kHeaderBytes = 12;
constexpr std::size_t kNameBytes = 255;  // RFC 1035 2.3.4, in wire form
constexpr int kMostJumps = 127;          // a name has no more labels
constexpr int kMostAliases = 16;
constexpr std::uint16_t kClassInternet = 1;

constexpr const char* kMalformed = "the answer is malformed";

struct Alias {
  std::string owner, target;
};

struct Address {
  std::string owner;
  IpAddress address;
};

class DnsMessage {
 public:
  explicit DnsMessage(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  std::optional<std::uint16_t> number() {
    if (bytes_.size() - at_ < 2) return std::nullopt;
    const auto value = static_cast<std::uint16_t>(bytes_[at_] << 8 | bytes_[at_ + 1]);
    at_ += 2;
    return value;
  }

  bool skip(std::size_t count) {
    if (bytes_.size() - at_ < count) return false;
    at_ += count;
    return true;
  }

  std::span<const std::uint8_t> take(std::size_t count) {
    const auto out = bytes_.subspan(at_, count);
    at_ += count;
    return out;
  }

  std::size_t left() const { return bytes_.size() - at_; }
  std::size_t position() const { return at_; }

  // In lower case and wire form, without the root's empty label.
  std::optional<std::string> name() {
    std::string out;
    std::size_t at = at_, before = bytes_.size();
    int jumps = 0;
    while (at < bytes_.size()) {
      const std::size_t length = bytes_[at];
      if (length == 0) {
        if (jumps == 0) at_ = at + 1;
        return ascii_lower(out);  // lengths are at most 63, no letters
      }
      if (length >= 0xc0) {
        if (bytes_.size() - at < 2) return std::nullopt;
        const std::size_t target = (length & 0x3f) << 8 | bytes_[at + 1];
        if (jumps == 0) at_ = at + 2;
        if (target >= std::min(at, before) || ++jumps > kMostJumps) return std::nullopt;
        before = at = target;
        continue;
      }
      if (length > 63 || bytes_.size() - at <= length) return std::nullopt;
      out.append(reinterpret_cast<const char*>(&bytes_[at]), length + 1);
      if (out.size() >= kNameBytes) return std::nullopt;
      at += length + 1;
    }
    return std::nullopt;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
};

// A name in wire form whose labels are letters, digits, hyphens and underscores.
bool is_host_like(const std::string& wire) {
  for (std::size_t at = 0; at < wire.size();) {
    const auto length = static_cast<std::size_t>(wire[at]);
    const bool plain = std::all_of(
        wire.begin() + static_cast<std::ptrdiff_t>(at) + 1,
        wire.begin() + static_cast<std::ptrdiff_t>(at + 1 + length), [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        });
    if (!plain) return false;
    at += 1 + length;
  }
  return !wire.empty();
}

IpAddress address_in(std::span<const std::uint8_t> data) {
  IpAddress address = IpAddress::v4(0);
  std::copy(data.begin(), data.end(),
            address.bytes.end() - static_cast<std::ptrdiff_t>(data.size()));
  return address;
}

class Answer {
 public:
  Answer(std::span<const std::uint8_t> bytes, DnsType type) : message_(bytes), type_(type) {}

  DnsAddresses read() {
    DnsAddresses out;
    out.problem = read_records();
    return out.problem == nullptr ? follow() : out;
  }

 private:
  const char* read_records() {
    if (message_.left() < kHeaderBytes) return kMalformed;
    message_.skip(4);
    const auto questions = message_.number(), answers = message_.number();
    message_.skip(4);
    if (questions != 1) return kMalformed;
    auto question = message_.name();
    if (!question || !message_.skip(4)) return kMalformed;
    question_ = std::move(*question);
    for (int i = 0; i < *answers; ++i) {
      if (const char* problem = read_record()) return problem;
    }
    return nullptr;
  }

  const char* read_record() {
    auto owner = message_.name();
    const auto type = message_.number(), kind = message_.number();
    if (!owner || !type || !kind || !message_.skip(4)) return kMalformed;
    const auto size = message_.number();
    if (!size || message_.left() < *size) return kMalformed;
    const bool internet = *kind == kClassInternet;
    if (internet && *type == static_cast<std::uint16_t>(type_)) {
      if (*size != (type_ == DnsType::a ? 4 : 16)) return kMalformed;
      addresses_.push_back({std::move(*owner), address_in(message_.take(*size))});
    } else if (internet && *type == static_cast<std::uint16_t>(DnsType::cname)) {
      const std::size_t end = message_.position() + *size;
      auto target = message_.name();
      if (!target || message_.position() != end) return kMalformed;
      if (!is_host_like(*target)) return "an alias leads to a name that no host can have";
      aliases_.push_back({std::move(*owner), std::move(*target)});
    } else {
      message_.skip(*size);
    }
    return nullptr;
  }

  DnsAddresses follow() const {
    DnsAddresses out;
    std::string name = question_;
    for (int aliases = 0; aliases <= kMostAliases; ++aliases) {
      for (const Address& a : addresses_) {
        if (a.owner == name) out.addresses.push_back(a.address);
      }
      const auto alias = std::find_if(aliases_.begin(), aliases_.end(),
                                      [&](const Alias& a) { return a.owner == name; });
      if (!out.addresses.empty() || alias == aliases_.end()) return out;
      name = alias->target;
    }
    out.problem = "the name's aliases lead in a circle, or through more than 16 names";
    return out;
  }

  DnsMessage message_;
  const DnsType type_;
  std::string question_;
  std::vector<Alias> aliases_;
  std::vector<Address> addresses_;
};

}  // namespace

DnsAddresses read_dns_answer(std::span<const std::uint8_t> message, DnsType type) {
  return Answer(message, type).read();
}

}  // namespace certline::scanner
