#pragma once

#include "kinds/nat/nat.h"

#include <cstdint>
#include <span>

namespace partd::nat {

// Adds the elements of one forward, and what it needs for the host's own 127.0.0.1; or reports why it can
// lead nowhere. `prefixes` are the partition's, `entries` counts the elements of all forwards so far.
void expand_forward(const DeclaredObject& object, std::span<const Prefix> prefixes, const Declared& declared,
                    std::uint64_t& entries, State& desired, Diagnostics& problems);

}  // namespace partd::nat
