// SPDX-License-Identifier: Apache-2.0
#include "kernel/events/directory_watch.h"

#include "kernel/file/files.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

namespace partd::kernel {

namespace {

constexpr std::uint32_t kInside = IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_DELETE | IN_MOVE |
                                  IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::uint32_t kAbove = IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::uint32_t kGone = IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT;

}  // namespace

Result<DirectoryWatch> DirectoryWatch::open() {
    Fd fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!fd) {
        return fail_errno("watch directories (the limit is sysctl fs.inotify.max_user_instances)");
    }
    return DirectoryWatch(std::move(fd));
}

void DirectoryWatch::follow(const std::set<std::string>& directories) {
    if (directories == followed_) {
        return;
    }
    std::set<std::string> dropped;
    std::ranges::set_difference(followed_, directories, std::inserter(dropped, dropped.end()));
    if (!dropped.empty()) {
        forget(dropped);
    }
    for (const std::string& directory : directories) {
        if (!followed_.contains(directory)) {
            watch(directory);
        }
    }
    followed_ = directories;
}

void DirectoryWatch::forget(const std::set<std::string>& followed) {
    for (auto at = watches_.begin(); at != watches_.end();) {
        std::erase_if(at->second,
                      [&](const Purpose& purpose) { return followed.contains(purpose.followed); });
        if (at->second.empty()) {
            inotify_rm_watch(fd_.get(), at->first);
            at = watches_.erase(at);
        } else {
            ++at;
        }
    }
}

void DirectoryWatch::watch_again(const std::set<std::string>& followed) {
    if (followed.empty()) {
        return;
    }
    forget(followed);
    for (const std::string& directory : followed) {
        watch(directory);
    }
}

// The kernel reports its own writes to a control group's file only while the inode is in memory
// (kernfs_notify()): a watch on the file keeps it there.
void DirectoryWatch::keep_told(const std::string& followed) {
    const int number = inotify_add_watch(fd_.get(), (followed + "/cgroup.events").c_str(), IN_MODIFY);
    if (number >= 0) {
        watches_[number].insert({followed, ""});
    }
}

void DirectoryWatch::watch(const std::string& followed) {
    std::string at = followed;
    std::string awaited;
    bool retried = false;
    while (true) {
        const int number = inotify_add_watch(fd_.get(), at.empty() ? "/" : at.c_str(),
                                             IN_MASK_ADD | (awaited.empty() ? kInside : kAbove));
        if (number >= 0) {
            watches_[number].insert({followed, awaited});
            if (awaited.empty()) {
                keep_told(followed);
            }
            if (awaited.empty() || retried || !exists(at + "/" + awaited)) {
                return;
            }
            // It came to be before it was waited for.
            retried = true;
            at = followed;
            awaited.clear();
            continue;
        }
        const std::size_t slash = at.rfind('/');
        if (at.empty() || slash == std::string::npos) {
            return;
        }
        awaited = at.substr(slash + 1);
        at = at.substr(0, slash);
    }
}

void DirectoryWatch::take(int number, std::uint32_t mask, std::string_view name,
                          const std::function<bool(std::string_view name)>& counts, Topics& topics,
                          std::set<std::string>& moved) const {
    if ((mask & IN_Q_OVERFLOW) != 0) {
        topics.insert(kEverything);
        moved = followed_;
        return;
    }
    const auto found = watches_.find(number);
    if (found == watches_.end()) {
        return;
    }
    for (const Purpose& purpose : found->second) {
        const bool gone = (mask & kGone) != 0;
        const bool arrives = !purpose.awaited.empty() && name == purpose.awaited;
        if (gone || arrives || (purpose.awaited.empty() && counts(name))) {
            topics.insert(directory_topic(purpose.followed));
        }
        if (gone || arrives) {
            moved.insert(purpose.followed);
        }
        // Of a control group that goes only the one above it tells.
        const bool entry = (mask & IN_ISDIR) != 0 && (mask & (IN_CREATE | IN_DELETE | IN_MOVE)) != 0;
        const std::string inner = purpose.followed + "/" + std::string(name);
        if (entry && purpose.awaited.empty() && followed_.contains(inner)) {
            topics.insert(directory_topic(inner));
            moved.insert(inner);
        }
    }
}

Topics DirectoryWatch::drain(const std::function<bool(std::string_view name)>& counts) {
    Topics topics;
    std::set<std::string> moved;
    alignas(inotify_event) std::array<char, 16384> buffer;
    for (ssize_t size = 0; (size = read(fd_.get(), buffer.data(), buffer.size())) > 0;) {
        for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof event);
            const std::string_view name = event.len > 0 ? buffer.data() + at + sizeof event : "";
            take(event.wd, event.mask, name, counts, topics, moved);
            at += sizeof event + event.len;
        }
    }
    watch_again(moved);
    return topics;
}

}  // namespace partd::kernel
