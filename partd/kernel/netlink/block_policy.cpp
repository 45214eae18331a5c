// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/block_policy.h"

#include "kernel/netlink/ingress.h"

#include <linux/xfrm.h>
#include <sys/socket.h>

#include <cerrno>

namespace partd::kernel {

namespace {

constexpr xfrm_mark kMark = {.v = kUnjudged, .m = kUnjudged};

std::uint8_t direction(const BlockPolicy& policy) {
    return policy.through ? XFRM_POLICY_FWD : XFRM_POLICY_IN;
}

// A number of our own, by which no policy of others' is ever meant. The kernel wants the direction in its
// last three bits, and counts its own numbers up from 8.
std::uint32_t number(const BlockPolicy& policy) {
    constexpr std::uint32_t kBase = 0x7061'7200;
    return kBase + (policy.v6 ? 8U : 0U) + direction(policy);
}

std::span<const std::uint8_t> mark() {
    return {reinterpret_cast<const std::uint8_t*>(&kMark), sizeof kMark};
}

Message by_number(std::uint16_t type, const BlockPolicy& policy) {
    xfrm_userpolicy_id id{};
    id.index = number(policy);
    id.dir = direction(policy);
    Message message(type, 0);
    message.head(id).bytes(XFRMA_MARK, mark());
    return message;
}

}  // namespace

Result<std::vector<std::string>> standing_policies(NetlinkSocket& socket) {
    std::vector<Message> requests;
    for (const BlockPolicy& policy : kBlockPolicies) {
        requests.push_back(by_number(XFRM_MSG_GETPOLICY, policy));
    }
    std::vector<std::string> standing;
    const auto refused = socket.ask(requests, [&](std::size_t number, const Reply& reply) {
        const auto info = reply.head<xfrm_userpolicy_info>();
        if (info.action == XFRM_POLICY_BLOCK && info.sel.prefixlen_s == 0 && info.sel.prefixlen_d == 0) {
            standing.emplace_back(kBlockPolicies[number].name);
        }
    });
    for (const auto& error : refused) {
        if (error && error->code != ENOENT) {
            return std::unexpected(*error);
        }
    }
    return standing;
}

Message add_policy(const BlockPolicy& policy) {
    xfrm_userpolicy_info info{};
    info.sel.family = policy.v6 ? AF_INET6 : AF_INET;
    info.lft = {.soft_byte_limit = XFRM_INF,
                .hard_byte_limit = XFRM_INF,
                .soft_packet_limit = XFRM_INF,
                .hard_packet_limit = XFRM_INF,
                .soft_add_expires_seconds = 0,
                .hard_add_expires_seconds = 0,
                .soft_use_expires_seconds = 0,
                .hard_use_expires_seconds = 0};
    info.index = number(policy);
    info.dir = direction(policy);
    info.action = XFRM_POLICY_BLOCK;
    Message message(XFRM_MSG_NEWPOLICY, NLM_F_CREATE | NLM_F_EXCL);
    message.head(info).bytes(XFRMA_MARK, mark());
    return message;
}

Message remove_policy(const BlockPolicy& policy) {
    return by_number(XFRM_MSG_DELPOLICY, policy);
}

}  // namespace partd::kernel
