// SPDX-License-Identifier: Apache-2.0
#pragma once
// A throw-away host: network, mounts, /run, /etc and cgroups of the test's own, put back when it goes.

#include "cgroup_root.h"
#include "process.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace partd::test {

/// A network namespace without a name in /run/netns, kept by its descriptor.
class Netns {
public:
    /// A new one, its lo up.
    Netns();
    /// An existing one by its path.
    explicit Netns(const std::string& path);
    Netns(Netns&& other) noexcept;
    Netns& operator=(Netns&&) = delete;
    Netns(const Netns&) = delete;
    Netns& operator=(const Netns&) = delete;
    ~Netns();

    [[nodiscard]] int fd() const { return fd_; }

private:
    int fd_ = -1;
};

/// The host's uplink and what is beyond it: 203.0.113.1 and 2001:db8:ff::1 on the host's `uplink`,
/// .2 and ::2 outside, which routes everything else to the host.
struct Outside {
    Netns netns;
    static constexpr const char* kLink = "uplink";
    static constexpr const char* kHost4 = "203.0.113.1";
    static constexpr const char* kHost6 = "2001:db8:ff::1";
    static constexpr const char* kPeer4 = "203.0.113.2";
    static constexpr const char* kPeer6 = "2001:db8:ff::2";
};

class Sandbox {
public:
    Sandbox();
    Sandbox(const Sandbox&) = delete;
    Sandbox& operator=(const Sandbox&) = delete;
    ~Sandbox();

    // --- configuration, in /etc/partd
    void write_config(const std::string& name, const std::string& text) const;
    void remove_config(const std::string& name) const;
    /// Copies config-examples/NAME.toml.
    void example(const std::string& name) const;

    // --- partctl
    Outcome partctl(const Arguments& arguments, RunOptions options = {}) const;
    /// With --json, whatever the exit code; throws when it prints no JSON.
    Json partctl_json(const Arguments& arguments) const;
    /// `partctl apply`, which must succeed and after which `partctl diff` must find nothing.
    void apply() const;
    /// Exit code of `partctl diff`.
    int diff() const;

    // --- the world around
    /// Made at the first call.
    const Outside& outside();
    /// Descriptor of the named network namespace, open until the sandbox goes.
    int netns(const std::string& name);
    /// Closes what netns() has opened: a descriptor keeps a namespace alive after its removal.
    void close_netns() { opened_.clear(); }
    CgroupRoot& cgroups() { return *cgroups_; }
    [[nodiscard]] const CgroupRoot& cgroups() const { return *cgroups_; }
    /// A directory for the test's files, gone with the sandbox.
    [[nodiscard]] std::string scratch() const { return "/run/scratch"; }

private:
    struct Before {
        int network = -1;
        int mounts = -1;
        int directory = -1;
        Before();
        Before(const Before&) = delete;
        Before& operator=(const Before&) = delete;
        ~Before();
        void restore() const;
    };

    void isolate_mounts() const;

    Before before_;
    std::unique_ptr<CgroupRoot> cgroups_;
    std::unique_ptr<Outside> outside_;
    std::vector<std::pair<std::string, Netns>> opened_;
};

/// Mounts an empty file system for root trees and layers there: in memory, with these options of tmpfs(5);
/// or, where PARTD_TEST_DISK names a directory, a new directory below that, which stays. Before Linux 6.3 the
/// owners of files on a tmpfs cannot be mapped, and a machine with such a kernel is a throw-away one.
void mount_private(const char* where, unsigned long flags, const char* options);

/// Everything that partd could change on the host, as text by topic; equal texts mean an equal host.
using Snapshot = std::map<std::string, std::string>;
Snapshot snapshot(Sandbox& sandbox);
/// The differences, for a message; empty when there are none.
std::string difference(const Snapshot& before, const Snapshot& after);

}  // namespace partd::test

/// For what this machine cannot do: shown in the report, counted by ctest as skipped, never as passed.
#define PARTD_CANNOT_RUN(why)               \
    do {                                    \
        WARN("CANNOT RUN HERE: " << (why)); \
        return;                             \
    } while (false)
