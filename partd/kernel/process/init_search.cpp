// SPDX-License-Identifier: Apache-2.0
#include "kernel/process/init_search.h"

#include "base/text.h"
#include "kernel/file/files.h"
#include "kernel/process/processes.h"

#include <sys/stat.h>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

Result<bool> is_init_of(pid_t process, const Namespace& pid) {
    struct stat st{};
    if (stat(fmt::format("/proc/{}/ns/pid", process).c_str(), &st) != 0 || st.st_ino != pid.inode()) {
        return false;
    }
    const auto status = read_file(fmt::format("/proc/{}/status", process));
    if (!status) {
        return status.error().is_shortage() ? std::unexpected(status.error()) : Result<bool>(false);
    }
    for (const std::string_view line : split(*status, '\n')) {
        const auto parts = words(line);
        if (parts.size() > 1 && parts[0] == "State:" && (parts[1] == "Z" || parts[1] == "X")) {
            return false;
        }
        if (parts.size() > 1 && parts[0] == "NSpid:") {
            return parts.back() == "1";
        }
    }
    return false;
}

}  // namespace

Result<std::optional<pid_t>> find_init(const std::set<pid_t>& likely, const Namespace& pid) {
    const auto find_among = [&](const auto& processes) -> Result<std::optional<pid_t>> {
        for (const pid_t process : processes) {
            const auto is_it = is_init_of(process, pid);
            PARTD_TRY(is_it);
            if (*is_it) {
                return process;
            }
        }
        return std::nullopt;
    };
    if (auto found = find_among(likely); !found || *found) {
        return found;
    }
    const auto all = all_processes();
    PARTD_TRY(all);
    return find_among(*all);
}

}  // namespace partd::kernel
