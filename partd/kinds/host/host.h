// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"

#include <chrono>
#include <optional>
#include <string>

namespace partd {

enum class Forwarding : std::uint8_t { Auto, Manual };
template <>
struct EnumWords<Forwarding> {
    static constexpr std::array<EnumWord<Forwarding>, 2> kWords = {
        {{"auto", Forwarding::Auto}, {"manual", Forwarding::Manual}}};
};

enum class LogLevel : std::uint8_t { Error, Info, Debug };
template <>
struct EnumWords<LogLevel> {
    static constexpr std::array<EnumWord<LogLevel>, 3> kWords = {
        {{"error", LogLevel::Error}, {"info", LogLevel::Info}, {"debug", LogLevel::Debug}}};
};

// [host]
struct HostSettings {
    Forwarding forwarding = Forwarding::Auto;
    static const Table table;
};

// [daemon]
struct DaemonSettings {
    std::int64_t delete_limit = 50;  // percent
    std::chrono::milliseconds resync{600'000};
    std::chrono::milliseconds settle{50};
    std::chrono::milliseconds settle_removal{2000};
    LogLevel log_level = LogLevel::Info;
    std::optional<std::string> metrics = {};  // path of the file
    std::int64_t history = 20;                // generations
    static const Table table;
};

extern const LiveKind kHost;

// How partd works, as declared or by default.
DaemonSettings daemon_settings(const Declared& declared);
// A directory of the file of metrics where others can exchange it, on this host now.
void inspect_metrics(const Declared& declared, Diagnostics& problems);

}  // namespace partd
