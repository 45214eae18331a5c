// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/values.h"

#include <sys/types.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace partd::kernel {

// A TCP socket that listens, or a UDP socket that takes datagrams from anybody.
struct ListeningSocket {
    Protocol protocol = Protocol::Tcp;
    Ip ip = {};  // 0.0.0.0 or :: is every address
    std::uint16_t port = 0;
    bool both_families = false;  // of ::, it serves IPv4, too (ipv6(7), IPV6_V6ONLY)
    ino_t inode = 0;
};

// The listening sockets of the caller's network namespace (sock_diag(7)), by four dumps whatever their
// number.
Result<std::vector<ListeningSocket>> listening_sockets();

struct SocketHolder {
    pid_t pid = 0;
    std::string name;  // as the kernel cuts it (proc_pid_comm(5))
};
// One process for each of these sockets that has it open. Looks at the descriptors of every process.
std::map<ino_t, SocketHolder> holders_of(const std::set<ino_t>& sockets);

}  // namespace partd::kernel
