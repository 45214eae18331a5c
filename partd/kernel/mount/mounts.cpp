// SPDX-License-Identifier: Apache-2.0
#include "kernel/mount/mounts.h"

#include "base/fd.h"
#include "base/text.h"
#include "kernel/file/files.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

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

namespace {

// The last list and the process that read it: a child may be in another mount namespace.
struct LastRead {
    pid_t process = 0;
    Fd watched;
    std::shared_ptr<const std::vector<Mount>> mounts;
};

}  // namespace

Result<std::shared_ptr<const std::vector<Mount>>> current_mounts() {
    static LastRead last;
    pollfd polled{.fd = last.watched.get(), .events = POLLPRI, .revents = 0};
    if (last.process == getpid() && poll(&polled, 1, 0) == 0) {
        return last.mounts;
    }
    // Opened before it is read: what changes meanwhile is told afterwards.
    LastRead fresh{.process = getpid(),
                   .watched = Fd(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)),
                   .mounts = nullptr};
    auto mounts = read_mounts();
    PARTD_TRY(mounts);
    fresh.mounts = std::make_shared<const std::vector<Mount>>(std::move(*mounts));
    if (!fresh.watched) {
        return fresh.mounts;
    }
    last = std::move(fresh);
    return last.mounts;
}

}  // namespace partd::kernel
