#include "kinds/nat/layout.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

namespace partd::nat {

using namespace kernel::nft;
// The layout's role of a set; the model has one of the same name for fields.
using SetRole = nat::Role;

namespace {

constexpr char kForward[] = "forward";
constexpr char kForwards[] = "forwards";
constexpr char kPrerouting[] = "prerouting";
constexpr char kOutput[] = "output";
constexpr char kPostrouting[] = "postrouting";
constexpr char kLocalnet[] = "localnet";
constexpr char kStrangers[] = "strangers";

using Steps = std::vector<Step>;

Steps operator+(Steps a, const Steps& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

template <class T>
std::vector<std::uint8_t> native(T value) {
    std::vector<std::uint8_t> bytes(sizeof value);
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}

// Conditions on connection tracking: any of the bits.
Steps ct_has(std::uint32_t key, std::uint32_t bits) {
    return {LoadCt{key, 0}, Mask{0, native(bits)}, Compare{0, native(std::uint32_t{0}), false}};
}
Steps was_forwarded() {
    return ct_has(NFT_CT_STATUS, IPS_DST_NAT);
}
Steps family_is(bool v6) {
    return {LoadMeta{NFT_META_NFPROTO, 0},
            Compare{0, {static_cast<std::uint8_t>(v6 ? NFPROTO_IPV6 : NFPROTO_IPV4)}}};
}
Steps in_is_in(const char* set) {
    return {LoadMeta{NFT_META_IIFNAME, 0}, Lookup{set, 0}};
}
Steps out_is_in(const char* set) {
    return {LoadMeta{NFT_META_OIFNAME, 0}, Lookup{set, 0}};
}
// An interface's name fills four registers.
Steps pair_is_in(const char* set) {
    return {LoadMeta{NFT_META_IIFNAME, 0}, LoadMeta{NFT_META_OIFNAME, 4}, Lookup{set, 0}};
}
Steps verdict(std::int32_t what) {
    return {Verdict{what}};
}
Steps jump(const char* chain) {
    return {Verdict{NFT_JUMP, chain}};
}

// Registers that an address fills.
unsigned width(bool v6) {
    return v6 ? 4 : 1;
}

// The packet's source, masked, in the registers from 0.
Steps masked_source(const PrefixSet& set) {
    const std::uint32_t size = set.v6 ? 16 : 4;
    std::vector<std::uint8_t> ones(size, 0xff);
    const auto mask = Ip(ones).masked(set.length);
    return {LoadNetwork{set.v6 ? 8U : 12U, size, 0}, Mask{0, {mask.bytes().begin(), mask.bytes().end()}}};
}

Steps load_destination(bool v6, unsigned reg) {
    return {LoadNetwork{v6 ? 24U : 16U, v6 ? 16U : 4U, reg}};
}

// Protocol and destination port, behind what stands in the registers before.
Steps load_port(unsigned reg) {
    return {LoadMeta{NFT_META_L4PROTO, reg}, LoadTransport{2, 2, reg + 1}};
}

Steps local_destination() {
    return {LoadLocalDestination{0}, Compare{0, native(std::uint32_t{RTN_LOCAL})}};
}

Steps forward_steps(const PrefixSet& set) {
    const unsigned ip = width(set.v6);
    const Dnat dnat{set.v6, 0, ip};
    if (set.role == SetRole::Forward) {
        return family_is(set.v6) + local_destination() + masked_source(set) + load_port(ip) +
               Steps{Lookup{set.name(), 0, false, 0}, dnat};
    }
    return family_is(set.v6) + masked_source(set) + load_destination(set.v6, ip) + load_port(2 * ip) +
           Steps{Lookup{set.name(), 0, false, 0}, dnat};
}

Steps source_steps(const PrefixSet& set) {
    const unsigned ip = width(set.v6);
    const Steps source = family_is(set.v6) + masked_source(set);
    const Step out = LoadMeta{NFT_META_OIFNAME, ip};
    switch (set.role) {
        case SetRole::Masquerade:
            return source + Steps{Lookup{set.name(), 0}, out,
                                  Lookup{PrefixSet{SetRole::Back, set.v6, set.length}.name(), 0, true},
                                  Masquerade{}};
        case SetRole::MasqueradeOut:
            return source + Steps{out, Lookup{set.name(), 0}, Masquerade{}};
        case SetRole::Snat:
            return source + Steps{Lookup{set.name(), 0, false, 0}, Snat{set.v6, 0}};
        case SetRole::SnatOut:
            return source + Steps{out, Lookup{set.name(), 0, false, 0}, Snat{set.v6, 0}};
        default:
            return {};
    }
}

// What is more special comes first: with an interface before without, long prefixes before short ones.
std::vector<PrefixSet> in_order(const std::set<std::string>& names, std::initializer_list<SetRole> roles) {
    std::vector<PrefixSet> ordered;
    for (const SetRole role : roles) {
        std::vector<PrefixSet> same;
        for (const std::string& name : names) {
            const auto set = PrefixSet::parse(name);
            if (set && set->role == role) {
                same.push_back(*set);
            }
        }
        std::ranges::sort(same, [](const PrefixSet& a, const PrefixSet& b) {
            return std::pair(a.v6, b.length) < std::pair(b.v6, a.length);
        });
        ordered.insert(ordered.end(), same.begin(), same.end());
    }
    return ordered;
}

// Between partitions and to and from the outside: only what is declared. Traffic that has nothing to do with
// a partition passes.
void add_forward_rules(std::vector<Rule>& rules) {
    constexpr std::uint32_t kEstablished =
        1U << 1 | 1U << 2;  // NF_CT_STATE_BIT of IP_CT_ESTABLISHED and IP_CT_RELATED
    rules.push_back({kForward, "established", ct_has(NFT_CT_STATE, kEstablished) + verdict(NF_ACCEPT)});
    rules.push_back({kForward, "forwarded ports", was_forwarded() + verdict(NF_ACCEPT)});
    rules.push_back({kForward, "declared reach", pair_is_in(kReach) + verdict(NF_ACCEPT)});
    rules.push_back({kForward, "reach any", in_is_in(kAnyward) + verdict(NF_ACCEPT)});
    rules.push_back({kForward, "into a partition", out_is_in(kInside) + verdict(NF_DROP)});
    rules.push_back({kForward, "reach outside", in_is_in(kOutward) + verdict(NF_ACCEPT)});
    rules.push_back({kForward, "out of a partition", in_is_in(kInside) + verdict(NF_DROP)});
}

// Links to machines on this host, whose managers (docker, libvirt) rely on forwarding, and tunnels that the
// host itself ends. One that leads to the outside stands among the uplinks.
constexpr std::string_view kOwnMachines[] = {"bridge", "veth",   "tun",    "netkit",     "wireguard",
                                             "ppp",    "vxlan",  "geneve", "gre",        "ipip",
                                             "sit",    "ip6tnl", "xfrm",   "openvswitch"};

std::vector<std::uint8_t> padded(std::string_view name) {
    std::vector<std::uint8_t> bytes(name.begin(), name.end());
    bytes.resize(16);  // IFNAMSIZ, which meta iifkind fills as well
    return bytes;
}

// Where the host forwards because of partd alone: packets of others, that no partition sent or is to get, and
// that nobody translated, are dropped when they come from outside. Network cards, VLANs, bonds: what is not
// one of the kinds above.
void add_stranger_rules(std::vector<Rule>& rules) {
    rules.push_back({kForward, "strangers",
                     Steps{LoadMeta{NFT_META_NFPROTO, 0}, Lookup{kGuarded, 0}} + jump(kStrangers)});
    rules.push_back({kStrangers, "between ports of a bridge", pair_is_in(kTurned) + verdict(NF_ACCEPT)});
    rules.push_back({kStrangers, "by an uplink", in_is_in(kUplinks) + verdict(NF_DROP)});
    for (const std::string_view kind : kOwnMachines) {
        rules.push_back(
            {kStrangers, fmt::format("from {} links", kind),
             Steps{LoadMeta{NFT_META_IIFKIND, 0}, Compare{0, padded(kind)}} + verdict(NF_ACCEPT)});
    }
    rules.push_back({kStrangers, "from outside", verdict(NF_DROP)});
}

// A forward that the host itself uses leaves under an address that the partition can answer; so does one that
// comes back to where it is from.
void add_answerable_rules(std::vector<Rule>& rules) {
    rules.push_back({kPostrouting, "hairpin", was_forwarded() + pair_is_in(kHairpin) + Steps{Masquerade{}}});
    rules.push_back(
        {kPostrouting, "from the host",
         was_forwarded() + out_is_in(kInside) +
             Steps{LoadLocalSource{0}, Compare{0, native(std::uint32_t{RTN_LOCAL})}, Masquerade{}}});
}

}  // namespace

std::span<const Chain> chains() {
    static const std::vector<Chain> kChains = {
        {.name = kForwards},
        {.name = kStrangers},
        {.name = kForward, .type = "filter", .hook = NF_INET_FORWARD, .priority = NF_IP_PRI_FILTER},
        {.name = kPrerouting, .type = "nat", .hook = NF_INET_PRE_ROUTING, .priority = NF_IP_PRI_NAT_DST},
        {.name = kOutput, .type = "nat", .hook = NF_INET_LOCAL_OUT, .priority = NF_IP_PRI_NAT_DST},
        {.name = kPostrouting, .type = "nat", .hook = NF_INET_POST_ROUTING, .priority = NF_IP_PRI_NAT_SRC},
        {.name = kLocalnet, .type = "filter", .hook = NF_INET_PRE_ROUTING, .priority = NF_IP_PRI_RAW},
    };
    return kChains;
}

std::vector<Rule> rules(const std::set<std::string>& sets) {
    std::vector<Rule> all;
    add_forward_rules(all);
    add_stranger_rules(all);
    all.push_back({kPrerouting, "port forwards", jump(kForwards)});
    all.push_back({kOutput, "port forwards", jump(kForwards)});
    for (const PrefixSet& set : in_order(sets, {SetRole::ForwardTo, SetRole::Forward})) {
        all.push_back({kForwards, set.name(), forward_steps(set)});
    }
    add_answerable_rules(all);
    for (const PrefixSet& set :
         in_order(sets, {SetRole::SnatOut, SetRole::Snat, SetRole::MasqueradeOut, SetRole::Masquerade})) {
        all.push_back({kPostrouting, set.name(), source_steps(set)});
    }
    // The host's forwards at 127.0.0.1 need route_localnet on the partition's link; nobody else gets to the
    // host's loopback by it.
    all.push_back({kLocalnet, "loopback stays local",
                   family_is(false) + in_is_in(kInside) + load_destination(false, 0) +
                       Steps{Mask{0, {0xff, 0, 0, 0}}, Compare{0, {127, 0, 0, 0}}, Verdict{NF_DROP}}});
    return all;
}

}  // namespace partd::nat
