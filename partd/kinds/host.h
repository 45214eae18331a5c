#pragma once

#include "kinds/kinds.h"

#include <chrono>

namespace partd {

enum class Forwarding : std::uint8_t { Auto, Manual };
template <>
struct EnumWords<Forwarding> {
    static constexpr std::array<EnumWord<Forwarding>, 2> kWords = {
        {{"auto", Forwarding::Auto}, {"manual", Forwarding::Manual}}};
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
    static const Table table;
};

extern const LiveKind kHost;

// How partd works, as declared or by default.
DaemonSettings daemon_settings(const Declared& declared);

}  // namespace partd
