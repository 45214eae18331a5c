// SPDX-License-Identifier: Apache-2.0
#include "events.h"
#include "message.h"
#include "probe.h"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace bench {

namespace {

constexpr std::int64_t kPatience = 20'000'000'000;  // ns

// Both ends of the pair have the MTU.
class MtuOf {
public:
    MtuOf(std::string host_end, std::uint32_t mtu) : host_end_(std::move(host_end)), mtu_(mtu) {}
    void take(const Event& event) {
        if (event.type == RTM_NEWLINK && event.mtu == mtu_) {
            inner_ |= event.elsewhere() && event.name == "eth0";
            outer_ |= !event.elsewhere() && event.name == host_end_;
        }
    }
    [[nodiscard]] bool done() const { return inner_ && outer_; }

private:
    std::string host_end_;
    std::uint32_t mtu_;
    bool inner_ = false;
    bool outer_ = false;
};

// Everything is there: the host's end up and both default routes inside, the last that a plan makes.
class Created {
public:
    explicit Created(std::string host_end) : host_end_(std::move(host_end)) {}
    void take(const Event& event) {
        up_ |= event.type == RTM_NEWLINK && !event.elsewhere() && event.up && event.name == host_end_;
        route4_ |= event.type == RTM_NEWROUTE && event.elsewhere() && event.ours && event.family == AF_INET;
        route6_ |= event.type == RTM_NEWROUTE && event.elsewhere() && event.ours && event.family == AF_INET6;
    }
    [[nodiscard]] bool done() const { return up_ && route4_ && route6_; }

private:
    std::string host_end_;
    bool up_ = false;
    bool route4_ = false;
    bool route6_ = false;
};

std::string text_of(const char* path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// Writes the file as an editor does that keeps its inode; returns when it was closed.
std::int64_t write_file(const char* path, const std::string& text) {
    const int fd = ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    require(fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()), path);
    require(::close(fd) == 0, path);
    return now();
}

int report(std::int64_t from, bool done) {
    const std::int64_t at = now();
    if (!done) {
        ::fputs("probe: what the file declares did not come\n", stderr);
        return 1;
    }
    ::printf("%.6f\n", static_cast<double>(at - from) / 1e9);
    return 0;
}

template <class Wanted>
int edit_until(Wanted wanted, const char* path, const char* draft) {
    const std::string text = text_of(draft);
    const int events = listen_to_links(true);
    const std::int64_t closed = write_file(path, text);
    const auto take = [&](const Event& event) { wanted.take(event); };
    while (!wanted.done() && read_events(events, closed + kPatience - now(), take)) {
    }
    return report(closed, wanted.done());
}

// True if that name is removed from the watched directory in time.
bool unlinked_in_time(int watch, std::string_view name) {
    const std::int64_t until = now() + kPatience;
    alignas(inotify_event) char buffer[4096];
    pollfd waiting{.fd = watch, .events = POLLIN, .revents = 0};
    while (now() < until && ::poll(&waiting, 1, static_cast<int>((until - now()) / 1'000'000)) > 0) {
        const ssize_t got = ::read(watch, buffer, sizeof buffer);
        for (ssize_t at = 0; at < got;) {
            const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
            if (event->len > 0 && name == event->name) {
                return true;
            }
            at += static_cast<ssize_t>(sizeof *event + event->len);
        }
    }
    return false;
}

int unlink_until_gone(const char* path, const char* name) {
    const int watch = ::inotify_init1(IN_CLOEXEC);
    require(watch >= 0 && ::inotify_add_watch(watch, "/run/netns", IN_DELETE) >= 0, "watch /run/netns");
    require(::unlink(path) == 0, path);
    const std::int64_t from = now();
    const bool gone = unlinked_in_time(watch, name);
    return report(from, gone);
}

}  // namespace

int edit(int argc, char** argv) {
    const std::string_view kind = argc > 0 ? argv[0] : "";
    if (kind == "mtu" && argc == 5) {
        return edit_until(MtuOf(argv[3], static_cast<std::uint32_t>(::atoi(argv[4]))), argv[1], argv[2]);
    }
    if (kind == "add" && argc == 4) {
        return edit_until(Created(argv[3]), argv[1], argv[2]);
    }
    if (kind == "drop" && argc == 3) {
        return unlink_until_gone(argv[1], argv[2]);
    }
    return 2;
}

}  // namespace bench
