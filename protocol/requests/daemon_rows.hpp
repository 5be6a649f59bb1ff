#pragma once
// The commands about the daemon itself.

#include "protocol/requests/row.hpp"

namespace certline {

inline constexpr std::array kDaemonRows{
    row<Ping, Pong>({
        .name = "ping",
        .summary = "answers",
        .data = "pong",
        .example = "command ping",
        .routes = {RouteRow{.path = "/api/ping", .immediate = true}},
    }),
    row<Help, HelpText, take_command>({
        .name = "help",
        .arguments = "[on command]",
        .summary = "lists the commands, or shows how one is used",
        .data = "C C ... or the usage of one",
        .example = "command help on add",
    }),
    row<GetStatus, StatusReport>({
        .name = "status",
        .summary = "tells how the daemon is doing",
        .data = "version V uptime_s N accounts N names N endpoints N certificates N "
                "connections N scans_in_flight N",
        .example = "command status",
        .routes = {RouteRow{.path = "/api/status"}},
    }),
};

}  // namespace certline
