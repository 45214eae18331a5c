// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace bench {

// An rtnetlink event of the host or of a namespace that has a number there.
struct Event {
    std::uint16_t type = 0;   // RTM_…
    int nsid = -1;            // the number of the namespace where it was; -1 for the listener's own
    bool up = false;          // of a link: IFF_UP
    std::uint32_t mtu = 0;    // of a link
    std::string name = {};    // of a link
    std::uint8_t family = 0;  // of an address or route
    bool ours = false;        // an address or default route with partd's protocol number

    [[nodiscard]] bool elsewhere() const { return nsid >= 0; }
};

// Reads what has come to the socket of listen_to_links, waiting for it up to `patience` ns; false when
// nothing came.
bool read_events(int fd, std::int64_t patience, const std::function<void(const Event&)>& take);

}  // namespace bench
