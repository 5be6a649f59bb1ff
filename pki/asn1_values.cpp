// Turns ASN.1 values into short printable text and Unix seconds. Dates go through the calendar
// types of <chrono> and not through timegm, so that time_t and locale have no say in what year 9999
// means.

#include "pki/asn1_values.hpp"

#include <chrono>
#include <cstdio>
#include <ctime>

#include "pki/openssl_handles.hpp"

namespace certline::pki {

namespace {

constexpr std::size_t kNameBytes = 1024;
constexpr int kSerialBytes = 256;  // RFC 5280 permits 20; odd ones in the wild have some dozens

Error unreadable(std::string detail) {
  return Error{ErrorKind::invalid_value, std::move(detail)};
}

}  // namespace

std::string printable(std::string_view bytes, std::size_t most) {
  std::string out;
  out.reserve(std::min(bytes.size(), most));
  for (const char c : bytes) {
    char piece[5] = {c, 0, 0, 0, 0};
    if (c < 0x20 || c > 0x7e) {
      std::snprintf(piece, sizeof piece, "\\x%02x", static_cast<unsigned char>(c));
    }
    const std::string_view add(piece);
    if (out.size() + add.size() > most) {
      out.resize(most < 3 ? 0 : std::min(out.size(), most - 3));
      return out.append(std::min<std::size_t>(most, 3), '.');
    }
    out.append(add);
  }
  return out;
}

Result<std::string> name_text(const X509_NAME* name) {
  if (name == nullptr) return unreadable("no name");
  const BioHandle bio(BIO_new(BIO_s_mem()));
  if (!bio || X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0) {
    return unreadable("name: " + drain_openssl_errors());
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  if (size <= 0) return std::string();
  return printable({data, static_cast<std::size_t>(size)}, kNameBytes);
}

Result<std::string> serial_text(const ASN1_INTEGER* serial) {
  if (serial == nullptr) return unreadable("no serial number");
  const int size = ASN1_STRING_length(serial);
  if (size > kSerialBytes) {
    return unreadable("serial number of " + std::to_string(size) + " bytes");
  }
  std::string out = ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER ? "-" : "";
  if (size <= 0) return out + "00";
  return out + hex(ASN1_STRING_get0_data(serial), static_cast<std::size_t>(size));
}

Result<UtcTime> unix_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) {
    drain_openssl_errors();
    return unreadable("not a time");
  }
  using namespace std::chrono;
  const year_month_day date{year{parts.tm_year + 1900},
                            month{static_cast<unsigned>(parts.tm_mon + 1)},
                            day{static_cast<unsigned>(parts.tm_mday)}};
  if (!date.ok()) return unreadable("not a date");
  const UtcTime days = sys_days{date}.time_since_epoch().count();
  return days * 86'400 + parts.tm_hour * 3'600 + parts.tm_min * 60 + parts.tm_sec;
}

bool has_certificate_form(const ASN1_TIME* time) {
  if (time == nullptr) return false;
  const int size = ASN1_STRING_length(time);
  const int wanted = ASN1_STRING_type(time) == V_ASN1_UTCTIME ? 13 : 15;
  return size == wanted && ASN1_STRING_get0_data(time)[size - 1] == 'Z';
}

}  // namespace certline::pki
