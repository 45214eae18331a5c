// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/text_file.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace partd {

// A document that was applied: all its files, when and by whom, and what came of it. They outlive a reboot.
struct Generation {
    std::uint64_t number = 0;  // from 1
    std::chrono::system_clock::time_point time = {};
    std::string origin = {};   // "the files", "partctl apply by root"
    std::string outcome = {};  // "converged", "3 changes failed"
    std::vector<TextFile> files = {};
};

// Files as one text, and back; nullopt for a text that is damaged or cut off anywhere.
std::string encode_files(const std::vector<TextFile>& files);
std::optional<std::vector<TextFile>> decode_files(std::string_view text);

// A generation as text, with a checksum; nullopt for a text that is damaged.
std::string encode_generation(const Generation& generation);
std::optional<Generation> decode_generation(std::string_view text);

// The generations in a directory, a file each.
class History {
public:
    explicit History(std::string directory) : directory_(std::move(directory)) {}

    // The numbers that there are, oldest first. Damaged ones are left out when they are read.
    [[nodiscard]] Result<std::vector<std::uint64_t>> numbers() const;
    // nullopt: there is none, or it is damaged.
    [[nodiscard]] Result<std::optional<Generation>> find(std::uint64_t number) const;
    // The newest that can be read.
    [[nodiscard]] Result<std::optional<Generation>> last() const;
    // Writes it under its number, or under the next free one when that is 0; returns the number. Keeps the
    // last `most`. Several may record at a time.
    Result<std::uint64_t> record(Generation generation, std::size_t most) const;

private:
    [[nodiscard]] std::string path_of(std::uint64_t number) const;
    Result<std::uint64_t> write_new(Generation generation) const;

    std::string directory_;
};

}  // namespace partd
