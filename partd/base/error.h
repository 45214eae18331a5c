// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/source.h"

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace partd {

// An error with its context, outermost first: "create link web/eth0: File exists (extack)".
struct Error {
    int code = 0;              // errno(3) as the kernel gave it; 0 when partd itself refused
    std::string message = {};  // for people, in the order outermost to innermost
    bool refused = false;      // partd declined on purpose (conflict, delete limit, on_remove = "refuse")
    Source at = {};            // the line of a file that is at fault, where it is known

    // Descriptors or memory were short: it says nothing about what was asked for.
    [[nodiscard]] bool is_shortage() const;
    // This error with the failed operation put in front of its message.
    [[nodiscard]] Error wrap(std::string_view context) && {
        message = std::string(context) + ": " + message;
        return std::move(*this);
    }
    // This error with the source position at fault, unless it already has one.
    [[nodiscard]] Error placed(const Source& where) && {
        at = at ? at : where;
        return std::move(*this);
    }
};

template <class T = void>
using Result = std::expected<T, Error>;

// An error of partd's own.
std::unexpected<Error> fail(std::string message);
// An error of the kernel: "DOING: strerror(code)".
std::unexpected<Error> fail(int code, std::string_view context);
// fail() with the current errno.
std::unexpected<Error> fail_errno(std::string_view context);
// The errno's text, as strerror(3).
std::string errno_text(int code);

}  // namespace partd

// Gives up the function with the error of EXPR, if it has one. The one macro outside of tests: there is no
// `?` in C++.
#define PARTD_TRY(expr)                                       \
    if (auto&& partd_try = (expr); !partd_try) {              \
        return std::unexpected(std::move(partd_try).error()); \
    }
