#pragma once

#include "base/error.h"
#include "base/fd.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace partd::kernel {

// Tells when something in directories may have changed (inotify(7)). A directory that is not there is waited
// for at the nearest one above it that is.
class DirectoryWatch {
public:
    static Result<DirectoryWatch> open();

    [[nodiscard]] int fd() const { return fd_.get(); }
    // These directories from now on, and no others.
    void follow(const std::set<std::string>& directories);
    // Takes all events that wait; true when one of them, or a lost one, concerns what is followed. `counts`
    // says whether a name in a followed directory does.
    bool drain(bool (*counts)(std::string_view name));

private:
    explicit DirectoryWatch(Fd fd) : fd_(std::move(fd)) {}
    void watch(const std::string& directory);
    void watch_again();

    // What one event says: something followed changed; a directory came, went or moved.
    struct Meaning {
        bool concerns = false;
        bool moves = false;
    };
    [[nodiscard]] Meaning meaning_of(int number, std::uint32_t mask, std::string_view name,
                                     bool (*counts)(std::string_view name)) const;

    struct Watched {
        std::string directory;
        std::string
            awaited;  // the name in it that something missing begins with; "" for a followed directory
    };
    Fd fd_;
    std::set<std::string> followed_;
    std::map<int, std::vector<Watched>> watches_;  // one directory may be waited at for several
};

// Tells when the network of any namespace that the host knows an id of, its nftables, or the mounts may have
// changed.
class HostWatch {
public:
    static Result<HostWatch> open();

    // Descriptors to wait for, with EPOLLIN; that of the mounts with EPOLLPRI.
    [[nodiscard]] int links() const { return links_.get(); }
    [[nodiscard]] int nftables() const { return nftables_.get(); }
    [[nodiscard]] int mounts() const { return mounts_.get(); }
    // Takes what waits; returns whether anything did (what was lost counts, ENOBUFS).
    bool drain();

private:
    HostWatch(Fd links, Fd nftables, Fd mounts)
        : links_(std::move(links)), nftables_(std::move(nftables)), mounts_(std::move(mounts)) {}

    Fd links_, nftables_, mounts_;
};

}  // namespace partd::kernel
