// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/layer/layers.h"
#include "kernel/root/root.h"
#include "kinds/absolute_path.h"
#include "kinds/kinds.h"

namespace partd {

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

// Where it goes that a partition writes over a root that stays as it is.
enum class Overlay : std::uint8_t {
    None,       // it writes to the root itself
    Kept,       // to a layer on disk, its user's data
    Temporary,  // to memory, gone with the mounts
};
template <>
struct Codec<Overlay> {
    static bool read(const Value& value, Overlay& out, Diagnostics& problems);
    static std::string text(const Overlay& value);
    static Value json(const Overlay& value);
    static Value schema();
};

// [partition.NAME.rootfs]
struct Rootfs {
    AbsolutePath path = {};
    bool read_only = false;
    Overlay overlay = Overlay::None;
    std::vector<Sourced<MountEntry>> mounts = {};
    bool operator==(const Rootfs&) const = default;
    static const Table table;
};

// A partition's own files over a root that stays as it is, in /var/lib/partd/layers (kernel/layer/layers.h).
// Its removal from a plan lets go of it: what was written stays on disk.
struct Layer {
    std::string partition = {};
    bool whole = true;
    std::string stays = {};  // of one that nobody wants any more: what is kept, in words
    bool operator==(const Layer&) const = default;
    static const Table table;
};
extern const LiveKind kLayer;
// "192.0 MB in 1204 files".
std::string size_text(const kernel::LayerSize& size);
Key layer_key(const std::string& partition);

// The wanted content of a partition's mount namespace.
struct WantedRoot {
    std::string text = {};  // all of it, to compare
    std::optional<Rootfs> rootfs = {};
    std::vector<std::string> etc = {};  // files that stand over those of its /etc
    bool delegated = false;             // groups can be made below its own
    std::string memory_of = {};         // whose /dev/shm it has; "": one of its own, or the host's
    Place path = {};
    bool operator==(const WantedRoot&) const = default;
};
WantedRoot wanted_root(const Declared& declared, const std::string& partition);
// Returns the note of an earlier partd in today's spelling, with parts that it lacks taken from `wanted`.
std::string renewed_root(const std::string& noted, const WantedRoot* wanted);
// True if such a text stands for the host's own tree.
bool shows_host_tree(std::string_view text);
void check_rootfs(const Declared& declared, Diagnostics& problems);
kernel::RootPlan root_plan(kernel::Host& host, const std::string& partition, const WantedRoot& wanted);

}  // namespace partd
