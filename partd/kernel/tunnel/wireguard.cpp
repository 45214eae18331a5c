// SPDX-License-Identifier: Apache-2.0
#include "kernel/tunnel/wireguard.h"

#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace partd::kernel {

namespace {

genlmsghdr command(std::uint8_t number, std::uint8_t version) {
    return {.cmd = number, .version = version, .reserved = 0};
}

// The family's number (CTRL_CMD_GETFAMILY), which the kernel gives out anew whenever the module is loaded.
Result<std::uint16_t> family_number(NetlinkSocket& socket) {
    Message request(GENL_ID_CTRL, 0);
    request.head(command(CTRL_CMD_GETFAMILY, 1)).text(CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
    std::optional<std::uint16_t> number;
    PARTD_TRY(socket.request(std::move(request), [&](const Reply& reply) {
        number = reply.attributes<genlmsghdr>().number<std::uint16_t>(CTRL_ATTR_FAMILY_ID);
    }));
    return number ? Result<std::uint16_t>(*number) : fail(ENOENT, WG_GENL_NAME);
}

std::optional<Endpoint> endpoint_of(std::span<const std::uint8_t> raw) {
    sockaddr_in6 v6{};
    sockaddr_in v4{};
    if (raw.size() == sizeof v6) {
        std::memcpy(&v6, raw.data(), sizeof v6);
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&v6.sin6_addr);
        return Endpoint{Ip(std::span(bytes, sizeof v6.sin6_addr)), ntohs(v6.sin6_port)};
    }
    if (raw.size() >= sizeof v4) {
        std::memcpy(&v4, raw.data(), sizeof v4);
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&v4.sin_addr);
        return Endpoint{Ip(std::span(bytes, sizeof v4.sin_addr)), ntohs(v4.sin_port)};
    }
    return std::nullopt;
}

void put_endpoint(Message& message, const Endpoint& endpoint) {
    const auto address = endpoint.ip.bytes();
    if (endpoint.ip.v6()) {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(endpoint.port);
        std::memcpy(&v6.sin6_addr, address.data(), sizeof v6.sin6_addr);
        message.bytes(WGPEER_A_ENDPOINT, {reinterpret_cast<const std::uint8_t*>(&v6), sizeof v6});
    } else {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(endpoint.port);
        std::memcpy(&v4.sin_addr, address.data(), sizeof v4.sin_addr);
        message.bytes(WGPEER_A_ENDPOINT, {reinterpret_cast<const std::uint8_t*>(&v4), sizeof v4});
    }
}

void put_secret(Message& message, std::uint16_t type, const Secret& secret) {
    secret.lend([&](std::span<const std::uint8_t> bytes) { message.bytes(type, bytes); });
}

void take_allowed_ips(std::span<const std::uint8_t> list, std::vector<Prefix>& all) {
    for (const auto element : elements_of(list)) {
        const Attributes allowed(element);
        const auto ip = allowed.ip(WGALLOWEDIP_A_IPADDR);
        if (const auto length = allowed.number<std::uint8_t>(WGALLOWEDIP_A_CIDR_MASK); ip && length) {
            all.push_back({*ip, *length});
        }
    }
}

// A peer whose addresses do not fit into one message goes on in the next, under the same key.
void take_peer(std::span<const std::uint8_t> raw, std::vector<TunnelPeer>& peers) {
    const Attributes told(raw);
    const auto key = PublicKey::from(told.bytes(WGPEER_A_PUBLIC_KEY));
    if (!key) {
        return;
    }
    if (peers.empty() || peers.back().public_key != *key) {
        TunnelPeer& peer = peers.emplace_back();
        peer.public_key = *key;
        peer.preshared_key = Secret::from(told.bytes(WGPEER_A_PRESHARED_KEY)).value_or(Secret());
        peer.endpoint = endpoint_of(told.bytes(WGPEER_A_ENDPOINT));
        peer.keepalive = told.number<std::uint16_t>(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL).value_or(0);
        peer.last_handshake =
            std::chrono::seconds(told.number<std::int64_t>(WGPEER_A_LAST_HANDSHAKE_TIME).value_or(0));
    }
    take_allowed_ips(told.bytes(WGPEER_A_ALLOWEDIPS), peers.back().allowed_ips);
}

void take_device(const Attributes& told, TunnelDevice& device) {
    if (told.has(WGDEVICE_A_LISTEN_PORT)) {
        device.private_key = Secret::from(told.bytes(WGDEVICE_A_PRIVATE_KEY)).value_or(Secret());
        device.public_key = PublicKey::from(told.bytes(WGDEVICE_A_PUBLIC_KEY));
        device.listen_port = told.number<std::uint16_t>(WGDEVICE_A_LISTEN_PORT).value_or(0);
        device.fwmark = told.number<std::uint32_t>(WGDEVICE_A_FWMARK).value_or(0);
    }
    for (const auto element : elements_of(told.bytes(WGDEVICE_A_PEERS))) {
        take_peer(element, device.peers);
    }
}

// A nested attribute is 16 bits long: peers and addresses go in portions.
constexpr std::size_t kMostPeers = 16;
constexpr std::size_t kMostPrefixes = 64;

void put_peer(Message& message, const PeerChange& change, std::span<const Prefix> prefixes, bool first) {
    const auto nest = message.open(0);
    message.bytes(WGPEER_A_PUBLIC_KEY, change.public_key.bytes);
    std::uint32_t flags = 0;
    flags |= change.remove ? std::uint32_t{WGPEER_F_REMOVE_ME} : 0;
    flags |= change.only_existing || !first ? std::uint32_t{WGPEER_F_UPDATE_ONLY} : 0;
    flags |= change.allowed_ips && first ? std::uint32_t{WGPEER_F_REPLACE_ALLOWEDIPS} : 0;
    if (flags != 0) {
        message.number<std::uint32_t>(WGPEER_A_FLAGS, flags);
    }
    if (first && change.preshared_key) {
        put_secret(message, WGPEER_A_PRESHARED_KEY, *change.preshared_key);
    }
    if (first && change.endpoint) {
        put_endpoint(message, *change.endpoint);
    }
    if (first && change.keepalive) {
        message.number<std::uint16_t>(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, *change.keepalive);
    }
    if (!prefixes.empty()) {
        const auto list = message.open(WGPEER_A_ALLOWEDIPS);
        for (const Prefix& prefix : prefixes) {
            const auto element = message.open(0);
            message.number<std::uint16_t>(WGALLOWEDIP_A_FAMILY, prefix.ip.v6() ? AF_INET6 : AF_INET);
            message.ip(WGALLOWEDIP_A_IPADDR, prefix.ip);
            message.number<std::uint8_t>(WGALLOWEDIP_A_CIDR_MASK, prefix.length);
            message.close(element);
        }
        message.close(list);
    }
    message.close(nest);
}

// A part of a peer's change: some of its addresses.
struct Portion {
    const PeerChange* change;
    std::span<const Prefix> prefixes;
    bool first;
};

std::vector<Portion> portions_of(const std::vector<PeerChange>& peers) {
    std::vector<Portion> all;
    for (const PeerChange& peer : peers) {
        std::span<const Prefix> rest;
        if (peer.allowed_ips) {
            rest = *peer.allowed_ips;
        }
        bool first = true;
        do {
            const std::size_t count = std::min(kMostPrefixes, rest.size());
            all.push_back({&peer, rest.first(count), std::exchange(first, false)});
            rest = rest.subspan(count);
        } while (!rest.empty());
    }
    return all;
}

}  // namespace

Result<TunnelSocket> TunnelSocket::open() {
    auto socket = NetlinkSocket::open(NETLINK_GENERIC);
    PARTD_TRY(socket);
    const auto family = family_number(*socket);
    PARTD_TRY(family);
    return TunnelSocket(std::move(*socket), *family);
}

Result<TunnelDevice> TunnelSocket::get(int index) {
    Message request(family_, NLM_F_DUMP);
    request.head(command(WG_CMD_GET_DEVICE, WG_GENL_VERSION))
        .number<std::uint32_t>(WGDEVICE_A_IFINDEX, static_cast<std::uint32_t>(index));
    TunnelDevice device;
    PARTD_TRY(socket_.dump(
        std::move(request), [&] { device = {}; },
        [&](const Reply& reply) { take_device(reply.attributes<genlmsghdr>(), device); }));
    return device;
}

Result<> TunnelSocket::set(int index, const DeviceChange& change) {
    const auto portions = portions_of(change.peers);
    std::size_t at = 0;
    do {
        Message request(family_, 0);
        request.head(command(WG_CMD_SET_DEVICE, WG_GENL_VERSION))
            .number<std::uint32_t>(WGDEVICE_A_IFINDEX, static_cast<std::uint32_t>(index));
        if (at == 0 && change.private_key) {
            put_secret(request, WGDEVICE_A_PRIVATE_KEY, *change.private_key);
        }
        if (at == 0 && change.listen_port) {
            request.number<std::uint16_t>(WGDEVICE_A_LISTEN_PORT, *change.listen_port);
        }
        if (at == 0 && change.fwmark) {
            request.number<std::uint32_t>(WGDEVICE_A_FWMARK, *change.fwmark);
        }
        if (!portions.empty()) {
            const auto list = request.open(WGDEVICE_A_PEERS);
            for (const std::size_t end = std::min(at + kMostPeers, portions.size()); at < end; ++at) {
                put_peer(request, *portions[at].change, portions[at].prefixes, portions[at].first);
            }
            request.close(list);
        }
        PARTD_TRY(socket_.request(std::move(request), [](const Reply&) {}));
    } while (at < portions.size());
    return {};
}

}  // namespace partd::kernel
