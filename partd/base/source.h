#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace partd {

// Where something was declared. line and column count from 1; line 0: nowhere (it comes from the live host).
struct Source {
    std::shared_ptr<const std::string> file;
    std::uint32_t line = 0;
    std::uint32_t column = 0;

    explicit operator bool() const { return file != nullptr; }
    // "web.toml:3:1", as compilers print it; "" for nowhere.
    [[nodiscard]] std::string text() const;
    // "web.toml:3".
    [[nodiscard]] std::string place() const;
};

// Order of declaration: by file, then by position.
bool declared_before(const Source& a, const Source& b);

}  // namespace partd
