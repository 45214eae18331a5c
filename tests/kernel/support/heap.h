// SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory shared by partd with heap.cpp loaded into it and the test: a file that both map.

#include <atomic>
#include <cstdint>

namespace partd::test {

struct Heap {
    std::atomic<std::uint64_t> bytes;  ///< in use, as mallinfo2(3) counts them
    std::atomic<std::uint64_t> waits;  ///< of the event loop so far
};

}  // namespace partd::test
