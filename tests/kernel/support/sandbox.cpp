// SPDX-License-Identifier: Apache-2.0
#include "sandbox.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <stdexcept>

namespace partd::test {
namespace {

namespace fs = std::filesystem;

int open_namespace(const char* path) {
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    require_call(fd >= 0, path);
    return fd;
}

/// The kernel's number for the mount namespace that this process is in; 0 where it tells none.
std::uint64_t mount_namespace_id() {
    constexpr unsigned long kGetMountNamespaceId = _IOR(0xb7, 5, std::uint64_t);  // linux/nsfs.h, since 6.10
    const int fd = open_namespace("/proc/self/ns/mnt");
    std::uint64_t id = 0;
    const bool told = ::ioctl(fd, kGetMountNamespaceId, &id) == 0;
    ::close(fd);
    return told ? id : 0;
}

/// A mount namespace in which others can be pinned. The kernel allows that of younger ones alone, and takes
/// the greater number for the younger one; since 6.18 each processor hands out numbers from a batch of its
/// own. So this one is made where they are lowest. A host's own has the lowest of all.
void unshare_mounts() {
    cpu_set_t before;
    require_call(::sched_getaffinity(0, sizeof before, &before) == 0, "sched_getaffinity");
    std::uint64_t lowest = ~std::uint64_t{0};
    int place = -1;
    const auto make_at = [](int processor) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(static_cast<unsigned>(processor), &one);
        require_call(::sched_setaffinity(0, sizeof one, &one) == 0 && ::unshare(CLONE_NEWNS) == 0,
                     "unshare mnt");
    };
    for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
        if (CPU_ISSET(static_cast<unsigned>(processor), &before)) {
            make_at(processor);
            if (const auto id = mount_namespace_id(); id < lowest) {
                lowest = id;
                place = processor;
            }
        }
    }
    make_at(place);
    require_call(::sched_setaffinity(0, sizeof before, &before) == 0, "sched_setaffinity");
}

void mount_tmpfs(const char* where) {
    require_call(::mount("tmpfs", where, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") == 0, where);
}

/// Redirects writes below `where` to memory; the machine's disk stays as it is.
void overlay(const std::string& where, const std::string& store) {
    fs::create_directories(store + "/upper");
    fs::create_directories(store + "/work");
    const auto options = "lowerdir=" + where + ",upperdir=" + store + "/upper,workdir=" + store + "/work";
    require_call(::mount("overlay", where.c_str(), "overlay", 0, options.c_str()) == 0,
                 "overlay over " + where);
}

}  // namespace

void mount_private(const char* where, unsigned long flags, const char* options) {
    const char* disk = std::getenv("PARTD_TEST_DISK");
    if (disk == nullptr) {
        require_call(::mount("tmpfs", where, "tmpfs", flags, options) == 0, where);
        return;
    }
    std::string directory = std::string(disk) + "/partd-test.XXXXXX";
    require_call(::mkdtemp(directory.data()) != nullptr && ::chmod(directory.c_str(), 0755) == 0, disk);
    require_call(::mount(directory.c_str(), where, nullptr, MS_BIND, nullptr) == 0 &&
                     ::mount(nullptr, where, nullptr, MS_REMOUNT | MS_BIND | flags, nullptr) == 0,
                 where);
}

Netns::Netns() {
    const int before = open_namespace("/proc/self/ns/net");
    require_call(::unshare(CLONE_NEWNET) == 0, "unshare net");
    fd_ = open_namespace("/proc/self/ns/net");
    const bool back = ::setns(before, CLONE_NEWNET) == 0;
    ::close(before);
    require_call(back, "setns");
    output({"ip", "link", "set", "lo", "up"}, {.input = {}, .netns = fd_});
}

Netns::Netns(const std::string& path) : fd_(open_namespace(path.c_str())) {}

Netns::Netns(Netns&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Netns::~Netns() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Sandbox::Before::Before() {
    if (::geteuid() != 0) {
        throw std::runtime_error("the kernel tests need root");
    }
    network = open_namespace("/proc/self/ns/net");
    mounts = open_namespace("/proc/self/ns/mnt");
    directory = ::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    require_call(directory >= 0, "working directory");
}

void Sandbox::Before::restore() const {
    if (::setns(mounts, CLONE_NEWNS) != 0 || ::setns(network, CLONE_NEWNET) != 0 ||
        ::fchdir(directory) != 0) {
        std::perror("back to the machine's namespaces");
        std::abort();
    }
}

Sandbox::Before::~Before() {
    for (const int fd : {network, mounts, directory}) {
        ::close(fd);
    }
}

Sandbox::Sandbox() : cgroups_(std::make_unique<CgroupRoot>()) {
    adopt_orphans();
    require_call(::unshare(CLONE_NEWNET) == 0, "unshare net");
    try {
        unshare_mounts();
        isolate_mounts();
        cgroups_->enter();
        output({"ip", "link", "set", "lo", "up"});
    } catch (...) {
        before_.restore();
        throw;
    }
}

Sandbox::~Sandbox() {
    opened_.clear();
    outside_.reset();
    before_.restore();
    cgroups_.reset();
    orphans();
}

void Sandbox::isolate_mounts() const {
    require_call(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "make mounts private");
    mount_tmpfs("/run");
    overlay("/etc", "/run/etc");
    overlay("/usr/lib", "/run/usr-lib");
    // the overlays keep theirs: the test's /run starts empty
    mount_tmpfs("/run");
    fs::create_directory("/run/scratch");
    // where partitions keep what outlives a reboot, and where the examples have their root trees
    mount_private("/var/lib", MS_NOSUID | MS_NODEV, "mode=0755");
    mount_private("/srv", MS_NOSUID, "mode=0755");
    for (const char* directory : {"/etc/partd", "/etc/netns", "/usr/lib/partd"}) {
        std::error_code absent;
        fs::remove_all(directory, absent);
    }
    fs::create_directory("/etc/partd");
    // programs bind a partition's resolv.conf over it, which a link into the hidden /run could not take
    if (!fs::is_regular_file("/etc/resolv.conf") || fs::is_symlink("/etc/resolv.conf")) {
        fs::remove("/etc/resolv.conf");
        write_file("/etc/resolv.conf", "");
    }
}

void Sandbox::write_config(const std::string& name, const std::string& text) const {
    write_file("/etc/partd/" + name, text);
}

void Sandbox::remove_config(const std::string& name) const {
    fs::remove("/etc/partd/" + name);
}

void Sandbox::example(const std::string& name) const {
    write_config(name + ".toml", read_file(std::string(PARTD_EXAMPLES) + "/" + name + ".toml"));
}

Outcome Sandbox::partctl(const Arguments& arguments, RunOptions options) const {
    Arguments all{PARTCTL};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run(all, options);
}

Json Sandbox::partctl_json(const Arguments& arguments) const {
    Arguments all{PARTCTL, "--json"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return json(all);
}

void Sandbox::apply() const {
    const auto applied = partctl({"apply"});
    if (applied.code != 0) {
        throw std::runtime_error("partctl apply: " + applied.text());
    }
    const auto left = partctl({"diff"});
    if (left.code != 0) {
        throw std::runtime_error("partctl diff after apply: " + left.text());
    }
}

int Sandbox::diff() const {
    return partctl({"diff"}).code;
}

const Outside& Sandbox::outside() {
    if (outside_) {
        return *outside_;
    }
    outside_ = std::make_unique<Outside>();
    const RunOptions there{.input = {}, .netns = outside_->netns.fd()};
    const auto self = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(there.netns);
    output({"ip", "link", "add", Outside::kLink, "type", "veth", "peer", "name", "wan", "netns", self});
    const auto slash24 = [](const char* address) { return std::string(address) + "/24"; };
    const auto slash64 = [](const char* address) { return std::string(address) + "/64"; };
    // no waiting for duplicate addresses in a network of two
    write_file("/proc/sys/net/ipv6/conf/uplink/accept_dad", "0");
    {
        const InNetns beyond(there.netns);
        write_file("/proc/sys/net/ipv6/conf/wan/accept_dad", "0");
    }
    output({"ip", "addr", "add", slash24(Outside::kHost4), "dev", Outside::kLink});
    output({"ip", "addr", "add", slash64(Outside::kHost6), "dev", Outside::kLink, "nodad"});
    output({"ip", "link", "set", Outside::kLink, "up"});
    output({"ip", "addr", "add", slash24(Outside::kPeer4), "dev", "wan"}, there);
    output({"ip", "addr", "add", slash64(Outside::kPeer6), "dev", "wan", "nodad"}, there);
    output({"ip", "link", "set", "wan", "up"}, there);
    // The kernel tells of a carrier up to a second later, and adds addresses and routes then.
    const auto complete = [](const char* link, const RunOptions& where) {
        const std::string shown = output({"ip", "address", "show", "dev", link}, where);
        return shown.find("NO-CARRIER") == std::string::npos &&
               shown.find("inet6 fe80:") != std::string::npos;
    };
    require_call(eventually([&] { return complete(Outside::kLink, {}) && complete("wan", there); }),
                 "bring up the link to the outside");
    output({"ip", "route", "add", "default", "via", Outside::kHost4}, there);
    output({"ip", "route", "add", "default", "via", Outside::kHost6}, there);
    output({"ip", "route", "add", "default", "via", Outside::kPeer4});
    output({"ip", "route", "add", "default", "via", Outside::kPeer6});
    // the link-local addresses must have settled before anybody compares the host with itself
    eventually([&] {
        return output({"ip", "addr", "show", "tentative"}).empty() &&
               output({"ip", "addr", "show", "tentative"}, there).empty();
    });
    return *outside_;
}

int Sandbox::netns(const std::string& name) {
    // opened anew each time: the file may stand for another namespace than before
    opened_.emplace_back(name, Netns("/run/netns/" + name));
    return opened_.back().second.fd();
}

}  // namespace partd::test
