// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/fd.h"

#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace partd::kernel {

// How much is in a layer.
struct LayerSize {
    std::uint64_t bytes = 0;   // on disk
    std::uint64_t files = 0;   // everything but directories
    std::int64_t written = 0;  // when the last of them was, in seconds since 1970; 0: nothing is there
    bool complete = true;      // false: time was over, or it is deeper than is looked at; there is more
};

// The directory of layers. A layer is what a partition wrote over a root that stays as it is: a directory
// with upper/ and work/ as overlayfs wants them, named like its partition. It is its user's data: nothing
// here deletes what is in one, but for set_aside() and remove_aside().
class Layers {
public:
    using Deadline = std::chrono::steady_clock::time_point;

    explicit Layers(std::string directory) : directory_(std::move(directory)) {}

    [[nodiscard]] std::string path_of(const std::string& name) const { return directory_ + "/" + name; }

    enum class State : std::uint8_t {
        Absent,
        Whole,
        Incomplete,  // upper/ or work/ is missing
        Foreign,     // something else has the name
    };
    struct Entry {
        State state = State::Absent;
        std::string why = {};  // it is foreign
    };
    [[nodiscard]] Result<Entry> look(const std::string& name) const;
    // True if its making was begun and never finished; it is not a layer yet.
    [[nodiscard]] bool begun(const std::string& name) const;
    // Makes the layer, or what is missing of it.
    [[nodiscard]] Result<> make(const std::string& name) const;
    // No partition uses it any more. One that nothing was written to is removed; all others stay.
    void let_go(const std::string& name) const;

    struct Names {
        std::set<std::string> layers;    // the names of all that look() finds whole or incomplete
        std::set<std::string> leftover;  // the names of those whose deletion was begun
        std::vector<Entry> foreign;      // other directories and files
    };
    [[nodiscard]] Result<Names> list() const;
    // Looks at each file of a layer, at most until then.
    [[nodiscard]] LayerSize size(const std::string& name, Deadline deadline) const;

    // The first step of deleting a layer: it loses its name, and is not a layer from then on. EBUSY when
    // something is mounted there.
    [[nodiscard]] Result<> set_aside(const std::string& name) const;
    // The second one: deletes what was set aside under that name, at most until then, and returns whether
    // nothing is left. It can be interrupted at any moment and begun again. Follows no link, crosses no
    // mount.
    [[nodiscard]] Result<bool> remove_aside(const std::string& name, Deadline deadline) const;

private:
    [[nodiscard]] std::string draft_of(const std::string& name) const { return directory_ + "/.new-" + name; }
    [[nodiscard]] Result<std::vector<std::string>> aside(const std::string& name) const;

    std::string directory_;
};

}  // namespace partd::kernel
