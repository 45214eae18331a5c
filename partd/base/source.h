// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace partd {

// Where something was declared. line and column count from 1; line 0: nowhere (it comes from the live host).
struct Source {
    std::shared_ptr<const std::string> file;
    std::uint32_t line = 0;
    std::uint32_t column = 0;

    explicit operator bool() const { return file != nullptr; }
    // "web.toml:3:1", as compilers print it; "" for nowhere.
    [[nodiscard]] std::string text() const;
    // The position as a prefix of a message: "web.toml:3:1: "; "" for nowhere.
    [[nodiscard]] std::string prefix() const;
    // "web.toml:3".
    [[nodiscard]] std::string place() const;
};

// Where the fields of an object were written; most have few of those that their table has.
class Places {
public:
    void set(std::size_t field, Source at);
    // Of the field with that index in the table; nullptr when it was not written.
    [[nodiscard]] const Source* of(std::size_t field) const;

private:
    struct Entry {
        Source at;
        std::uint32_t field = 0;
    };
    std::vector<Entry> entries_;
};

// Order of declaration: by file, then by position.
bool declared_before(const Source& a, const Source& b);

}  // namespace partd
