// SPDX-License-Identifier: Apache-2.0
#include "kernel/events/listening.h"

#include "base/text.h"
#include "kernel/file/files.h"
#include "kernel/netlink/netlink.h"
#include "kernel/process/processes.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <span>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

ListeningSocket read_socket(const Reply& reply, Protocol protocol) {
    const auto found = reply.head<inet_diag_msg>();
    std::array<std::uint8_t, 16> raw{};
    std::memcpy(raw.data(), static_cast<const void*>(found.id.idiag_src), raw.size());
    const bool v6 = found.idiag_family == AF_INET6;
    const Ip ip{std::span<const std::uint8_t>(raw).first(v6 ? 16 : 4)};
    const auto only_v6 = reply.attributes<inet_diag_msg>().number<std::uint8_t>(INET_DIAG_SKV6ONLY);
    return {.protocol = protocol,
            .ip = ip,
            .port = ntohs(found.id.idiag_sport),
            .both_families = v6 && ip.is_any() && only_v6.value_or(0) == 0,
            .inode = found.idiag_inode};
}

}  // namespace

Result<std::vector<ListeningSocket>> listening_sockets() {
    auto socket = NetlinkSocket::open(NETLINK_SOCK_DIAG);
    PARTD_TRY(socket);
    std::vector<ListeningSocket> all;
    for (const Protocol protocol : {Protocol::Tcp, Protocol::Udp}) {
        for (const int family : {AF_INET, AF_INET6}) {
            inet_diag_req_v2 wanted{};
            wanted.sdiag_family = static_cast<std::uint8_t>(family);
            wanted.sdiag_protocol = static_cast<std::uint8_t>(protocol);
            // A UDP socket without a peer is in the state TCP_CLOSE.
            wanted.idiag_states = 1U << (protocol == Protocol::Tcp ? TCP_LISTEN : TCP_CLOSE);
            Message request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
            request.head(wanted);
            std::vector<ListeningSocket> some;
            auto dumped = socket->dump(
                std::move(request), [&] { some.clear(); },
                [&](const Reply& reply) { some.push_back(read_socket(reply, protocol)); });
            // A kernel without IPv6, or without udp_diag, knows none.
            if (!dumped && dumped.error().code != ENOENT && dumped.error().code != EINVAL) {
                return std::unexpected(std::move(dumped).error().wrap("list the sockets that listen"));
            }
            all.insert(all.end(), some.begin(), some.end());
        }
    }
    return all;
}

std::map<ino_t, SocketHolder> holders_of(const std::set<ino_t>& sockets) {
    std::map<ino_t, SocketHolder> holders;
    if (sockets.empty()) {
        return holders;
    }
    // The number of descriptors on a host is its users' to choose.
    constexpr std::chrono::milliseconds kMost{100};
    const auto until = std::chrono::steady_clock::now() + kMost;
    for (const pid_t process : all_processes().value_or(std::vector<pid_t>())) {
        const std::string directory = fmt::format("/proc/{}/fd", process);
        for (const std::string& name : list_directory(directory).value_or(std::vector<std::string>())) {
            if (std::chrono::steady_clock::now() >= until) {
                return holders;
            }
            std::array<char, 64> target{};
            const std::string path = directory + "/" + name;
            constexpr std::string_view kBefore = "socket:[";
            const auto size = readlink(path.c_str(), target.data(), target.size());
            const std::string_view text(target.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
            if (!text.starts_with(kBefore) || !text.ends_with("]")) {
                continue;
            }
            const auto inode = parse_number(text.substr(kBefore.size(), text.size() - kBefore.size() - 1));
            if (inode && sockets.contains(*inode) && !holders.contains(*inode)) {
                const std::string comm = read_file(fmt::format("/proc/{}/comm", process)).value_or("");
                holders[*inode] = {.pid = process, .name = std::string(trim(comm))};
            }
        }
        if (holders.size() == sockets.size()) {
            break;
        }
    }
    return holders;
}

}  // namespace partd::kernel
