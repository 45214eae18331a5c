// SPDX-License-Identifier: Apache-2.0
#include "kernel/events/host_watch.h"

#include "base/text.h"
#include "kernel/file/files.h"
#include "kernel/mount/mounts.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/netconf.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

Result<Fd> open_listener(int protocol, const std::vector<int>& groups) {
    Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return fail_errno("listen to the kernel's events");
    }
    // A thousand links in one go overflow the default; what is lost is seen all the same (ENOBUFS).
    const int size = 16 << 20;
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    for (const int group : groups) {
        if (setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
            return fail_errno("listen to the kernel's events");
        }
    }
    return fd;
}

struct Datagram {
    std::span<const std::uint8_t> data = {};
    std::optional<int> nsid = {};  // of the namespace that it is about; nullopt for the socket's own
};

// The next datagram that waits; nullopt when none does. Lost ones are an error.
Result<std::optional<Datagram>> receive(int fd, std::span<std::uint8_t> buffer) {
    iovec vector{buffer.data(), buffer.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT);
    if (size < 0) {
        return errno == EAGAIN || errno == EINTR ? Result<std::optional<Datagram>>(std::nullopt)
                                                 : fail_errno("receive the kernel's events");
    }
    Datagram datagram{.data = buffer.first(static_cast<std::size_t>(size))};
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each)) {
        if (each->cmsg_level == SOL_NETLINK && each->cmsg_type == NETLINK_LISTEN_ALL_NSID) {
            std::memcpy(&datagram.nsid.emplace(), CMSG_DATA(each), sizeof(int));
        }
    }
    return datagram;
}

// A flood can be faster than anybody reads: the rest is for the next time.
constexpr std::size_t kMostAtOnce = 20'000;

// Calls `each(datagram)` for those that wait; what was lost is kEverything.
template <class Each>
void for_datagrams(int fd, Topics& topics, std::size_t most, Each each) {
    alignas(nlmsghdr) std::array<std::uint8_t, 65536> buffer;
    for (std::size_t i = 0; i < most; ++i) {
        auto datagram = receive(fd, buffer);
        if (!datagram) {
            topics.insert(kEverything);
        } else if (!*datagram) {
            return;
        } else {
            each(**datagram);
        }
    }
}

void add_link(const Link& link, Topics& topics) {
    topics.insert(link_topic(link.name));
    for (const std::string& name : link.altnames) {
        topics.insert(link_topic(name));
    }
    topics.insert(alias_topic(link.alias));
}

// The port of the socket whose request a message is about (netlink(7), nlmsg_pid); 0 for the kernel's own.
std::uint32_t port_of(const Datagram& datagram) {
    nlmsghdr header{};
    if (datagram.data.size() >= sizeof header) {
        std::memcpy(&header, datagram.data.data(), sizeof header);
    }
    return header.nlmsg_pid;
}

// The process that has it: of a program's first socket the port is its number.
std::string sender_of(const Datagram& datagram) {
    const std::uint32_t port = port_of(datagram);
    const auto name =
        port == 0 ? Result<std::string>(fail("")) : read_file(fmt::format("/proc/{}/comm", port));
    return name ? fmt::format("{} (process {})", trim(*name), port) : std::string();
}

// The sender of a transaction, from its last message, which has the process's name even if the process is
// gone.
std::string sender_of(const Reply& generation) {
    const auto attributes = generation.attributes<nfgenmsg>();
    const auto pid = attributes.number<std::uint32_t>(NFTA_GEN_PROC_PID);
    const std::string name = attributes.text(NFTA_GEN_PROC_NAME);
    return pid && !name.empty() ? fmt::format("{} (process {})", name, ntohl(*pid)) : std::string();
}

// A forwarding switch of a namespace or a link that is there already: what a new one begins with is told by
// one message with all of its parameters, and comes with news of the link.
bool is_switched(const Attributes& parameters) {
    return parameters.has(NETCONFA_FORWARDING) && !parameters.has(NETCONFA_PROXY_NEIGH);
}

bool is_route(const Reply& reply) {
    return reply.type == RTM_NEWROUTE || reply.type == RTM_DELROUTE;
}

bool is_default_route(const Reply& reply) {
    return is_route(reply) && reply.head<rtmsg>().rtm_dst_len == 0 &&
           reply.head<rtmsg>().rtm_type == RTN_UNICAST;
}

bool is_below(const std::string& point, const std::string& place) {
    return point.starts_with(place) && (point.size() == place.size() || point[place.size()] == '/');
}

}  // namespace

Result<HostWatch> HostWatch::open(std::vector<std::string> places, Marks marks) {
    auto links = open_listener(
        NETLINK_ROUTE,
        {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
         RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF, RTNLGRP_NSID});
    PARTD_TRY(links);
    const int on = 1;
    if (setsockopt(links->get(), SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, sizeof on) != 0) {
        return fail_errno("listen to the events of all network namespaces");
    }
    auto nftables = open_listener(NETLINK_NETFILTER, {NFNLGRP_NFTABLES});
    PARTD_TRY(nftables);
    Fd mounts(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
    if (!mounts) {
        return fail_errno("open /proc/self/mountinfo");
    }
    auto names = NetlinkSocket::open(NETLINK_ROUTE);
    PARTD_TRY(names);
    HostWatch watch(std::move(*links), std::move(*nftables), std::move(mounts), std::move(*names),
                    std::move(places), std::move(marks));
    watch.points_ = watch.mounted();
    return watch;
}

// False for changes that the kernel makes by itself (IFA_PROTO 1 to 3, RTPROT_KERNEL): they follow from
// another event, like the probed link-local address that comes a second after its link. `asked_for`: a
// program made the change, even to a route of the kernel.
bool HostWatch::is_news(const Reply& reply, bool asked_for) const {
    constexpr std::uint16_t kIfaProto = 11;     // Linux 5.18
    constexpr std::uint8_t kKernelAddress = 3;  // IFAPROT_KERNEL_LL
    std::uint8_t protocol = 0;
    bool by_kernel = false;
    if (reply.type == RTM_NEWNETCONF || reply.type == RTM_DELNETCONF) {
        return reply.type == RTM_NEWNETCONF && is_switched(reply.attributes<netconfmsg>());
    }
    if (reply.type == RTM_NEWADDR || reply.type == RTM_DELADDR) {
        protocol = reply.attributes<ifaddrmsg>().number<std::uint8_t>(kIfaProto).value_or(0);
        by_kernel = protocol != 0 && protocol <= kKernelAddress;
    } else if (reply.type == RTM_NEWROUTE || reply.type == RTM_DELROUTE) {
        protocol = reply.head<rtmsg>().rtm_protocol;
        by_kernel = protocol == RTPROT_KERNEL && !asked_for;
    }
    const bool comes = reply.type == RTM_NEWADDR || reply.type == RTM_NEWROUTE;
    return !by_kernel && (!comes || protocol != marks_.protocol);
}

// Tells once of each link of others that is up, however often the kernel tells of it.
void HostWatch::note_stranger(const Link& link, bool gone, Topics& topics) {
    if (gone || !link.up || link.alias.starts_with(marks_.alias)) {
        strangers_.erase(link.index);
    } else if (strangers_.insert(link.index).second) {
        topics.insert(kStrangerUp);
    }
}

// An address or a route of the host's tells the interface's index only. Of its routes those of the kernel's
// own count. Its rules are nobody's.
void HostWatch::take_host_event(const Reply& reply, Topics& topics) {
    if (reply.type == RTM_NEWLINK || reply.type == RTM_DELLINK) {
        const Link link = parse_link(reply);
        add_link(link, topics);
        note_stranger(link, reply.type == RTM_DELLINK, topics);
    } else if (reply.type == RTM_NEWNETCONF) {
        topics.insert(kSwitches);
    } else if (is_default_route(reply)) {
        topics.insert(kDefaultRoute);
    } else if (reply.type == RTM_NEWADDR || reply.type == RTM_DELADDR) {
        add_link_at(static_cast<int>(reply.head<ifaddrmsg>().ifa_index), topics);
    } else if (is_route(reply) && reply.head<rtmsg>().rtm_protocol == RTPROT_KERNEL) {
        add_link_at(reply.attributes<rtmsg>().number<int>(RTA_OIF).value_or(0), topics);
    }
}

void HostWatch::add_link_at(int index, Topics& topics) {
    const auto link = get_link(names_, index);
    if (link && *link) {
        add_link(**link, topics);
    }
}

void HostWatch::blame(const Topics& heard, const std::string& culprit, Topics& topics) {
    for (const std::string& topic : heard) {
        culprits_.insert_or_assign(topic, culprit);
    }
    topics.insert(heard.begin(), heard.end());
}

void HostWatch::drain_links(Topics& topics, std::size_t most) {
    std::map<std::uint32_t, std::string> senders;  // by port
    for_datagrams(links_.get(), topics, most, [&](Datagram& datagram) {
        const std::uint32_t port = port_of(datagram);
        const auto [sender, first] = senders.try_emplace(port);
        if (first) {
            sender->second = sender_of(datagram);
        }
        const std::string& culprit = sender->second;
        Topics heard;
        std::uint32_t sequence = 0;
        while (const auto reply = next_message(datagram.data, sequence)) {
            if (!is_news(*reply, port != 0)) {
                continue;
            }
            if (datagram.nsid) {
                heard.insert(namespace_topic(*datagram.nsid));
            } else {
                take_host_event(*reply, heard);
            }
        }
        blame(heard, culprit, topics);
    });
}

// NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, NFTA_SET_TABLE, NFTA_SET_ELEM_LIST_TABLE: all are 1.
// The end of a transaction tells whose it was.
void HostWatch::drain_nftables(Topics& topics, std::uint32_t own_port) {
    Topics heard;
    for_datagrams(nftables_.get(), topics, kMostAtOnce, [&](Datagram& datagram) {
        std::uint32_t sequence = 0;
        if (own_port != 0 && port_of(datagram) == own_port) {
            return;
        }
        while (const auto reply = next_message(datagram.data, sequence)) {
            const bool ours = (reply->type >> 8) == NFNL_SUBSYS_NFTABLES;
            if (ours && (reply->type & 0xff) == NFT_MSG_NEWGEN) {
                blame(std::exchange(heard, {}), sender_of(*reply), topics);
            } else if (ours && reply->head<nfgenmsg>().nfgen_family == NFPROTO_INET) {
                heard.insert(table_topic(reply->attributes<nfgenmsg>().text(NFTA_TABLE_NAME)));
            }
        }
    });
    blame(heard, "", topics);
}

std::string HostWatch::culprit(const std::string& topic) const {
    const auto found = culprits_.find(topic);
    return found == culprits_.end() ? "" : found->second;
}

std::set<std::string> HostWatch::mounted() const {
    std::set<std::string> points;
    const auto mounts = current_mounts();
    for (const Mount& mount : mounts ? **mounts : std::vector<Mount>()) {
        for (const std::string& place : places_) {
            if (is_below(mount.point, place)) {
                points.insert(mount.point);
            }
        }
    }
    return points;
}

void HostWatch::drain_mounts(Topics& topics) {
    pollfd polled{.fd = mounts_.get(), .events = POLLPRI, .revents = 0};
    if (!look_at_mounts_ && poll(&polled, 1, 0) <= 0) {
        return;
    }
    look_at_mounts_ = false;
    auto now = mounted();
    std::vector<std::string> changed;
    std::ranges::set_symmetric_difference(now, points_, std::back_inserter(changed));
    for (const std::string& point : changed) {
        // A directory of names that is covered or bare says nothing about the names.
        const bool place = std::ranges::find(places_, point) != places_.end();
        topics.insert(place ? kEverything : mount_topic(point));
    }
    points_ = std::move(now);
}

void HostWatch::skip() {
    constexpr std::size_t kLot = 256;
    constexpr int kMostLots = 1000;
    std::array<mmsghdr, kLot> lot{};  // no room for any: each is cut off, and gone
    for (int i = 0; i < kMostLots; ++i) {
        const int count = recvmmsg(links_.get(), lot.data(), kLot, MSG_DONTWAIT, nullptr);
        if (count <= 0 && errno != ENOBUFS && errno != EINTR) {
            return;
        }
    }
}

Topics HostWatch::drain(std::uint32_t own_port) {
    return drain_some(own_port, kMostAtOnce);
}

Topics HostWatch::drain_some(std::uint32_t own_port, std::size_t most) {
    Topics topics;
    culprits_.clear();
    drain_links(topics, most);
    drain_nftables(topics, own_port);
    drain_mounts(topics);
    return topics;
}

}  // namespace partd::kernel
