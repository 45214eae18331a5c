#pragma once

#include "kinds/kinds.h"

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
    static const Table table;
};

extern const LiveKind kHost;

// The most partitions and slices, in percent of all, that go at once without being asked.
std::int64_t delete_limit(const Declared& declared);

}  // namespace partd
