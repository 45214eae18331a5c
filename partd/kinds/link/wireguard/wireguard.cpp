// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/wireguard/wireguard.h"

#include "base/text.h"
#include "kernel/file/secret_file.h"
#include "kinds/link/interfaces.h"
#include "kinds/link/types/rows.h"
#include "kinds/link/wireguard/tunnel_file.h"
#include "kinds/partition.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace partd {

namespace {

constexpr std::int64_t kMostSeconds = 65535;

// The path of a file with a secret. An error does not repeat what stands there: it may be the secret itself.
template <auto Member>
constexpr Field secret_file(std::string_view name, std::string_view description, std::string_view fallback) {
    Field path = field<Member>(name, description, {.fallback = fallback});
    path.read = [](const Value& value, void* link, Diagnostics& problems) {
        const auto* text = value.get_if<std::string>();
        const auto parsed = text == nullptr ? std::nullopt : AbsolutePath::parse(*text);
        if (!parsed) {
            problems.error(value.source, fmt::format("expected {}: the key itself belongs into that file",
                                                     TextFormat<AbsolutePath>::kExpected));
            return false;
        }
        detail::Access<Member>::get(link) = *parsed;
        return true;
    };
    return path;
}

constexpr Field kPeerFields[] = {
    field<&WireguardPeer::public_key>("public_key", "its public key", {.required = true}),
    secret_file<&WireguardPeer::preshared_key_file>("preshared_key_file",
                                                    "the file with the key that both share", "none"),
    field<&WireguardPeer::endpoint>("endpoint", "where it is: a name or an address, and a port",
                                    {.fallback = "from where it calls"}),
    field<&WireguardPeer::allowed_ips>("allowed_ips", "prefixes that are behind it"),
    field<&WireguardPeer::persistent_keepalive>("persistent_keepalive",
                                                "how often it is sent a packet, to keep the way back open",
                                                {.fallback = "never"}),
};

// "KEY: endpoint 192.0.2.1:51820, allowed_ips 10.0.0.0/8".
std::string peer_text(const ComparedPeer& peer) {
    std::vector<std::string> attributes;
    const auto add = [&](std::string_view name, const std::string& value) {
        if (!value.empty()) {
            attributes.push_back(fmt::format("{} {}", name, value));
        }
    };
    std::vector<std::string> prefixes;
    std::ranges::transform(peer.allowed_ips, std::back_inserter(prefixes), &Prefix::text);
    add("endpoint", peer.endpoint);
    add("allowed_ips", join(prefixes, ","));
    add("persistent_keepalive", peer.keepalive == 0 ? "" : fmt::format("{}s", peer.keepalive));
    add("preshared_key_file", peer.preshared);
    return fmt::format("{}{}{}", peer.public_key.text(), attributes.empty() ? "" : ": ",
                       join(attributes, ", "));
}

std::string peers_text(const void* link) {
    std::vector<std::string> all;
    std::ranges::transform(static_cast<const Wireguard*>(link)->peers, std::back_inserter(all), peer_text);
    return join(all, "; ");
}

Value peer_value(const ComparedPeer& peer) {
    Value value;
    value.set("public_key", peer.public_key.text());
    const auto set = [&](std::string_view name, const std::string& text) {
        if (!text.empty()) {
            value.set(std::string(name), text);
        }
    };
    set("preshared_key_file", peer.preshared);
    set("endpoint", peer.endpoint);
    Value& prefixes = value.set("allowed_ips", Array());
    for (const Prefix& prefix : peer.allowed_ips) {
        prefixes.push(prefix.text());
    }
    set("persistent_keepalive", peer.keepalive == 0 ? "" : fmt::format("{}s", peer.keepalive));
    return value;
}

std::vector<std::string> parts_of(std::string_view text, std::string_view separator) {
    std::vector<std::string> all;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(separator), text.size());
        all.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + separator.size(), text.size()));
    }
    return all;
}

// The attributes of the peers in such a text, by their keys.
std::map<std::string, std::vector<std::string>> peers_in(const std::string& text) {
    std::map<std::string, std::vector<std::string>> all;
    for (const std::string& peer : parts_of(text, "; ")) {
        const std::size_t end = std::min(peer.find(": "), peer.size());
        all[peer.substr(0, end)] =
            parts_of(std::string_view(peer).substr(std::min(end + 2, peer.size())), ", ");
    }
    return all;
}

// Only the peers that differ, by the first characters of their keys, and of one that both sides have only the
// attributes that do.
Sides told_peers(const std::string& from, const std::string& to) {
    constexpr std::size_t kShownOfKey = 8;
    const auto told = [](const std::string& text, const std::string& other) {
        std::vector<std::string> all;
        const auto others = peers_in(other);
        for (const auto& [key, attributes] : peers_in(text)) {
            const auto as = others.find(key);
            auto left = attributes;
            if (as != others.end() && as->second == attributes) {
                continue;
            }
            if (as != others.end()) {
                std::erase_if(left, [&](const std::string& each) {
                    return std::ranges::find(as->second, each) != as->second.end();
                });
            }
            const std::string name = key.substr(0, kShownOfKey) + "…";
            all.push_back(left.empty() ? name : fmt::format("{}: {}", name, join(left, ", ")));
        }
        return join(all, "; ");
    };
    return {told(from, to), told(to, from)};
}

// The language has the declared peers; the diff compares them with those that were found.
constexpr Field peers_field() {
    Field peers = field<&Wireguard::wireguard_peer>(
        "wireguard_peer",
        "its peers, each with public_key, preshared_key_file, endpoint, allowed_ips and "
        "persistent_keepalive",
        {.fallback = "none", .told = told_peers});
    peers.text = peers_text;
    peers.json = [](const void* link) {
        Value all = Array();
        for (const ComparedPeer& peer : static_cast<const Wireguard*>(link)->peers) {
            all.push(peer_value(peer));
        }
        return all;
    };
    peers.same = [](const void* wanted, const void* found) {
        return static_cast<const Wireguard*>(wanted)->peers == static_cast<const Wireguard*>(found)->peers;
    };
    return peers;
}

// `routes` is a key of this type.
constexpr auto self_rows() {
    auto rows = link::self_attributes<Wireguard>();
    for (Attribute& each : rows) {
        if (each.field.name == "routes") {
            each.field.name = "own_routes";
        }
    }
    return rows;
}

constexpr auto kAttributes = link::joined(
    self_rows(),
    std::array{Attribute{.field = secret_file<&Wireguard::private_key_file>(
                             "private_key_file", "the file with its private key", "the one in config_file")},
               link::row<&Wireguard::config_file>(
                   "config_file",
                   "a file of wg-quick as providers hand it out, with its key, addresses, name servers, MTU "
                   "and peers; "
                   "what stands beside it comes first, its addresses and peers are added",
                   {.role = Role::Declared, .fallback = "none"}),
               link::row<&Wireguard::listen_port>("listen_port", "its UDP port",
                                                  {.min = 1, .max = 65535, .fallback = "any"}),
               link::row<&Wireguard::fwmark>(
                   "fwmark", "the mark of its own packets, for rules of its birth's namespace",
                   {.min = 0, .max = 0xffffffffLL, .fallback = "0: none"}),
               link::row<&Wireguard::birth>(
                   "birth", "where its UDP socket is and its own packets leave: \"host\", or a partition",
                   {.role = Role::Replace, .fallback = "\"host\""}),
               link::row<&Wireguard::routes>("routes", "the partition routes allowed_ips to it",
                                             {.role = Role::Declared, .fallback = "true"}),
               Attribute{.field = peers_field()}});
constexpr auto kFields = link::fields_of(kAttributes);

void check_peer(const DeclaredObject& link, const Sourced<WireguardPeer>& peer, Diagnostics& problems) {
    const auto keepalive = peer.value.persistent_keepalive;
    const auto whole = std::chrono::duration_cast<std::chrono::seconds>(keepalive);
    if (whole != keepalive || whole.count() > kMostSeconds) {
        problems.error(peer.at,
                       fmt::format("persistent_keepalive of a peer of {}/{} is whole seconds, at most {}",
                                   link.owner, link.name, kMostSeconds));
    }
}

void check_peers(const DeclaredObject& link, Diagnostics& problems) {
    std::map<PublicKey, Source> keys;
    std::map<Prefix, Source> prefixes;
    for (const auto& peer : link.spec.as<Wireguard>().wireguard_peer) {
        check_peer(link, peer, problems);
        if (const auto [first, is_new] = keys.emplace(peer.value.public_key, peer.at); !is_new) {
            problems.error(peer.at,
                           fmt::format("{}/{} has the peer {} twice", link.owner, link.name,
                                       peer.value.public_key.text()),
                           first->second, "the other one");
        }
        for (const auto& [prefix, at] : peer.value.allowed_ips) {
            if (const auto [first, is_new] = prefixes.emplace(prefix, at); !is_new) {
                problems.error(
                    at,
                    fmt::format("{} is behind one peer of {}/{} alone", prefix.text(), link.owner, link.name),
                    first->second, "the other place");
            }
        }
    }
}

void check(const Declared& declared, const DeclaredObject& link, Diagnostics& problems) {
    const std::string birth = link.spec.as<Wireguard>().birth_netns();
    if (!birth.empty() && !has_netns(declared, birth)) {
        problems.error(link.place("birth"),
                       find_partition(declared, birth) != nullptr
                           ? fmt::format("partition {} has no network namespace of its own", birth)
                           : fmt::format("there is no [partition.{}] for {}/{} to be born in", birth,
                                         link.owner, link.name));
    }
    check_peers(link, problems);
}

Spec wanted(const DeclaredObject& link, std::span<const LinkEnd> ends) {
    Wireguard wanted = link.spec.as<Wireguard>();
    wanted.self = ends[0];
    wanted.address.clear();
    wanted.private_key_file = wanted.private_key_file ? wanted.private_key_file : wanted.config_file;
    wanted.config_file.reset();
    wanted.dns = {};
    wanted.peers = link::compared(wanted.wireguard_peer);
    wanted.wireguard_peer.clear();
    return Spec(std::move(wanted));
}

std::vector<Sourced<Prefix>> routes(const void* link) {
    const Wireguard& wireguard = *static_cast<const Wireguard*>(link);
    std::vector<Sourced<Prefix>> all;
    if (wireguard.routes && wireguard.self.up) {
        for (const auto& peer : wireguard.wireguard_peer) {
            std::ranges::copy(peer.value.allowed_ips, std::back_inserter(all));
        }
    }
    return all;
}

// Where its UDP socket is.
std::string socket_of(const void* link) {
    const Wireguard& wireguard = *static_cast<const Wireguard*>(link);
    const std::string place = wireguard.birth_netns();
    return wireguard.listen_port ? fmt::format("UDP port {} {}", *wireguard.listen_port,
                                               place.empty() ? "of the host" : "in partition " + place)
                                 : "";
}

// Adds what the file of wg-quick says. Its secrets stay there.
bool add_file(Wireguard& link, const Source& at, Diagnostics& problems) {
    auto text = kernel::read_private_file(*link.config_file);
    if (!text) {
        problems.error(at, text.error().message);
        return false;
    }
    const auto file = link::parse_tunnel_file(*text, *link.config_file, problems);
    wipe(*text);
    if (!file) {
        return false;
    }
    std::ranges::copy(file->address, std::back_inserter(link.address));
    std::ranges::copy(file->peers, std::back_inserter(link.wireguard_peer));
    link.self.mtu = link.self.mtu ? link.self.mtu : file->mtu;
    link.listen_port = link.listen_port ? link.listen_port : file->listen_port;
    link.fwmark = link.fwmark != 0 ? link.fwmark : file->fwmark;
    link.routes = link.routes && file->routes;
    link.dns = file->dns;
    return true;
}

Spec read(const Table& table, const Value& value, std::span<const std::string_view> others,
          Diagnostics& problems, Places* places) {
    Wireguard link;
    if (!read_object(table, value, &link, others, problems, places)) {
        return {};
    }
    const Value* file = value.find("config_file");
    if (!link.private_key_file && file == nullptr) {
        problems.error(value.source, "link needs the key \"private_key_file\" or \"config_file\"");
        return {};
    }
    return file == nullptr || add_file(link, file->source, problems) ? Spec(std::move(link)) : Spec();
}

constexpr LinkType made() {
    LinkType type = link::make_type<Wireguard, kAttributes>(
        {.check = check,
         .exclusive_name = socket_of,
         .birth = [](const void* link) { return static_cast<const Wireguard*>(link)->birth_netns(); },
         .look = link::look_at_wireguard,
         .configure = link::configure_wireguard,
         .prepare = link::prepare_wireguard,
         .routes = routes,
         .name_servers = [](const void* link) -> const NameServers& {
             return static_cast<const Wireguard*>(link)->dns;
         },
         .own_mac = false,
         .ethernet = false});
    type.wanted = wanted;
    type.declaration.read = read;
    return type;
}

}  // namespace

std::optional<PeerEndpoint> PeerEndpoint::parse(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    const auto port = colon == std::string_view::npos ? std::nullopt : parse_number(text.substr(colon + 1));
    if (!port || *port == 0 || *port > 0xffff) {
        return std::nullopt;
    }
    std::string_view host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) {
        const auto ip = Ip::parse(host.substr(1, host.size() - 2));
        return ip && ip->v6() ? std::optional(PeerEndpoint{ip->text(), static_cast<std::uint16_t>(*port)})
                              : std::nullopt;
    }
    constexpr std::size_t kMostName = 253;  // RFC 1035
    const auto is_wordy = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    const bool good = !host.empty() && host.size() <= kMostName && is_wordy(host.front()) &&
                      std::ranges::all_of(host, [&](char c) { return is_wordy(c) || c == '.' || c == '-'; });
    return good ? std::optional(PeerEndpoint{std::string(host), static_cast<std::uint16_t>(*port)})
                : std::nullopt;
}

std::string PeerEndpoint::text() const {
    return host.contains(':') ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::vector<ComparedPeer> link::compared(const std::vector<Sourced<WireguardPeer>>& peers) {
    std::vector<ComparedPeer> all;
    for (const auto& [peer, at] : peers) {
        ComparedPeer one{
            .public_key = peer.public_key,
            .endpoint = peer.endpoint ? peer.endpoint->text() : "",
            .preshared = peer.preshared_key_file.value_or(AbsolutePath()),
            .keepalive = std::chrono::duration_cast<std::chrono::seconds>(peer.persistent_keepalive).count()};
        for (const auto& prefix : peer.allowed_ips) {
            one.allowed_ips.push_back(prefix.value);
        }
        std::ranges::sort(one.allowed_ips);
        all.push_back(std::move(one));
    }
    std::ranges::sort(all, {}, &ComparedPeer::public_key);
    return all;
}

constinit const Table WireguardPeer::table = {"wireguard_peer", "A peer of a WireGuard tunnel.", kPeerFields};
constinit const Table Wireguard::table = {
    "link", "A WireGuard tunnel, whose own packets leave by another namespace than those inside it.",
    kFields};

extern constinit const LinkType kWireguard = made();

}  // namespace partd
