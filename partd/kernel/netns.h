#pragma once

#include "base/error.h"
#include "base/fd.h"
#include "kernel/netlink.h"

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace partd::kernel {

// An open network namespace with a routing socket in it (network_namespaces(7)).
class Netns {
public:
    // The calling thread's.
    static Result<Netns> current();
    // The one that a descriptor of nsfs stands for; EINVAL for any other file.
    static Result<Netns> from(Fd fd);

    [[nodiscard]] int fd() const { return fd_.get(); }
    // SO_NETNS_COOKIE: never used again during a boot, unlike the inode.
    [[nodiscard]] std::uint64_t cookie() const { return cookie_; }
    [[nodiscard]] ino_t inode() const { return inode_; }
    NetlinkSocket& route() { return route_; }
    // Runs what has to run inside, such as access to /proc/sys/net, with the calling thread in the namespace.
    Result<> inside(const std::function<Result<>()>& work) const;

private:
    Netns(Fd fd, NetlinkSocket route, std::uint64_t cookie, ino_t inode)
        : fd_(std::move(fd)), route_(std::move(route)), cookie_(cookie), inode_(inode) {}

    Fd fd_;
    NetlinkSocket route_;
    std::uint64_t cookie_;
    ino_t inode_;
};

// The directory of named namespaces, as ip-netns(8) keeps it: bind mounts of nsfs on empty files.
class NetnsDirectory {
public:
    explicit NetnsDirectory(std::string path) : path_(std::move(path)) {}

    enum class Entry : std::uint8_t {
        Absent,
        Stale,      // an empty file without a namespace on it: left over
        Namespace,  // a network namespace
        Other,      // anything else
    };
    [[nodiscard]] Entry look(const std::string& name) const;
    [[nodiscard]] Result<Netns> open(const std::string& name) const;
    [[nodiscard]] std::vector<std::string> names() const;
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string path_of(const std::string& name) const { return path_ + "/" + name; }

    // Why the names cannot be believed now: another mount stands over the directory. nullopt when all is
    // well.
    [[nodiscard]] std::optional<std::string> trouble() const;

    // Makes a namespace, lets `prepare` work on it before anybody can see it, and gives it the name. Makes
    // the directory a shared mount of its own first where it is not, under the lock that ip-netns(8) takes.
    Result<Netns> create(const std::string& name, const std::function<Result<>(Netns&)>& prepare);
    // When no name is left: takes back the mount and the directory, as far as make_ready() made them.
    void retire();
    // Takes the name away; the namespace lives on while somebody uses it. Absent is success.
    Result<> remove(const std::string& name);

private:
    Result<> make_ready();

    std::string path_;
    bool ready_ = false;
};

}  // namespace partd::kernel
