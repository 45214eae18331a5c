#pragma once

#include "kernel/root.h"
#include "kinds/kinds.h"

namespace partd {

// A path from the root, without "..".
struct AbsolutePath : std::string {
    using std::string::string;
    static std::optional<AbsolutePath> parse(std::string_view text);
    [[nodiscard]] const std::string& text() const { return *this; }
};
template <>
struct Form<AbsolutePath> {
    static constexpr std::string_view
        kExpected = "a path that begins with '/', without \"..\" and control characters",
        kPattern = "^/[^\\x00-\\x1f\\x7f]*$";
};

// One of [[partition.NAME.rootfs.mounts]].
struct MountEntry {
    std::optional<std::string> source = {};
    AbsolutePath target = {};
    std::string type = "bind";
    std::vector<std::string> options = {};
    bool read_only = false;
    bool operator==(const MountEntry&) const = default;
    static const Table table;
};

// [partition.NAME.rootfs]
struct Rootfs {
    AbsolutePath path = {};
    bool read_only = false;
    bool overlay = false;
    std::vector<Sourced<MountEntry>> mounts = {};
    bool operator==(const Rootfs&) const = default;
    static const Table table;
};

// A partition's own files over a root that stays as it is, in /var/lib/partd/layers.
struct Layer {
    std::string partition = {};
    bool kept = false;
    bool operator==(const Layer&) const = default;
    static const Table table;
};
extern const LiveKind kLayer;
Key layer_key(const std::string& partition);

// What a partition's mount namespace is to show.
struct WantedRoot {
    std::string text = {};  // all of it, to compare
    std::optional<Rootfs> rootfs = {};
    bool operator==(const WantedRoot&) const = default;
};
WantedRoot wanted_root(const Declared& declared, const std::string& partition);
// Whether such a text stands for the host's own tree.
bool shows_host_tree(std::string_view text);
void check_rootfs(const Declared& declared, Diagnostics& problems);
kernel::RootPlan root_plan(kernel::Host& host, const std::string& partition, const WantedRoot& wanted);

}  // namespace partd
