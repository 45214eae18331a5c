// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/secret.h"
#include "kinds/absolute_path.h"
#include "kinds/link/type.h"

namespace partd {

// Where a peer is: "vpn.example.org:51820", "192.0.2.1:51820", "[2001:db8::1]:51820".
struct PeerEndpoint {
    std::string host = {};  // a name, or an address
    std::uint16_t port = 0;

    static std::optional<PeerEndpoint> parse(std::string_view text);
    [[nodiscard]] std::string text() const;
    // nullopt: it is a name.
    [[nodiscard]] std::optional<Ip> ip() const { return Ip::parse(host); }
    bool operator==(const PeerEndpoint&) const = default;
};
template <>
struct TextFormat<PeerEndpoint> {
    static constexpr std::string_view
        kExpected =
            "a host and a port like \"vpn.example.org:51820\", \"192.0.2.1:51820\" or "
            "\"[2001:db8::1]:51820\"",
        kPattern = "^(\\[[0-9a-fA-F:.]+\\]|[0-9a-zA-Z_]([0-9a-zA-Z._-]{0,251}[0-9a-zA-Z.])?):[0-9]{1,5}$";
};
template <>
struct TextFormat<PublicKey> {
    static constexpr std::string_view kExpected = "a public key: 44 characters as `wg pubkey` prints them",
                                      kPattern = "^[0-9a-zA-Z+/]{43}=$";
};

// One of [[partition.NAME.link.IFNAME.wireguard_peer]].
struct WireguardPeer {
    PublicKey public_key = {};
    std::optional<AbsolutePath> preshared_key_file = {};
    std::optional<PeerEndpoint> endpoint = {};
    std::vector<Sourced<Prefix>> allowed_ips = {};
    std::chrono::milliseconds persistent_keepalive{0};
    bool operator==(const WireguardPeer&) const = default;
    static const Table table;
};

// A peer as the diff compares it, in words: "" for what is not there or not asked for.
struct ComparedPeer {
    PublicKey public_key = {};
    std::string endpoint = {};   // of one that was found: as the file says, where the kernel's fits
    std::string preshared = {};  // the file with its key, or that it is another one
    std::vector<Prefix> allowed_ips = {};
    std::int64_t keepalive = 0;  // seconds
    bool operator==(const ComparedPeer&) const = default;
};

// [partition.NAME.link.IFNAME] of kind wireguard. Its keys are never here, only the names of their files.
struct Wireguard {
    static constexpr std::string_view kName = "wireguard";
    LinkEnd self = {};
    std::vector<Sourced<Address>> address = {};
    std::optional<AbsolutePath> private_key_file = {};  // of a resource: also the file below
    std::optional<AbsolutePath> config_file = {};
    NameServers dns = {};  // of that
    std::optional<std::int64_t> listen_port = {};
    std::int64_t fwmark = 0;
    Name birth = "host";
    bool routes = true;
    std::vector<Sourced<WireguardPeer>> wireguard_peer = {};
    std::vector<ComparedPeer> peers = {};  // of a resource: all, by their keys
    bool operator==(const Wireguard&) const = default;
    static const Table table;

    // The namespace where its socket is; "" for the host.
    [[nodiscard]] std::string birth_netns() const { return birth == "host" ? "" : std::string(birth); }
};

namespace link {

// The peers as they are compared.
std::vector<ComparedPeer> compared(const std::vector<Sourced<WireguardPeer>>& peers);

// LinkOps of a wireguard (kinds/link/wireguard/device.cpp).
Spec look_at_wireguard(const Look& look, const Spec& found);
Result<> configure_wireguard(kernel::Host& host, kernel::Netns& netns, int index, const Spec& wanted,
                             const Spec& found);
Result<> prepare_wireguard(const Spec& wanted);

}  // namespace link

}  // namespace partd
