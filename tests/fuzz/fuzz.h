// SPDX-License-Identifier: Apache-2.0
#pragma once
// Shared by the harnesses: libFuzzer's entry, bytes taken off an input, and a check that reports what does
// not hold.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

/// Called by libFuzzer, or by replay.cpp for each file of a corpus.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace partd::fuzz {

inline std::string_view as_text(std::span<const std::uint8_t> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Aborts unless a property holds; it has to for any input.
inline void require(bool holds, const char* what) {
    if (!holds) {
        std::fprintf(stderr, "does not hold: %s\n", what);
        std::abort();
    }
}

/// Takes an input apart; behind its end all are 0.
class Bytes {
public:
    explicit Bytes(std::span<const std::uint8_t> left) : left_(left) {}

    [[nodiscard]] bool empty() const { return left_.empty(); }
    std::uint8_t byte() {
        const auto taken = take(1);
        return taken.empty() ? 0 : taken.front();
    }
    /// As many bytes as the next one says.
    std::span<const std::uint8_t> counted() { return take(byte()); }
    std::span<const std::uint8_t> take(std::size_t most) {
        const auto taken = left_.first(most < left_.size() ? most : left_.size());
        left_ = left_.subspan(taken.size());
        return taken;
    }
    std::span<const std::uint8_t> rest() { return take(left_.size()); }

private:
    std::span<const std::uint8_t> left_;
};

}  // namespace partd::fuzz
