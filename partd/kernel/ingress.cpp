#include "kernel/ingress.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <span>

namespace partd::kernel {

namespace {

// Classic BPF over the frame (Documentation/networking/filter.rst): its result is the action.
constexpr std::uint32_t kSourceAt = 14 + 12;  // behind the Ethernet header
constexpr std::uint32_t kDestinationAt = 14 + 16;
constexpr std::uint32_t kPassOn = 0xffff'ffff;  // TC_ACT_UNSPEC: the next filter, if any
constexpr std::array<sock_filter, 6> kProgram = {{
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kDestinationAt),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 127, 2, 0),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kSourceAt),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 127, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, TC_ACT_SHOT),
    BPF_STMT(BPF_RET | BPF_K, kPassOn),
}};

std::span<const std::uint8_t> program() {
    return {reinterpret_cast<const std::uint8_t*>(kProgram.data()), sizeof kProgram};
}

constexpr std::uint32_t kHandle = 1;
constexpr std::uint32_t kPriority = 1;

tcmsg at_ingress(int index) {
    tcmsg head{};
    head.tcm_family = AF_UNSPEC;
    head.tcm_ifindex = index;
    head.tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
    return head;
}

tcmsg filter(int index) {
    tcmsg head = at_ingress(index);
    head.tcm_handle = kHandle;
    head.tcm_info = TC_H_MAKE(kPriority << 16, htons(ETH_P_IP));
    return head;
}

}  // namespace

Result<bool> has_loopback_filter(NetlinkSocket& socket, int index) {
    bool found = false;
    Message request(RTM_GETTFILTER, NLM_F_DUMP);
    request.head(at_ingress(index));
    const auto look = [&](const Reply& reply) {
        const auto options = reply.attributes<tcmsg>().nested(TCA_OPTIONS);
        found = found || (reply.head<tcmsg>().tcm_handle == kHandle &&
                          options.number<std::uint32_t>(TCA_BPF_FLAGS) == TCA_BPF_FLAG_ACT_DIRECT &&
                          std::ranges::equal(options.bytes(TCA_BPF_OPS), program()));
    };
    const auto dumped = socket.dump(std::move(request), [&] { found = false; }, look);
    // A link that is gone has none, nor has one without clsact.
    if (!dumped && dumped.error().code != ENODEV && dumped.error().code != EINVAL) {
        return std::unexpected(dumped.error());
    }
    return found;
}

std::vector<Message> add_loopback_filter(int index) {
    tcmsg place = at_ingress(index);
    place.tcm_parent = TC_H_CLSACT;
    place.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
    Message clsact(RTM_NEWQDISC, NLM_F_CREATE);
    clsact.head(place).text(TCA_KIND, "clsact");

    Message drop(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_REPLACE);
    drop.head(filter(index)).text(TCA_KIND, "bpf");
    const auto options = drop.open(TCA_OPTIONS);
    drop.number<std::uint16_t>(TCA_BPF_OPS_LEN, kProgram.size());
    drop.bytes(TCA_BPF_OPS, program());
    drop.number<std::uint32_t>(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
    drop.close(options);
    std::vector<Message> messages;
    messages.push_back(std::move(clsact));
    messages.push_back(std::move(drop));
    return messages;
}

Message remove_loopback_filter(int index) {
    Message message(RTM_DELTFILTER, 0);
    message.head(filter(index)).text(TCA_KIND, "bpf");
    return message;
}

}  // namespace partd::kernel
