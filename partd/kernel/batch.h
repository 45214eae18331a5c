// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/child/child.h"
#include "kernel/netlink/netlink.h"
#include "kernel/nft/nftables.h"
#include "kernel/process/processes.h"

#include <chrono>
#include <functional>
#include <map>
#include <utility>
#include <vector>

namespace partd::kernel {

class Host;

// The requests of one wave of changes, sent together: one stream of netlink messages per network namespace,
// and one nftables transaction. Other requests are carried out at once by the caller and only counted here.
class Batch {
public:
    explicit Batch(Host& host) : host_(host), nft_("partd") {}

    // Messages of one socket are sent in the order in which they were added; those of the second turn after
    // all of the first, of whatever socket.
    enum class Turn : std::uint8_t { First, Second };
    void netlink(NetlinkSocket& socket, Message message, std::size_t change, Turn turn = Turn::First);
    nft::Transaction& nftables() { return nft_; }
    // Runs when the transaction was taken, unless that change was refused.
    void after_nftables(std::size_t change, std::function<Result<>()> work) {
        later_.emplace_back(change, std::move(work));
    }
    // Waits at the end, for what is watched together, whether `child` reports (child.h) within that time;
    // what it reports is the change's failure, as `failed` words it.
    void watch(Child child, std::chrono::milliseconds time, std::size_t change,
               std::function<Error(Error)> failed);
    // Runs when everything else was sent.
    void at_end(std::function<void()> work) { at_end_.push_back(std::move(work)); }
    // Ends processes, those of all changes at once and before anything is sent; then runs `afterwards`. Where
    // the host is not to wait for them (Host::set_patience), the change fails with EINPROGRESS until they are
    // gone or their patience is over; `whose` tells that it is the same leave-taking.
    void end(Termination ending, std::size_t change, const std::string& whose,
             std::function<void()> afterwards);
    // Counts a change that was made by a system call of its own.
    void count_write() { ++writes_; }

    struct Failure {
        std::size_t change = 0;
        Error error;
    };
    // Sends all; returns what was refused.
    std::vector<Failure> flush();
    // Requests that change the host, sent so far.
    [[nodiscard]] std::size_t writes() const { return writes_; }

private:
    void flush_endings(std::vector<Failure>& failures);
    void flush_netlink(std::vector<Failure>& failures);
    void flush_nftables(std::vector<Failure>& failures);
    void flush_watched(std::vector<Failure>& failures);

    struct Stream {
        NetlinkSocket* socket;
        Turn turn;
        std::vector<Message> messages;
        std::vector<std::size_t> changes;
    };
    Host& host_;
    std::vector<Stream> streams_;
    std::map<std::pair<NetlinkSocket*, Turn>, std::size_t> stream_index_;
    nft::Transaction nft_;
    std::vector<std::pair<std::size_t, std::function<Result<>()>>> later_;
    std::vector<std::function<void()>> at_end_;
    struct Leaving {
        std::size_t change;
        std::string whose;
        std::function<void()> afterwards;
    };
    struct Watched {
        Child child;
        std::chrono::steady_clock::time_point until;
        std::size_t change;
        std::function<Error(Error)> failed;
    };
    std::vector<Watched> watched_;
    std::vector<Termination> endings_;
    std::vector<Leaving> leaving_;
    std::size_t writes_ = 0;
};

}  // namespace partd::kernel
