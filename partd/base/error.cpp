// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <cerrno>
#include <system_error>

namespace partd {

bool Error::is_shortage() const {
    return code == EMFILE || code == ENFILE || code == ENOMEM;
}

std::string errno_text(int code) {
    return std::generic_category().message(code);
}

std::unexpected<Error> fail(std::string message) {
    return std::unexpected(Error{.message = std::move(message)});
}

std::unexpected<Error> fail(int code, std::string_view context) {
    return std::unexpected(Error{.code = code, .message = std::string(context) + ": " + errno_text(code)});
}

std::unexpected<Error> fail_errno(std::string_view context) {
    return fail(errno, context);
}

}  // namespace partd
