// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/fd.h"
#include "kernel/namespace/namespaces.h"
#include "kernel/namespace/pins.h"
#include "kernel/netlink/netlink.h"

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace partd::kernel {

// An open network namespace with a routing socket in it (network_namespaces(7)).
class Netns {
public:
    // A new, empty one; the calling thread stays where it is.
    static Result<Netns> make();
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
    // The calling thread's, which the descriptor stands for.
    static Result<Netns> here(Fd fd);
    Netns(Fd fd, NetlinkSocket route, std::uint64_t cookie, ino_t inode)
        : fd_(std::move(fd)), route_(std::move(route)), cookie_(cookie), inode_(inode) {}

    Fd fd_;
    NetlinkSocket route_;
    std::uint64_t cookie_;
    ino_t inode_;
};

class NetnsSupply;

// /run/netns, the network namespaces by name as ip-netns(8) keeps them.
class NetnsDirectory : public PinDirectory {
public:
    explicit NetnsDirectory(std::string path) : PinDirectory(std::move(path), true) {}

    [[nodiscard]] Entry look(const std::string& name) const;
    [[nodiscard]] Result<Netns> open(const std::string& name) const;
    // True if the name stands for this very namespace.
    [[nodiscard]] bool stands_for(const std::string& name, const Netns& netns) const;
    // Makes a namespace, owned by that user namespace if there is one, lets `prepare` work on it before
    // anybody can see it, and gives it the name.
    Result<Netns> create(const std::string& name, const Namespace* user,
                         const std::function<Result<>(Netns&)>& prepare);
    // So many are to be created soon that no other user namespace owns: they are made ahead. 0: that is over.
    void expect(std::size_t count);

private:
    std::shared_ptr<NetnsSupply> supply_;
};

}  // namespace partd::kernel
