// SPDX-License-Identifier: Apache-2.0
#include "doctor/ports.h"

#include "kernel/events/listening.h"
#include "kernel/nft/foreign_rules.h"
#include "kernel/nft/packet_fate.h"
#include "kinds/nat/layout.h"
#include "kinds/nat/nat.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace partd {

namespace {

using kernel::ListeningSocket;
using Sockets = std::multimap<std::pair<Protocol, std::uint16_t>, ListeningSocket>;

// True if both serve one address. A forward at every local address serves the loopback, too.
bool share_address(const Forward& forward, const ListeningSocket& socket) {
    const bool v6 = forward.to.ip.v6();
    const bool any = socket.ip.is_any() && (socket.ip.v6() == v6 || socket.both_families);
    return any ||
           (socket.ip.v6() == v6 && (forward.address.empty() ||
                                     std::ranges::find(forward.address, socket.ip) != forward.address.end()));
}

const ListeningSocket* find_listener(const Forward& forward, const Sockets& sockets) {
    const auto first = sockets.lower_bound({forward.listen.protocol, forward.listen.first});
    const auto last = sockets.upper_bound({forward.listen.protocol, forward.listen.last});
    const auto found =
        std::find_if(first, last, [&](const auto& each) { return share_address(forward, each.second); });
    return found == last ? nullptr : &found->second;
}

// Which rule of somebody else's gives the forward's connections another destination; "" for none.
std::string find_translation(const Forward& forward, const std::vector<kernel::nft::ForeignTable>& tables) {
    const bool v6 = forward.to.ip.v6();
    kernel::nft::Packet packet{.v6 = v6,
                               .to_host = true,
                               .protocol = static_cast<std::uint8_t>(forward.listen.protocol),
                               .to_ports = std::pair(forward.listen.first, forward.listen.last)};
    std::vector<std::optional<Ip>> addresses(forward.address.begin(), forward.address.end());
    if (addresses.empty()) {
        addresses.emplace_back(std::nullopt);
    }
    for (const kernel::nft::ForeignTable& table : tables) {
        if (table.family != "inet" && (table.family == "ip6") != v6) {
            continue;
        }
        for (const auto& [name, chain] : table.chains) {
            if (!kernel::nft::translates_destinations(chain)) {
                continue;
            }
            for (const auto& address : addresses) {
                packet.to = address;
                const kernel::nft::Fate fate = fate_of(table, name, packet);
                if (fate.translates) {
                    return fmt::format("nftables table {} {}, chain {}, leads it {}", table.family,
                                       table.name, fate.where,
                                       fate.to.empty() ? "elsewhere" : "to " + fate.to);
                }
            }
        }
    }
    return "";
}

std::string listener_text(const ListeningSocket& socket,
                          const std::map<ino_t, kernel::SocketHolder>& holders) {
    const auto holder = holders.find(socket.inode);
    return fmt::format("{} listens on {}",
                       holder == holders.end()
                           ? "a program of the host"
                           : fmt::format("{} (process {})", holder->second.name, holder->second.pid),
                       Endpoint{socket.ip, socket.port}.text());
}

struct Heard {
    const DeclaredObject* object;
    const ListeningSocket* socket;
};

}  // namespace

std::string TakenPort::message() const {
    return fmt::format("{} of {}: {}, too; {}", listen.text(), partition, holder, effect);
}

Result<std::vector<TakenPort>> taken_ports(kernel::Host& host, const Declared& declared,
                                           std::string_view partition) {
    std::vector<const DeclaredObject*> forwards;
    for (const DeclaredObject* object : declared.all<Forward>()) {
        if (partition.empty() || object->owner == partition) {
            forwards.push_back(object);
        }
    }
    if (forwards.empty()) {
        return std::vector<TakenPort>();
    }
    auto listening = kernel::listening_sockets();
    PARTD_TRY(listening);
    Sockets sockets;
    for (const ListeningSocket& socket : *listening) {
        sockets.emplace(std::pair(socket.protocol, socket.port), socket);
    }
    const auto tables = host.foreign_tables().list(nat::kTableName);
    PARTD_TRY(tables);
    std::vector<TakenPort> taken;
    std::vector<Heard> heard;
    std::set<ino_t> inodes;
    for (const DeclaredObject* object : forwards) {
        const Forward& forward = object->spec.as<Forward>();
        if (const ListeningSocket* socket = find_listener(forward, sockets)) {
            heard.push_back({object, socket});
            inodes.insert(socket->inode);
        }
        if (std::string rule = find_translation(forward, **tables); !rule.empty()) {
            taken.push_back({.partition = object->owner,
                             .source = object->source,
                             .listen = forward.listen,
                             .holder = std::move(rule),
                             .effect = "only one of them gets its connections"});
        }
    }
    const auto holders = kernel::holders_of(inodes);
    for (const Heard& each : heard) {
        taken.push_back({.partition = each.object->owner,
                         .source = each.object->source,
                         .listen = each.object->spec.as<Forward>().listen,
                         .holder = listener_text(*each.socket, holders),
                         .effect = fmt::format("its connections go to {}", each.object->owner)});
    }
    std::ranges::stable_sort(taken, {}, &TakenPort::partition);
    return taken;
}

}  // namespace partd
