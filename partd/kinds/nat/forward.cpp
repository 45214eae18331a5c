// SPDX-License-Identifier: Apache-2.0
#include "kinds/nat/forward.h"

#include "kinds/nat/entry.h"
#include "kinds/nat/layout.h"
#include "kinds/nat/own_prefixes.h"
#include "kinds/sysctl/sysctl.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd {

namespace {

using nat::Bytes;
using nat::Elements;
using nat::PrefixSet;
using SetRole = nat::Role;

// "fd00:1::2:80" may also mean [fd00:1::2]:80. Returns that; nullopt for a text with one meaning, or none.
std::optional<Endpoint> port_at_end(std::string_view text) {
    const auto bare = Ip::parse(text);
    if (!bare || !bare->v6()) {
        return std::nullopt;
    }
    const std::size_t colon = text.rfind(':');
    return Endpoint::parse(fmt::format("[{}]:{}", text.substr(0, colon), text.substr(colon + 1)));
}

constexpr Field kTo = [] {
    Field to = field<&Forward::to>("to",
                                   "address and port inside. The port defaults to that of listen; for a "
                                   "range it is the first. With a port, an IPv6 address needs brackets",
                                   {.role = Role::Declared, .required = true});
    to.read = [](const Value& value, void* object, Diagnostics& problems) {
        const auto* text = value.get_if<std::string>();
        const auto meant = text == nullptr ? std::nullopt : port_at_end(*text);
        if (meant) {
            problems.error(
                value.source,
                fmt::format("{} may be an address, or one with a port: write \"{}\" for port {}, or "
                            "\"[{}]\" for the address",
                            *text, meant->text(), meant->port, *text));
            return false;
        }
        return Codec<Endpoint>::read(value, static_cast<Forward*>(object)->to, problems);
    };
    return to;
}();
constexpr Field kForwardFields[] = {
    field<&Forward::listen>("listen", "the host's port; a range maps to an equal range",
                            {.role = Role::Declared, .required = true}),
    field<&Forward::address>("address", "host addresses to listen on",
                             {.role = Role::Declared, .fallback = "every local address"}),
    kTo,
    field<&Forward::from>("from", "allowed sources", {.role = Role::Declared, .fallback = "any"}),
};

// All forwards together: every port of the host for four addresses. Each entry is an element of the table.
constexpr std::uint64_t kMostEntries = 4 * std::uint64_t{65'536};

// Counted before they are made.
bool count_entries(const DeclaredObject& object, const Forward& forward, std::uint64_t& all,
                   Diagnostics& problems) {
    const auto sources = std::max<std::uint64_t>(1, forward.from.size());
    const auto addresses = std::max<std::uint64_t>(1, forward.address.size());
    const std::uint64_t entries = sources * addresses * forward.listen.count();
    if (entries > kMostEntries - all) {
        problems.error(object.source,
                       fmt::format("this forward would need {} entries, for {} ports, {} addresses and {} "
                                   "sources; at most {} are left of {} for all forwards",
                                   entries, forward.listen.count(), addresses, sources, kMostEntries - all,
                                   kMostEntries));
        return false;
    }
    all += entries;
    return true;
}

// The elements of one forward: for each source, address and port.
Elements forward_elements(const Forward& forward) {
    const bool v6 = forward.to.ip.v6();
    auto sources = forward.from;
    if (sources.empty()) {
        sources.push_back({Ip::any(v6), 0});
    }
    Elements elements;
    const auto add = [&](const Prefix& source, const Ip* address, unsigned offset) {
        Bytes key;
        key.ip(source.ip);
        if (address != nullptr) {
            key.ip(*address);
        }
        key.protocol(forward.listen.protocol).port(static_cast<std::uint16_t>(forward.listen.first + offset));
        const auto port = static_cast<std::uint16_t>(forward.to.port + offset);
        elements.all.insert({.set = PrefixSet{address != nullptr ? SetRole::ForwardTo : SetRole::Forward,
                                              source.ip.v6(), source.length}
                                        .name(),
                             .key = key.done(),
                             .data = Bytes().ip(forward.to.ip).port(port).done()});
    };
    for (const Prefix& source : sources) {
        for (unsigned offset = 0; offset < forward.listen.count(); ++offset) {
            for (const Ip& address : forward.address) {
                add(source, &address, offset);
            }
            if (forward.address.empty()) {
                add(source, nullptr, offset);
            }
        }
    }
    return elements;
}

// An address at which no forward ever gets a packet, or would lead to itself.
bool check_listening(const DeclaredObject& object, const Forward& forward, Diagnostics& problems) {
    for (const Ip& address : forward.address) {
        if (address.is_any() || address.is_multicast()) {
            problems.error(
                object.place("address"),
                fmt::format("{} is not an address of an interface: leave address out for every local "
                            "address of the host",
                            address.text()));
            return false;
        }
        if (address == forward.to.ip && forward.listen.first == forward.to.port) {
            problems.error(object.place("address"),
                           fmt::format("{} is where the forward leads: give an address of the host, or leave "
                                       "address out for every local address of the host",
                                       forward.to.text()));
            return false;
        }
    }
    return true;
}

bool check_forward(const DeclaredObject& object, Forward& forward, std::span<const Prefix> prefixes,
                   Diagnostics& problems) {
    const auto other_family = [&](const auto& ip) { return ip.v6() != forward.to.ip.v6(); };
    if (std::ranges::any_of(forward.address, other_family) ||
        std::ranges::any_of(forward.from, other_family, &Prefix::ip)) {
        problems.error(object.source,
                       "a forward keeps the family: address, from and to must all be IPv4 or all IPv6");
        return false;
    }
    forward.to.port = forward.to.port == 0 ? forward.listen.first : forward.to.port;
    if (forward.to.port + forward.listen.count() - 1 > 65535) {
        problems.error(object.place("to"), fmt::format("{} ports from {} on go beyond 65535",
                                                       forward.listen.count(), forward.to.port));
        return false;
    }
    if (std::ranges::none_of(prefixes, [&](const Prefix& own) { return own.contains(forward.to.ip); })) {
        problems.error(object.place("to"), fmt::format("{} is not in any prefix of partition {}",
                                                       forward.to.ip.text(), object.owner));
        return false;
    }
    return check_listening(object, forward, problems);
}

// "web tcp/8080 of IPv6 at 203.0.113.7 from 10.0.0.0/8"
Key forward_key(const std::string& partition, const Forward& forward) {
    std::string name =
        fmt::format("{} {}{}", partition, forward.listen.text(), forward.to.ip.v6() ? " of IPv6" : "");
    for (const Ip& address : forward.address) {
        name += " at " + address.text();
    }
    for (const Prefix& from : forward.from) {
        name += " from " + from.text();
    }
    return {&kForward.kind, std::move(name)};
}

// A forward at every local address also serves 127.0.0.1, which the host routes to a link only when told to.
void want_loopback(const DeclaredObject& object, const Forward& forward, const Declared& declared,
                   State& desired) {
    const bool loopback = forward.address.empty() || std::ranges::any_of(forward.address, &Ip::is_loopback);
    if (forward.to.ip.v6() || !loopback) {
        return;
    }
    for (const Interface& end : host_ends(declared, object.owner)) {
        Resource& wanted = want_host_sysctl(desired, "net/ipv4/conf/" + end.name + "/route_localnet", "1",
                                            object.owner, object.source);
        wanted.contained_in = {*end.link};
        wanted.depends_on = {*end.link};
    }
}

// `entries` counts the elements of all forwards so far.
void expand_forward(const DeclaredObject& object, std::span<const Prefix> prefixes, const Declared& declared,
                    std::uint64_t& entries, State& desired, Diagnostics& problems) {
    Forward forward = object.spec.as<Forward>();
    if (!check_forward(object, forward, prefixes, problems) ||
        !count_entries(object, forward, entries, problems)) {
        return;
    }
    Resource& added = desired.add(nat::entry_of(forward_key(object.owner, forward),
                                                Spec(nat::ForwardEntry{forward_elements(forward)}),
                                                object.owner, object.source));
    if (added.source.text() != object.source.text()) {
        problems.error(object.source, fmt::format("{} is declared twice", added.key.text()), added.source,
                       "the other declaration");
    }
    want_loopback(object, forward, declared, desired);
}

void expand(const Declared& declared, State& desired, Diagnostics& problems) {
    const auto forwards = declared.all<Forward>();
    const auto interfaces =
        forwards.empty() ? std::map<std::string, std::vector<Interface>>() : interfaces_by_netns(declared);
    std::uint64_t entries = 0;
    for (const DeclaredObject* object : forwards) {
        std::vector<Prefix> prefixes;
        std::ranges::transform(nat::own_prefixes(interfaces, object->owner), std::back_inserter(prefixes),
                               &nat::OwnPrefix::prefix);
        expand_forward(*object, prefixes, declared, entries, desired, problems);
    }
}

constexpr Declaration kLanguage[] = {declaration<Forward>("partition.*.nat.forward[]")};

}  // namespace

constinit const Table Forward::table = {"nat.forward", "A port of the host that leads into the partition.",
                                        kForwardFields};

constinit const LiveKind kForward = {
    .kind = {.name = "forward",
             .language = kLanguage,
             .phase = Phase::Filter,
             .expand = expand,
             .former =
                 [](std::string_view kind, std::string_view name) {
                     return kind == kNat.kind.name
                                ? nat::name_in_comment(kForward, fmt::format("{} {}", kind, name))
                                : std::nullopt;
                 },
             .summary =
                 [](const Spec& spec) {
                     return "→ " + nat::targets_text(spec.as<nat::ForwardEntry>().elements.all);
                 },
             .channel = "nftables",
             .independent = true},
    .apply = nat::apply_entry,
};

bool has_forwards(const Declared& declared, std::string_view partition) {
    return !declared.all<Forward>(partition).empty();
}

}  // namespace partd
