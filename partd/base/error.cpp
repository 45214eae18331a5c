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

std::unexpected<Error> fail(int code, std::string_view doing) {
    return std::unexpected(Error{.code = code, .message = std::string(doing) + ": " + errno_text(code)});
}

std::unexpected<Error> fail_errno(std::string_view doing) {
    return fail(errno, doing);
}

}  // namespace partd
