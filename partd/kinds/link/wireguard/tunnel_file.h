// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/link/wireguard/wireguard.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace partd::link {

// A file of wg-quick(8), as providers hand them out, without its keys.
struct TunnelFile {
    std::vector<Sourced<Address>> address = {};
    NameServers dns = {};
    std::optional<std::int64_t> mtu = {};
    std::optional<std::int64_t> listen_port = {};
    std::int64_t fwmark = 0;
    bool routes = true;
    std::vector<Sourced<WireguardPeer>> peers = {};
};

// True for a text that has the sections of such a file, and is not a key alone.
bool is_tunnel_file(std::string_view text);
// Reads it; nullopt after reporting all that is wrong. `name` is the file's, for the places in messages; a
// peer with a preshared key has it as that key's file.
std::optional<TunnelFile> parse_tunnel_file(std::string_view text, const std::string& name,
                                            Diagnostics& problems);

// The keys in it: nullopt where there is none, or not one of 32 bytes.
std::optional<Secret> private_key_in(std::string_view text);
std::optional<Secret> preshared_key_in(std::string_view text, const PublicKey& peer);

}  // namespace partd::link
