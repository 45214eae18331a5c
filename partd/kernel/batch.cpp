// SPDX-License-Identifier: Apache-2.0
#include "kernel/batch.h"

#include "kernel/host.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

namespace partd::kernel {

void Batch::netlink(NetlinkSocket& socket, Message message, std::size_t change, Turn turn) {
    const std::pair key(&socket, turn);
    const auto [entry, added] = stream_index_.try_emplace(key, streams_.size());
    if (added) {
        streams_.push_back({.socket = &socket, .turn = turn, .messages = {}, .changes = {}});
    }
    Stream& stream = streams_[entry->second];
    stream.messages.push_back(std::move(message));
    stream.changes.push_back(change);
}

void Batch::end(Termination ending, std::size_t change, const std::string& whose,
                std::function<void()> afterwards) {
    const auto left = host_.time_to_leave(whose, ending.patience);
    ending.told = ending.told || left < ending.patience;
    ending.patience = left;
    endings_.push_back(std::move(ending));
    leaving_.push_back({change, whose, std::move(afterwards)});
}

void Batch::flush_endings(std::vector<Failure>& failures) {
    const auto left = end_processes(endings_, host_.patience());
    for (std::size_t i = 0; i < leaving_.size(); ++i) {
        const Leaving& leaving = leaving_[i];
        if (!left[i].empty() && host_.time_to_leave(leaving.whose, {}).count() > 0) {
            failures.push_back(
                {leaving.change, fail(EINPROGRESS, describe(left[i]) + " are ending").error()});
            continue;
        }
        host_.forget_leaving(leaving.whose);
        leaving.afterwards();
        if (!left[i].empty()) {
            failures.push_back({leaving.change, fail(describe(left[i]) + " do not end").error()});
        }
    }
    endings_.clear();
    leaving_.clear();
}

void Batch::flush_netlink(std::vector<Failure>& failures) {
    std::ranges::stable_sort(streams_, {}, &Stream::turn);
    for (Stream& stream : streams_) {
        auto errors = stream.socket->send(stream.messages);
        writes_ += errors.size();
        for (std::size_t i = 0; i < errors.size(); ++i) {
            if (errors[i]) {
                failures.push_back({stream.changes[i], std::move(*errors[i])});
            }
        }
    }
    streams_.clear();
    stream_index_.clear();
}

void Batch::flush_nftables(std::vector<Failure>& failures) {
    std::set<std::size_t> refused;
    // The kernel takes all or nothing; what it refuses is left out and the others go again.
    while (!nft_.empty()) {
        const auto nftables = host_.nftables();
        auto refusal =
            nftables ? (*nftables)->commit(nft_) : nft::Nftables::Refusal{nft_.first_tag(), nftables.error()};
        if (!refusal) {
            writes_ += nft_.size();
            break;
        }
        refused.insert(refusal->tag);
        nft_.drop(refusal->tag);
        failures.push_back({refusal->tag, std::move(refusal->error)});
    }
    nft_ = nft::Transaction("partd");
    for (auto& [change, work] : later_) {
        auto done = refused.contains(change) ? Result<>() : work();
        if (!done) {
            failures.push_back({change, std::move(done).error()});
        }
    }
    later_.clear();
}

void Batch::watch(Child child, std::chrono::milliseconds time, std::size_t change,
                  std::function<Error(Error)> failed) {
    watched_.push_back(
        {std::move(child), std::chrono::steady_clock::now() + time, change, std::move(failed)});
}

void Batch::flush_watched(std::vector<Failure>& failures) {
    for (Watched& watched : watched_) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(watched.until - std::chrono::steady_clock::now());
        pollfd polled{.fd = watched.child.fd(), .events = POLLIN, .revents = 0};
        if (poll(&polled, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) <= 0) {
            continue;
        }
        auto report = watched.child.report();
        if (report && !*report) {
            failures.push_back({watched.change, watched.failed(std::move(*report).error())});
        }
    }
    watched_.clear();
}

std::vector<Batch::Failure> Batch::flush() {
    std::vector<Failure> failures;
    flush_endings(failures);
    flush_netlink(failures);
    flush_nftables(failures);
    host_.close_released();
    flush_watched(failures);
    for (const auto& work : std::exchange(at_end_, {})) {
        work();
    }
    return failures;
}

}  // namespace partd::kernel
