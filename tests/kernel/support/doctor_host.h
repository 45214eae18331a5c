// SPDX-License-Identifier: Apache-2.0
#pragma once
// A host with a container beside its partitions, and what doctor says of it.

#include "host_view.h"

#include <memory>
#include <string>

namespace partd::test {

/// The first finding whose text has these words; null when there is none.
Json finding(const Sandbox& sandbox, const std::string& words);
std::string severity(const Json& found);
std::string severity(const Sandbox& sandbox, const std::string& words);
/// Runs what the finding says literally, and again: it succeeds both times.
void carry_out(const Json& found);
/// Runs what it says to take that back.
void take_back(const Json& found);
/// `nft -f` of these rules; `iptables-nft-restore --noflush` of these.
void nft(const std::string& rules);
void iptables(const std::string& rules, bool v6 = false);

/// `web` with a way out, a forward tcp/8080 to its server, on a host with an uplink, a server of the host's
/// own (tcp/2222) and a container at docker0 that publishes nothing and has a server.
class DoctorHost {
public:
    /// `forwards`: the host was a router before partd came.
    explicit DoctorHost(bool forwards = false);

    Sandbox sandbox;

    /// True if declared traffic passes: out, and in by the forward.
    bool flows();
    /// Out by IPv6.
    bool flows6();
    /// Ports open to peers for whom they must be closed: the container's from web and from the host's
    /// neighbour, the host's own from web. One word each.
    std::string open();
    /// A partition `NAME` like web with the network 10.1.NUMBER.0/24, and what else is said in it.
    static std::string partition(const std::string& name, int number, const std::string& more = {});

    static constexpr const char* kContainer = "172.17.0.2";

private:
    std::unique_ptr<Netns> container_;
    std::vector<std::unique_ptr<Server>> servers_;
};

}  // namespace partd::test
