#include "kernel/mounts.h"

#include "base/text.h"
#include "kernel/files.h"

#include <algorithm>

namespace partd::kernel {

namespace {

std::string unescape(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto code =
            text[i] == '\\' && i + 3 < text.size() ? parse_number(text.substr(i + 1, 3), 8) : std::nullopt;
        if (code) {
            plain += static_cast<char>(*code);
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

}  // namespace

std::vector<Mount> parse_mountinfo(std::string_view text) {
    std::vector<Mount> mounts;
    for (const std::string_view line : split(text, '\n')) {
        const auto fields = words(line);
        const auto dash = std::ranges::find(fields, "-");
        if (fields.size() < 7 || fields.end() - dash < 3 || dash - fields.begin() < 6) {
            continue;
        }
        const auto id = parse_number(fields[0]);
        const auto parent = parse_number(fields[1]);
        if (!id || !parent) {
            continue;
        }
        const auto shared = [](std::string_view option) { return option.starts_with("shared:"); };
        mounts.push_back({.id = static_cast<int>(*id),
                          .parent = static_cast<int>(*parent),
                          .device = std::string(fields[2]),
                          .root = unescape(fields[3]),
                          .point = unescape(fields[4]),
                          .shared = std::any_of(fields.begin() + 6, dash, shared),
                          .type = std::string(dash[1]),
                          .options = fields.end() - dash > 3 ? std::string(dash[3]) : std::string()});
    }
    return mounts;
}

Result<std::vector<Mount>> read_mounts() {
    auto text = read_file("/proc/self/mountinfo");
    PARTD_TRY(text);
    return parse_mountinfo(*text);
}

}  // namespace partd::kernel
