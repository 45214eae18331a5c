// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/fd.h"
#include "kernel/events/topics.h"
#include "kernel/netlink/links.h"
#include "kernel/netlink/netlink.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace partd::kernel {

// Tells what of the network of any namespace that the host knows an id of, of nftables, and of the mounts
// below some directories may have changed.
class HostWatch {
public:
    // By which the caller knows what it made.
    struct Marks {
        std::uint8_t protocol = 0;  // of addresses, routes and rules: its return is not reported
        std::string alias = {};     // with which those of its links begin
    };
    // `places`: directories whose mounts count.
    static Result<HostWatch> open(std::vector<std::string> places, Marks marks);

    // Descriptors to wait for, with EPOLLIN; that of the mounts with EPOLLPRI, and when it wakes,
    // mounts_changed() has to be called: waiting takes the event.
    [[nodiscard]] int links() const { return links_.get(); }
    [[nodiscard]] int nftables() const { return nftables_.get(); }
    [[nodiscard]] int mounts() const { return mounts_.get(); }
    void mounts_changed() { look_at_mounts_ = true; }
    // Takes all pending events. Lost ones (ENOBUFS) become kEverything; nftables changes by the socket with
    // `own_port` are left out.
    Topics drain(std::uint32_t own_port);
    // As drain(), but at most so many messages about links, addresses and routes.
    Topics drain_some(std::uint32_t own_port, std::size_t most);
    // Drops what waits of these unread.
    void skip();
    // The process that caused a topic's event, if the kernel tells: "nft (process 1234)"; else "".
    [[nodiscard]] std::string culprit(const std::string& topic) const;

private:
    HostWatch(Fd links, Fd nftables, Fd mounts, NetlinkSocket names, std::vector<std::string> places,
              Marks marks)
        : links_(std::move(links)),
          nftables_(std::move(nftables)),
          mounts_(std::move(mounts)),
          names_(std::move(names)),
          places_(std::move(places)),
          marks_(std::move(marks)) {}

    void blame(const Topics& heard, const std::string& culprit, Topics& topics);
    void drain_links(Topics& topics, std::size_t most);
    void drain_nftables(Topics& topics, std::uint32_t own_port);
    void drain_mounts(Topics& topics);
    [[nodiscard]] bool is_news(const Reply& reply, bool asked_for) const;
    void note_stranger(const Link& link, bool gone, Topics& topics);
    void take_host_event(const Reply& reply, Topics& topics);
    void add_link_at(int index, Topics& topics);
    [[nodiscard]] std::set<std::string> mounted() const;

    Fd links_, nftables_, mounts_;
    NetlinkSocket names_;  // asks for interfaces' names
    std::vector<std::string> places_;
    Marks marks_;
    std::set<int> strangers_;       // indexes of links of others that are up, as far as told
    std::set<std::string> points_;  // below the places, as last seen
    bool look_at_mounts_ = false;
    std::map<std::string, std::string> culprits_;  // by topic
};

}  // namespace partd::kernel
