// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "kernel/namespace/namespaces.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace partd::kernel {

// Another descriptor of a namespace that has no name yet.
Result<Namespace> open_again(const Namespace& ns);

// Paths that one process notes and its parent reads, in shared memory (mmap(2), MAP_SHARED). Paths that do
// not fit are left out.
class SharedPaths {
public:
    static Result<SharedPaths> make();
    SharedPaths(SharedPaths&& other) noexcept;
    SharedPaths& operator=(SharedPaths&&) = delete;
    SharedPaths(const SharedPaths&) = delete;
    SharedPaths& operator=(const SharedPaths&) = delete;
    ~SharedPaths();

    void add(std::string_view path) const;
    [[nodiscard]] std::vector<std::string> all() const;

private:
    explicit SharedPaths(char* memory) : memory_(memory) {}
    char* memory_;
};

// A root that is put together to see whether it can be, while another one is in use.
struct RootRehearsal {
    SharedPaths made;        // places for mounts that were not there, relative to the root
    std::string layer = {};  // takes what is written, in place of the layer in use: upper/ and work/
    std::vector<std::string> etc = {};  // files that will stand over those of its /etc
};

// Takes the places that were made below that root away again, unless somebody uses them by now.
void remove_made(const std::string& root, const SharedPaths& made);

}  // namespace partd::kernel
