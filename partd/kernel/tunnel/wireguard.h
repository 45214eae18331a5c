// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/secret.h"
#include "base/values.h"
#include "kernel/netlink/netlink.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace partd::kernel {

// WireGuard's devices, by generic netlink (linux/wireguard.h).

// A peer of a device, as the kernel has it.
struct TunnelPeer {
    PublicKey public_key;
    Secret preshared_key;  // all 0: none
    std::optional<Endpoint> endpoint = {};
    std::vector<Prefix> allowed_ips = {};
    std::uint16_t keepalive = 0;             // seconds; 0: never
    std::chrono::seconds last_handshake{0};  // since 1970; 0: there was none
};

struct TunnelDevice {
    Secret private_key;  // all 0: none
    std::optional<PublicKey> public_key = {};
    std::uint16_t listen_port = 0;
    std::uint32_t fwmark = 0;
    std::vector<TunnelPeer> peers = {};
};

// A change of a peer; an attribute without a value stays as it is.
struct PeerChange {
    PublicKey public_key;
    bool remove = false;
    bool only_existing = false;  // one that is gone meanwhile is not made anew
    std::optional<Secret> preshared_key = {};
    std::optional<Endpoint> endpoint = {};
    std::optional<std::vector<Prefix>> allowed_ips = {};  // these and no others
    std::optional<std::uint16_t> keepalive = {};
};

struct DeviceChange {
    std::optional<Secret> private_key = {};
    std::optional<std::uint16_t> listen_port = {};
    std::optional<std::uint32_t> fwmark = {};
    std::vector<PeerChange> peers = {};

    [[nodiscard]] bool empty() const { return !private_key && !listen_port && !fwmark && peers.empty(); }
};

// A socket for the devices of one network namespace.
class TunnelSocket {
public:
    // In the calling thread's network namespace. ENOENT where the kernel has no WireGuard.
    static Result<TunnelSocket> open();

    Result<TunnelDevice> get(int index);
    // In as many requests as it takes; an error may leave a part done.
    Result<> set(int index, const DeviceChange& change);

private:
    TunnelSocket(NetlinkSocket socket, std::uint16_t family) : socket_(std::move(socket)), family_(family) {}

    NetlinkSocket socket_;
    std::uint16_t family_;
};

}  // namespace partd::kernel
