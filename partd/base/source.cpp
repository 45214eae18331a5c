#include "base/source.h"

#include <tuple>

namespace partd {

std::string Source::place() const {
    return file ? *file + ":" + std::to_string(line) : std::string();
}

std::string Source::text() const {
    return file ? place() + ":" + std::to_string(column) : std::string();
}

bool declared_before(const Source& a, const Source& b) {
    static const std::string kNowhere;
    const std::string& fa = a.file ? *a.file : kNowhere;
    const std::string& fb = b.file ? *b.file : kNowhere;
    return std::tie(fa, a.line, a.column) < std::tie(fb, b.line, b.column);
}

}  // namespace partd
