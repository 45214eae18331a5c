// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "doctor/passage.h"
#include "kernel/host.h"
#include "kernel/nft/foreign_rules.h"
#include "reconcile/load.h"

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace partd {

// A chain of somebody else's that drops what a partition's traffic is made of.
struct CutOff {
    std::string partition;  // the first of them
    Source source;
    std::string what;  // "nftables table ip filter, chain FORWARD (iptables), drops forwarded packets: …"
};

// Of the traffic of that partition that the host forwards, or of all partitions' with "": one for each chain.
// Nothing is asked of the kernel where the host forwards nothing; else the rules of others are read once for
// each generation of nftables, and as far as they are few. `partctl doctor` looks at all.
Result<std::vector<CutOff>> cut_offs(kernel::Host& host, const Desired& desired,
                                     std::string_view partition = {});

namespace doctor {

// A chain that drops packets of partitions.
struct Dropping {
    const kernel::nft::ForeignTable* table = nullptr;
    std::string chain = {};
    std::set<std::string> partitions = {};
    std::string first = {};  // of the packets, in words
    bool unclear = true;     // rules that cannot be judged may let all of them pass

    // "nftables table ip filter, chain FORWARD (iptables), drops forwarded packets: FIRST".
    [[nodiscard]] std::string text() const;
};
std::vector<Dropping> dropping_chains(std::span<const kernel::nft::ForeignTable> tables,
                                      std::span<const Needed> needed);

}  // namespace doctor
}  // namespace partd
