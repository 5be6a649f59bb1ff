#pragma once
// The commands about the names that a key watches.

#include "protocol/requests/row.hpp"

namespace certline {

inline constexpr std::array kNameRows{
    row<AddDomain, Added, take_domain, take_api_key, take_starttls, take_sha256>({
        .name = "add",
        .arguments = "domain name[:port] apikey K [starttls protocol] [sha256 leaf-digest]",
        .kind = Kind::write,
        .summary = "watches a name from now on; asking twice changes nothing",
        .data = "id UUID key MD5 domain D",
        .example = "command add domain mail.example.org:25 starttls smtp apikey K",
        .routes = {RouteRow{.method = HttpMethod::post,
                            .path = "/api/v1.0/servers/add",
                            .fields = "domain starttls? sha256?",
                            .errors = RestErrors::add}},
        .errors = kFails<ErrorKind::invalid_value, ErrorKind::too_many, ErrorKind::store_full>,
    }),
    row<GetExpiration, ExpirationReport, take_domain, take_api_key, take_ip, take_wait>({
        .name = "expiration",
        .arguments = "domain name[:port] apikey K [ip address] [wait seconds]",
        .summary = "tells whether renewal is due and browsers would accept",
        .data = "domain D certificate_found B renewal_due B expired_found B trusted B "
                "renewal_utc N last_scan_utc N next_scan_utc N addresses N problem P "
                "[certificate_sha256 H]",
        .example = "command expiration domain example.org apikey K wait 30",
        .routes = {RouteRow{.path = "/api/v1.0/servers/expiration/{domain}",
                            .fields = "ip? request_id? wait?",
                            .errors = RestErrors::expiration}},
        .errors = kFails<ErrorKind::not_registered, ErrorKind::invalid_value>,
    }),
    row<ListDomains, DomainPage, take_api_key, take_after_domain>({
        .name = "domains",
        .arguments = "apikey K [after name[:port]]",
        .summary = "lists the account's names, a page at a time",
        .data = "D D ...",
        .example = "command domains apikey K after example.org",
        .routes = {RouteRow{
            .path = "/api/v1.0/servers", .fields = "after?", .errors = RestErrors::plain}},
    }),
    row<RemoveDomain, Removed, take_domain, take_api_key>({
        .name = "remove",
        .arguments = "domain name[:port] apikey K",
        .kind = Kind::write,
        .summary = "stops watching a name",
        .example = "command remove domain example.org apikey K",
        .routes = {RouteRow{.method = HttpMethod::del,
                            .path = "/api/v1.0/servers/{domain}",
                            .errors = RestErrors::expiration}},
        .errors = kFails<ErrorKind::not_registered, ErrorKind::invalid_value>,
    }),
    row<ScanDomain, ScanStarted, take_domain, take_api_key>({
        .name = "scan",
        .arguments = "domain name[:port] apikey K",
        .kind = Kind::write,
        .summary = "scans a name now",
        .example = "command scan domain example.org apikey K",
        .routes = {RouteRow{.method = HttpMethod::post,
                            .path = "/api/v1.0/servers/scan",
                            .fields = "domain",
                            .errors = RestErrors::expiration}},
        .errors = kFails<ErrorKind::not_registered, ErrorKind::invalid_value>,
    }),
    row<ListAddresses, AddressPage, take_domain, take_api_key, take_after_address>({
        .name = "addresses",
        .arguments = "domain name[:port] apikey K [after address]",
        .summary = "tells the problem of each address, a page at a time",
        .data = "A P A P ...",
        .example = "command addresses domain example.org apikey K",
        .routes = {RouteRow{.path = "/api/v1.0/servers/addresses/{domain}",
                            .fields = "after?",
                            .errors = RestErrors::expiration}},
        .errors = kFails<ErrorKind::not_registered, ErrorKind::invalid_value>,
    }),
    row<CheckDomain, CheckResult, take_domain, take_api_key>({
        .name = "check",
        .arguments = "domain name[:port] apikey K",
        .summary = "says in one line what a monitoring system wants to hear",
        .data = "OK|WARNING|CRITICAL|UNKNOWN - D: text | days_left=N;N;0",
        .example = "command check domain example.org apikey K",
        .routes = {RouteRow{.path = "/api/v1.0/servers/check/{domain}",
                            .errors = RestErrors::expiration}},
        .errors = kFails<ErrorKind::not_registered, ErrorKind::invalid_value>,
    }),
};

}  // namespace certline
