#pragma once

#include "base/error.h"
#include "base/fd.h"
#include "kernel/netlink.h"
#include "kernel/topics.h"

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
    // `places`: directories whose mounts count. `mark`: the protocol number of addresses, routes and rules
    // that the caller makes: that one of them is there again is no news for it.
    static Result<HostWatch> open(std::vector<std::string> places, std::uint8_t mark);

    // Descriptors to wait for, with EPOLLIN; that of the mounts with EPOLLPRI, and when it wakes,
    // mounts_changed() has to be called: waiting takes the event.
    [[nodiscard]] int links() const { return links_.get(); }
    [[nodiscard]] int nftables() const { return nftables_.get(); }
    [[nodiscard]] int mounts() const { return mounts_.get(); }
    void mounts_changed() { look_at_mounts_ = true; }
    // Takes what waits. What was lost (ENOBUFS) is kEverything; what was done to nftables by the socket with
    // that port is no news.
    Topics drain(std::uint32_t own_port);
    // Who caused that one of them, as far as the kernel tells: "nft (process 1234)"; "" when it does not.
    [[nodiscard]] std::string culprit(const std::string& topic) const;

private:
    HostWatch(Fd links, Fd nftables, Fd mounts, NetlinkSocket names, std::vector<std::string> places,
              std::uint8_t mark)
        : links_(std::move(links)),
          nftables_(std::move(nftables)),
          mounts_(std::move(mounts)),
          names_(std::move(names)),
          places_(std::move(places)),
          mark_(mark) {}

    void blame(const Topics& heard, const std::string& culprit, Topics& topics);
    void drain_links(Topics& topics);
    void drain_nftables(Topics& topics, std::uint32_t own_port);
    void drain_mounts(Topics& topics);
    [[nodiscard]] bool is_news(const Reply& reply) const;
    void take_host_event(const Reply& reply, Topics& topics);
    [[nodiscard]] std::set<std::string> mounted() const;

    Fd links_, nftables_, mounts_;
    NetlinkSocket names_;  // asks for interfaces' names
    std::vector<std::string> places_;
    std::uint8_t mark_;
    std::set<std::string> points_;  // below the places, as last seen
    bool look_at_mounts_ = false;
    std::map<std::string, std::string> culprits_;  // by topic
};

}  // namespace partd::kernel
