// SPDX-License-Identifier: Apache-2.0
#include "kinds/firewall/steps.h"

#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>

namespace partd::nat {

using kernel::nft::Chain;
using kernel::nft::Rule;

std::span<const Chain> chains() {
    // Behind the translation of sources, which is decided by then.
    constexpr std::int32_t kBehindNat = NF_IP_PRI_NAT_SRC + 1;
    static const std::vector<Chain> kChains = {
        // The first: when somebody removes the table, the kernel unhooks its chains in this order, each with
        // its rules until then. Without this one packets of partitions are blocked
        // (kernel/netlink/ingress.h).
        {.name = kSources, .type = "filter", .hook = NF_INET_PRE_ROUTING, .priority = NF_IP_PRI_RAW},
        {.name = kForwards},
        {.name = kStrangers},
        {.name = kOthers},
        {.name = kAnswers},
        {.name = kPorts},
        {.name = kForward, .type = "filter", .hook = NF_INET_FORWARD, .priority = NF_IP_PRI_FILTER},
        {.name = kInput, .type = "filter", .hook = NF_INET_LOCAL_IN, .priority = NF_IP_PRI_FILTER},
        {.name = kPrerouting, .type = "nat", .hook = NF_INET_PRE_ROUTING, .priority = NF_IP_PRI_NAT_DST},
        {.name = kOutput, .type = "nat", .hook = NF_INET_LOCAL_OUT, .priority = NF_IP_PRI_NAT_DST},
        {.name = kPostrouting, .type = "nat", .hook = NF_INET_POST_ROUTING, .priority = NF_IP_PRI_NAT_SRC},
        {.name = kShadows, .type = "filter", .hook = NF_INET_POST_ROUTING, .priority = kBehindNat},
    };
    return kChains;
}

std::vector<Rule> rules(const std::set<std::string>& sets) {
    std::vector<Rule> all;
    add_policy_rules(all, sets);
    add_translation_rules(all, sets);
    return all;
}

}  // namespace partd::nat
