// SPDX-License-Identifier: Apache-2.0
#include "kinds/net/address.h"

#include "kinds/marks.h"
#include "kinds/namespace/netns.h"
#include "kinds/net/address_check.h"
#include "kinds/net/own_routes.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace partd {

namespace {

using kernel::Message;

constexpr Field kFields[] = {
    field<&InterfaceAddress::netns>("netns", "the namespace", {.role = Role::Identity, .live = true}),
    field<&InterfaceAddress::interface>("interface", "the interface", {.role = Role::Identity, .live = true}),
    field<&InterfaceAddress::address>("address", "the address", {.role = Role::Identity, .live = true}),
    field<&InterfaceAddress::mark>("mark", "partd's mark on it", {.live = true}),
    field<&InterfaceAddress::secondary>("secondary", "another one of its network is the source of packets",
                                        {.role = Role::Replace, .live = true}),
};

// The link for an interface of a pair, the namespace for lo.
Key container_of(const Interface& interface) {
    return interface.link ? *interface.link : netns_key(interface.netns);
}

bool overlap(const Resource& one, const Resource& other) {
    const auto& a = one.spec.as<InterfaceAddress>();
    const auto& b = other.spec.as<InterfaceAddress>();
    const bool local = a.address.ip.is_link_local() && b.address.ip.is_link_local();
    return a.netns == b.netns && !local &&
           (a.address.prefix().contains(b.address.ip) || b.address.prefix().contains(a.address.ip));
}

// The first address of a network in the file is to be the one from which the interface sends. For IPv4 that
// is the one that was added first, for IPv6 the one that was added last (ipv6_link_dev_addr() in addrconf.c).
// Link-local ones: the kernel has its own among them.
void put_in_order(const Interface& interface, State& desired) {
    std::map<Prefix, Key> first;
    for (const auto& address : interface.addresses) {
        const Key key = address_key(interface.netns, interface.name, address.value);
        const auto [before, is_first] = first.try_emplace(address.value.prefix(), key);
        if (is_first || address.value.ip.is_link_local() || before->second == key) {
            continue;
        }
        Resource& one = *desired.find(before->second);
        Resource& other = *desired.find(key);
        InterfaceAddress spec = other.spec.as<InterfaceAddress>();
        spec.secondary = true;
        other.spec = Spec(std::move(spec));
        if (address.value.ip.v6()) {
            one.depends_on.push_back(key);
        } else {
            other.depends_on.push_back(before->second);
        }
    }
}

void expand(const Declared& declared, State& desired, Diagnostics& problems) {
    const auto interfaces = all_interfaces(declared);
    for (const Interface& interface : interfaces) {
        for (const auto& address : interface.addresses) {
            const Key container = container_of(interface);
            desired.add({.key = address_key(interface.netns, interface.name, address.value),
                         .spec = Spec(InterfaceAddress{interface.netns, interface.name, address.value}),
                         .owner = interface.partition,
                         .source = address.at,
                         .depends_on = {container},
                         .contained_in = {container}});
        }
        put_in_order(interface, desired);
    }
    check_addresses(interfaces, problems);
}

// IFA_PROTO is younger (Linux 5.18) than some headers.
constexpr std::uint16_t kIfaProto = 11;

// The link of ours that the interface is an end of, also while its mark is gone.
const Resource* link_of(Observation& observation, const std::string& netns, const kernel::Link& link) {
    if (find_link_type(link.kind) == nullptr) {
        return nullptr;
    }
    if (const auto mark = parse_link_mark(link.alias)) {
        return observation.observed.find(link_key(mark->partition, mark->link));
    }
    const auto is_end = [&](const LinkEnd* end) { return end->netns == netns && end->name == link.name; };
    for (const Resource& resource : observation.observed.all()) {
        const bool ours = resource.key.kind == &kLink.kind && resource.ownership == Ownership::Ours;
        if (ours && std::ranges::any_of(ends_of(resource.spec), is_end)) {
            return &resource;
        }
    }
    return nullptr;
}

// The name by which the ledger knows the address: an end that got another one in the files keeps its
// addresses.
std::string known_as(const Observation& observation, const Key& key, const std::string& netns,
                     const Address& address) {
    std::string known = key.name;
    if (observation.ledger.find({kAddress.kind.name, known}) != nullptr) {
        return known;
    }
    const std::string place = place_text(netns, "");
    const std::string end = " " + address.text();
    observation.ledger.for_kind(kAddress.kind.name, [&](const std::string& name, const LedgerEntry&) {
        if (name.starts_with(place) && name.ends_with(end)) {
            known = name;
        }
    });
    return known;
}

// True for the addresses that the kernel gives to every namespace's lo. They are never marked, so that they
// stay when they are no longer declared.
bool is_loopbacks(const std::string& interface, const Address& address) {
    return interface == "lo" && (address == loopback4() || address == loopback6());
}

// True if the kernel made the address itself (IFAPROT_KERNEL_LO, _RA and _LL in if_addr.h).
bool is_kernels(std::uint8_t protocol, const std::string& interface, const Address& address) {
    return (protocol >= 1 && protocol <= 3) || is_loopbacks(interface, address);
}

// The networks of which an interface has an address that is wanted, as far as they were listed: the
// kernel lists first the one from which it sends.
using Listed = std::set<std::pair<int, Prefix>>;

void take(Observation& observation, const std::string& netns, const std::vector<kernel::Link>& links,
          const kernel::Reply& reply, Listed& listed) {
    const auto head = reply.head<ifaddrmsg>();
    const auto attributes = reply.attributes<ifaddrmsg>();
    const auto local = attributes.ip(IFA_LOCAL);
    const auto ip = local ? local : attributes.ip(IFA_ADDRESS);
    const auto link = std::ranges::find(links, static_cast<int>(head.ifa_index), &kernel::Link::index);
    if (!ip || link == links.end()) {
        return;
    }
    const auto pair = link_of(observation, netns, *link);
    const std::string interface = wanted_name(observation, *link);
    const Address address{*ip, head.ifa_prefixlen};
    const Key key = address_key(netns, interface, address);
    const bool on_ours = pair || (link->name == "lo" && !netns.empty());
    const std::uint8_t protocol = attributes.number<std::uint8_t>(kIfaProto).value_or(0);
    const bool marked = protocol == kProtocolMark && on_ours;
    const Resource* wanted = observation.desired.find(key);
    if (!marked && wanted == nullptr) {
        return;
    }
    const Key container = pair ? pair->key : netns_key(netns);
    const bool secondary = wanted != nullptr && !address.ip.is_link_local() &&
                           !listed.emplace(link->index, address.prefix()).second;
    if (wanted != nullptr && on_ours && !netns.empty()) {
        // In a partition's namespace it is the wanted one, whoever added it.
        const std::string mark =
            is_kernels(protocol, link->name, address) ? std::string(kMarked) : protocol_text(protocol);
        observation.observed.add(
            {.key = key,
             .spec = Spec(InterfaceAddress{netns, link->name, address, mark, link->index, secondary}),
             .owner = wanted->owner,
             .depends_on = {container},
             .contained_in = {container},
             .marked = marked});
        return;
    }
    const std::string known = marked ? known_as(observation, key, netns, address) : key.name;
    observation.add(
        {.key = key,
         .spec = Spec(
             InterfaceAddress{netns, link->name, address, protocol_text(protocol), link->index, secondary}),
         .owner = pair ? pair->owner : netns,
         .depends_on = {container},
         .contained_in = {container},
         .marked = marked,
         .holder = fmt::format("{0} was added to {1} by somebody else: remove it (ip address del {0} "
                               "dev {2}), and partd adds its own",
                               address.text(), place_text(netns, link->name), link->name)},
        known);
}

// The addresses of that namespace, or of one of its interfaces.
Result<> take_all(Observation& observation, const std::string& name, int interface) {
    auto told = observation.told(name, interface);
    PARTD_TRY(told);
    const auto links = observation.host.links_in_view(name);
    PARTD_TRY(links);
    const auto found = std::exchange((*told)->addresses, {});  // nobody else asks for them
    Listed listed;
    for (const auto& reply : found) {
        take(observation, name, **links, reply.view(), listed);
    }
    return {};
}

// Missing loopback addresses of the kernel count as present: the kind of namespaces puts them back.
void leave_to_namespace(Observation& observation) {
    observation.for_wanted(kAddress.kind, [&](const Resource& wanted) {
        const auto& spec = wanted.spec.as<InterfaceAddress>();
        const bool there = std::ranges::find(observation.netns, spec.netns) != observation.netns.end();
        if (there && is_loopbacks(spec.interface, spec.address) &&
            observation.observed.find(wanted.key) == nullptr) {
            observation.observed.add({.key = wanted.key,
                                      .spec = wanted.spec,
                                      .owner = wanted.owner,
                                      .depends_on = wanted.depends_on,
                                      .contained_in = wanted.contained_in});
        }
    });
}

Result<> observe(Observation& observation) {
    for (const std::string& name : observation.netns) {
        PARTD_TRY(take_all(observation, name, 0));
    }
    leave_to_namespace(observation);
    if (observation.hidden) {
        return {};
    }
    if (observation.scope.all) {
        return take_all(observation, "", 0);
    }
    auto ends = observation.host.links_in_view("");
    PARTD_TRY(ends);
    for (const kernel::Link& link : **ends) {
        PARTD_TRY(take_all(observation, "", link.index));
    }
    return {};
}

// The kernel refuses addresses of 127.0.0.0/8 that are to mean more than the host.
std::uint8_t scope_of(const Ip& ip) {
    return ip.is_loopback() ? RT_SCOPE_HOST : ip.is_link_local() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

Message make_request(std::uint16_t type, std::uint16_t flags, const InterfaceAddress& spec, int index) {
    const Address& address = spec.address;
    Message message(type, flags);
    message.head(ifaddrmsg{.ifa_family = address.ip.family(),
                           .ifa_prefixlen = address.length,
                           .ifa_flags = 0,
                           .ifa_scope = scope_of(address.ip),
                           .ifa_index = static_cast<std::uint32_t>(index)});
    message.ip(IFA_LOCAL, address.ip).ip(IFA_ADDRESS, address.ip);
    return message;
}

// The kernel takes the other addresses of a network along with its first one, unless told to promote one of
// them. By index: the same wave may give the interface another name.
Message keep_secondaries(int index) {
    Message message(RTM_SETLINK, 0);
    ifinfomsg head{};
    head.ifi_index = index;
    message.head(head);
    const auto families = message.open(IFLA_AF_SPEC);
    const auto inet = message.open(AF_INET);
    const auto settings = message.open(IFLA_INET_CONF);
    message.number<std::uint32_t>(IPV4_DEVCONF_PROMOTE_SECONDARIES, 1);
    message.close(settings);
    message.close(inet);
    message.close(families);
    return message;
}

// The kernel turns IPv6 off below that MTU, and refuses an address without a word. The list may be older than
// the MTU.
Result<> check_mtu(ApplyContext& context, const InterfaceAddress& spec, const kernel::Link& seen) {
    constexpr std::int64_t kLeastForIpv6 = 1280;  // RFC 8200, section 5
    if (!spec.address.ip.v6() || seen.mtu == 0 || seen.mtu >= kLeastForIpv6) {
        return {};
    }
    auto where = context.host.netns(spec.netns);
    PARTD_TRY(where);
    const auto now = kernel::get_link((*where)->route(), seen.index);
    PARTD_TRY(now);
    return !*now || (*now)->mtu >= kLeastForIpv6
               ? Result<>()
               : fail(fmt::format("{} has MTU {}, and IPv6 needs at least {}: write mtu = {} or more for it",
                                  place_text(spec.netns, spec.interface), (*now)->mtu, kLeastForIpv6,
                                  kLeastForIpv6));
}

// The interface that a request is to reach. An address is taken off where it was found: the interface may
// have another name by now, and its name may be another one's. An index of partd's own is nobody else's ever.
Result<int> index_for(ApplyContext& context, const InterfaceAddress& spec, bool removal) {
    if (spec.index >= kernel::kFirstOwnIndex) {
        return spec.index;
    }
    const auto found = find_for_request(context, spec.netns, spec.interface);
    PARTD_TRY(found);
    const int index = (*found)->index;
    // On the host another interface may have the name by now.
    if (spec.netns.empty() && index < kernel::kFirstOwnIndex && !parse_link_mark((*found)->alias)) {
        return fail(ENODEV, place_text(spec.netns, spec.interface));
    }
    if (!removal) {
        PARTD_TRY(check_mtu(context, spec, **found));
    }
    return index;
}

Result<> apply(ApplyContext& context, const Change& change, std::size_t number) {
    const bool removal = change.action == Action::Remove;
    const InterfaceAddress& spec = (removal ? change.found : change.wanted).as<InterfaceAddress>();
    const auto there = index_for(context, spec, removal);
    PARTD_TRY(there);
    const int index = *there;
    auto netns = context.host.netns(spec.netns);
    PARTD_TRY(netns);
    // Linux before 6.15 keeps the mark that an address of IPv4 has: it is made anew.
    const bool anew = change.action == Action::Update && !spec.address.ip.v6() && change.changes("mark");
    if ((removal || anew) && !spec.address.ip.v6()) {
        context.batch.netlink((*netns)->route(), keep_secondaries(index), number);
    }
    if (anew) {
        context.batch.netlink((*netns)->route(), make_request(RTM_DELADDR, 0, spec, index), number);
    }
    // A new namespace's lo has its own by now.
    const bool there_already =
        (change.action == Action::Update && !anew) || is_loopbacks(spec.interface, spec.address);
    const unsigned how = there_already ? NLM_F_CREATE | NLM_F_REPLACE : NLM_F_CREATE | NLM_F_EXCL;
    Message message = make_request(removal ? RTM_DELADDR : RTM_NEWADDR,
                                   static_cast<std::uint16_t>(removal ? 0U : how), spec, index);
    if (!removal) {
        if (!is_loopbacks(spec.interface, spec.address)) {
            message.number<std::uint8_t>(kIfaProto, kProtocolMark);
        }
        // Nobody else is on a pair: an address need not be probed for a second before it can be used.
        message.number<std::uint32_t>(IFA_FLAGS, spec.address.ip.v6() ? IFA_F_NODAD : 0);
    }
    context.batch.netlink((*netns)->route(), std::move(message), number);
    return {};
}

}  // namespace

constinit const Table InterfaceAddress::table = {"address", "One address of an interface.", kFields};

Key address_key(std::string_view netns, std::string_view interface, const Address& address) {
    return {&kAddress.kind, fmt::format("{} {}", place_text(netns, interface), address.text())};
}

constinit const LiveKind kAddress = {
    .kind = {.name = "address",
             .phase = Phase::Network,
             .expand = expand,
             .independent = true,
             .interacts = overlap},
    .observe = observe,
    .apply = apply,
};

}  // namespace partd
