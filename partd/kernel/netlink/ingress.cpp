// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/ingress.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>

namespace partd::kernel {

namespace {

constexpr std::int32_t kSourceAt = 14 + 12;  // behind the Ethernet header
constexpr std::int32_t kDestinationAt = 14 + 16;
constexpr std::int32_t kLoopback = 127;
constexpr std::int32_t kPassOn = TC_ACT_UNSPEC;  // to the next filter, if any

// As __sk_buff has it: in network order.
constexpr std::int32_t kIpv4 =
    std::endian::native == std::endian::little ? std::byteswap(std::uint16_t{ETH_P_IP}) : ETH_P_IP;

// Its name tells one version from another: a change of the program changes the number.
constexpr char kName[] = "partd_ingress_1";

constexpr bpf_insn instruction(unsigned code, unsigned to, unsigned from, int offset, std::int32_t value) {
    bpf_insn made{};
    made.code = static_cast<std::uint8_t>(code);
    made.dst_reg = to & 15U;
    made.src_reg = from & 15U;
    made.off = static_cast<std::int16_t>(offset);
    made.imm = value;
    return made;
}

// Documentation/bpf/standardization/instruction-set.rst. Loads from the packet (BPF_ABS) want the context in
// register 6, and end the program with 0, which is TC_ACT_OK, when the packet is shorter.
constexpr std::array kProgram = {
    instruction(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0),
    instruction(BPF_LDX | BPF_MEM | BPF_W, 1, 6, offsetof(__sk_buff, mark), 0),
    instruction(BPF_ALU | BPF_OR | BPF_K, 1, 0, 0, static_cast<std::int32_t>(kUnjudged)),
    instruction(BPF_STX | BPF_MEM | BPF_W, 6, 1, offsetof(__sk_buff, mark), 0),
    instruction(BPF_LDX | BPF_MEM | BPF_W, 1, 6, offsetof(__sk_buff, protocol), 0),
    instruction(BPF_JMP | BPF_JNE | BPF_K, 1, 0, 4, kIpv4),
    instruction(BPF_LD | BPF_ABS | BPF_B, 0, 0, 0, kDestinationAt),
    instruction(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 4, kLoopback),
    instruction(BPF_LD | BPF_ABS | BPF_B, 0, 0, 0, kSourceAt),
    instruction(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2, kLoopback),
    instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, kPassOn),
    instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, TC_ACT_SHOT),
    instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
};

// A program without the mark, as classic BPF (Documentation/networking/filter.rst), which the kernel takes
// from everybody who may configure the network. It sees IPv4 alone.
constexpr std::array<sock_filter, 6> kClassic = {{
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kDestinationAt),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kLoopback, 2, 0),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kSourceAt),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kLoopback, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, TC_ACT_SHOT),
    BPF_STMT(BPF_RET | BPF_K, static_cast<std::uint32_t>(kPassOn)),
}};

std::span<const std::uint8_t> classic() {
    return {reinterpret_cast<const std::uint8_t*>(kClassic.data()), sizeof kClassic};
}

constexpr std::uint32_t kHandle = 1;
constexpr std::uint32_t kPriority = 1;  // before all others

tcmsg at_ingress(int index) {
    tcmsg head{};
    head.tcm_family = AF_UNSPEC;
    head.tcm_ifindex = index;
    head.tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
    return head;
}

tcmsg filter(int index, bool all_packets) {
    tcmsg head = at_ingress(index);
    head.tcm_handle = kHandle;
    head.tcm_info = TC_H_MAKE(kPriority << 16, htons(all_packets ? ETH_P_ALL : ETH_P_IP));
    return head;
}

}  // namespace

IngressFilter IngressFilter::load() {
    bpf_attr attributes{};
    attributes.prog_type = BPF_PROG_TYPE_SCHED_CLS;
    attributes.insns = reinterpret_cast<std::uintptr_t>(kProgram.data());
    attributes.insn_cnt = kProgram.size();
    attributes.license = reinterpret_cast<std::uintptr_t>("GPL");
    std::copy_n(kName, sizeof kName, attributes.prog_name);
    return IngressFilter(
        Fd(static_cast<int>(syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes))));
}

Result<std::set<int>> IngressFilter::find(NetlinkSocket& socket, std::span<const int> indexes) const {
    std::set<int> found;
    std::vector<Message> requests;
    for (const int index : indexes) {
        requests.emplace_back(RTM_GETTFILTER, std::uint16_t{0})
            .head(filter(index, static_cast<bool>(program_)))
            .text(TCA_KIND, "bpf");
    }
    const auto refused = socket.ask(requests, [&](std::size_t number, const Reply& reply) {
        const auto options = reply.attributes<tcmsg>().nested(TCA_OPTIONS);
        const bool is_it = program_ ? options.text(TCA_BPF_NAME) == kName
                                    : std::ranges::equal(options.bytes(TCA_BPF_OPS), classic());
        if (is_it && options.number<std::uint32_t>(TCA_BPF_FLAGS) == TCA_BPF_FLAG_ACT_DIRECT) {
            found.insert(indexes[number]);
        }
    });
    // A link that is gone has none, nor has one without clsact (EINVAL) or with others' filters alone
    // (ENOENT).
    for (const auto& error : refused) {
        if (error && error->is_shortage()) {
            return std::unexpected(*error);
        }
    }
    return found;
}

std::vector<Message> IngressFilter::add_to(int index) const {
    tcmsg place = at_ingress(index);
    place.tcm_parent = TC_H_CLSACT;
    place.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
    Message clsact(RTM_NEWQDISC, NLM_F_CREATE);
    clsact.head(place).text(TCA_KIND, "clsact");

    Message add(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_REPLACE);
    add.head(filter(index, static_cast<bool>(program_))).text(TCA_KIND, "bpf");
    const auto options = add.open(TCA_OPTIONS);
    if (program_) {
        add.number<std::uint32_t>(TCA_BPF_FD, static_cast<std::uint32_t>(program_.get()));
        add.text(TCA_BPF_NAME, kName);
    } else {
        add.number<std::uint16_t>(TCA_BPF_OPS_LEN, kClassic.size());
        add.bytes(TCA_BPF_OPS, classic());
    }
    add.number<std::uint32_t>(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
    add.close(options);
    std::vector<Message> messages;
    messages.push_back(std::move(clsact));
    messages.push_back(std::move(add));
    return messages;
}

}  // namespace partd::kernel
