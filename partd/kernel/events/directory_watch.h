// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/fd.h"
#include "kernel/events/topics.h"

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace partd::kernel {

// Tells when something in directories may have changed (inotify(7)). A directory that is not there is waited
// for at the nearest one above it that is.
class DirectoryWatch {
public:
    static Result<DirectoryWatch> open();

    [[nodiscard]] int fd() const { return fd_.get(); }
    // These directories from now on, and no others.
    void follow(const std::set<std::string>& directories);
    // Takes all events that wait, as directory_topic()s of what is followed. `counts` says whether a name in
    // a followed directory does.
    Topics drain(const std::function<bool(std::string_view name)>& counts);

private:
    explicit DirectoryWatch(Fd fd) : fd_(std::move(fd)) {}

    // Why a directory is watched: it is followed itself, or it is above one that is missing.
    struct Purpose {
        std::string followed;
        std::string awaited;  // the name in it that the missing one begins with; "" for itself
        auto operator<=>(const Purpose&) const = default;
    };
    void watch(const std::string& followed);
    void keep_told(const std::string& followed);
    void watch_again(const std::set<std::string>& followed);
    void forget(const std::set<std::string>& followed);
    void take(int number, std::uint32_t mask, std::string_view name,
              const std::function<bool(std::string_view name)>& counts, Topics& topics,
              std::set<std::string>& moved) const;

    Fd fd_;
    std::set<std::string> followed_;
    std::map<int, std::set<Purpose>> watches_;  // one directory may be watched for several
};

}  // namespace partd::kernel
