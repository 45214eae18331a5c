// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fd.h"
#include "kernel/netlink/netlink.h"

#include <cstdint>
#include <set>
#include <span>
#include <vector>

namespace partd::kernel {

// The bit of a packet's mark (SO_MARK, nft "meta mark") that says: no rule has judged it yet.
inline constexpr std::uint32_t kUnjudged = 0x8000'0000;

// A filter on what a link receives, before any other part of the host sees it (tc(8), clsact). It drops IPv4
// packets from and to 127.0.0.0/8 and sets kUnjudged in the mark of all others. No flush of nftables takes it
// along; it goes with its link.
class IngressFilter {
public:
    // Where bpf(2) is refused, as it is in many containers, it only drops and sets no mark.
    static IngressFilter load();

    // The indexes among these whose links have it.
    [[nodiscard]] Result<std::set<int>> find(NetlinkSocket& socket, std::span<const int> indexes) const;
    // The requests that give it to the link, in order; each of them may have been carried out before.
    [[nodiscard]] std::vector<Message> add_to(int index) const;

private:
    explicit IngressFilter(Fd program) : program_(std::move(program)) {}

    Fd program_;  // none where bpf(2) is refused
};

}  // namespace partd::kernel
