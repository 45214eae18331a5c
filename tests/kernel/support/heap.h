// SPDX-License-Identifier: Apache-2.0
#pragma once
// What heap.cpp, loaded into partd, tells by a file that both map.

#include <atomic>
#include <cstdint>

namespace partd::test {

struct Heap {
    std::atomic<std::uint64_t> bytes;  ///< in use, as mallinfo2(3) counts them
    std::atomic<std::uint64_t> waits;  ///< of the event loop so far
};

}  // namespace partd::test
