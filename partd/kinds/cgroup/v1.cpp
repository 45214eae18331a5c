// SPDX-License-Identifier: Apache-2.0
#include "kinds/cgroup/v1.h"

#include "base/text.h"
#include "kernel/file/files.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace partd {

namespace {

using Files = std::vector<CgroupFile>;

std::string max_or(const std::string& value, const char* unlimited) {
    return value == "max" ? unlimited : value;
}

// The text of io.max ("device /dev/sda rbps 1048576, …") with the device's number in front: the kernel's
// form.
struct IoLine {
    std::string number;
    std::vector<std::pair<std::string, std::string>> limits;
};

std::vector<IoLine> io_lines(const std::string& value, std::string& problem) {
    std::vector<IoLine> lines;
    for (const std::string_view part : split(value, ',')) {
        const auto parts = words(part);
        IoLine line;
        for (std::size_t i = 0; i + 1 < parts.size(); i += 2) {
            if (parts[i] == "device") {
                const std::string device(parts[i + 1]);
                line.number = device.starts_with('/') ? kernel::block_device_number(device) : device;
                problem = line.number.empty()
                              ? fmt::format("{} is not a block device of this host", parts[i + 1])
                              : problem;
            } else {
                line.limits.emplace_back(parts[i], parts[i + 1]);
            }
        }
        if (!line.number.empty() && std::ranges::find(lines, line.number, &IoLine::number) != lines.end()) {
            problem = fmt::format("device {} has limits twice, under two names", line.number);
        }
        lines.push_back(std::move(line));
    }
    return lines;
}

Files io_v2(const std::vector<IoLine>& lines) {
    Files files;
    for (const IoLine& line : lines) {
        std::string text = line.number;
        for (const auto& [name, limit] : line.limits) {
            text += fmt::format(" {}={}", name, limit);
        }
        files.push_back({"io.max", text});
    }
    return files;
}

constexpr std::array<std::pair<std::string_view, const char*>, 4> kIoV1Files = {
    {{"rbps", "blkio.throttle.read_bps_device"},
     {"wbps", "blkio.throttle.write_bps_device"},
     {"riops", "blkio.throttle.read_iops_device"},
     {"wiops", "blkio.throttle.write_iops_device"}}};

Files io_v1(const std::vector<IoLine>& lines) {
    Files files;
    for (const IoLine& line : lines) {
        for (const auto& [name, limit] : line.limits) {
            const auto found =
                std::ranges::find(kIoV1Files, name, &std::pair<std::string_view, const char*>::first);
            if (found != kIoV1Files.end()) {
                files.push_back({found->second, fmt::format("{} {}", line.number, max_or(limit, "0"))});
            }
        }
    }
    return files;
}

// io.weight 1 to 10000 as io.bfq.weight 1 to 1000, 100 being usual in both, as systemd translates them.
std::uint64_t bfq_weight(std::uint64_t weight) {
    constexpr std::uint64_t kUsual = 100;
    return weight <= kUsual ? weight : kUsual + (weight - kUsual) * (1000 - kUsual) / (10000 - kUsual);
}

CgroupFiles io_max(const std::string& value, const kernel::Cgroups& cgroups) {
    CgroupFiles result{.controller = "io", .files = {}, .problem = {}};
    const auto lines = io_lines(value, result.problem);
    result.files = cgroups.version("io") == kernel::Cgroups::Version::V2 ? io_v2(lines) : io_v1(lines);
    return result;
}

CgroupFiles freeze(const std::string& value, const kernel::Cgroups& cgroups) {
    const bool v1_only = cgroups.version("freezer") == kernel::Cgroups::Version::V1 &&
                         cgroups.home("").starts_with(cgroups.directory("freezer", ""));
    if (v1_only) {
        return {.controller = "freezer",
                .files = {{"freezer.state", value == "1" ? "FROZEN" : "THAWED"}},
                .problem = {}};
    }
    return {.controller = "", .files = {{"cgroup.freeze", value}}, .problem = {}};
}

}  // namespace

CgroupFiles files_of(std::string_view key, const std::string& value, const kernel::Cgroups& cgroups) {
    using Version = kernel::Cgroups::Version;
    if (key == "freeze") {
        return freeze(value, cgroups);
    }
    const std::string controller(key.substr(0, key.find('.')));
    const Version version = cgroups.version(controller);
    if (version == Version::None) {
        return {.controller = controller,
                .files = {},
                .problem = fmt::format("this host has no {} controller for {}", controller, key)};
    }
    if (key == "io.max") {
        return value.empty() ? CgroupFiles{.controller = controller, .files = {}, .problem = {}}
                             : io_max(value, cgroups);
    }
    if (version == Version::V2) {
        CgroupFile file{.name = std::string(key), .value = value};
        if (key == "io.weight") {
            const std::uint64_t weight = parse_number(value).value_or(100);
            file = {.name = "io.weight",
                    .value = "default " + value,
                    .other_name = "io.bfq.weight",
                    .other_value = "default " + std::to_string(bfq_weight(weight))};
        }
        return {.controller = controller, .files = {std::move(file)}, .problem = {}};
    }
    const Control* control = find_control(key);
    CgroupFiles result{.controller = controller, .files = {}, .problem = {}};
    if (control != nullptr && control->v1 != nullptr) {
        result.files = control->v1(key, value);
    } else {
        result.problem = fmt::format(
            "this host has the {} controller as cgroup v1, which has nothing like {}", controller, key);
    }
    return result;
}

bool same_cgroup_value(std::string_view found, std::string_view wanted) {
    found = trim(found);
    if (found == wanted) {
        return true;
    }
    // v1 says "no limit" as the largest multiple of the page size.
    const auto number = parse_number(found);
    if (wanted == "-1" && number && *number >= (std::uint64_t{1} << 62)) {
        return true;
    }
    // A file has no line for a device without limits.
    const auto device = words(wanted);
    if (device.size() > 1 && device[0].contains(':')) {
        const auto is_none = [](std::string_view word) { return word == "0" || word.ends_with("=max"); };
        const auto is_its = [&](std::string_view line) {
            return line.starts_with(std::string(device[0]) + " ");
        };
        if (std::ranges::none_of(split(found, '\n'), is_its)) {
            return std::all_of(device.begin() + 1, device.end(), is_none);
        }
    }
    // A file with a line for each device.
    const auto lines = split(found, '\n');
    const auto is_wanted = [&](std::string_view line) {
        const auto have = words(line);
        const auto want = words(wanted);
        return std::ranges::all_of(
            want, [&](std::string_view word) { return std::ranges::find(have, word) != have.end(); });
    };
    return wanted.find(' ') != std::string_view::npos && std::ranges::any_of(lines, is_wanted);
}

std::vector<CgroupFile> io_reset_files(bool v2) {
    if (v2) {
        return {{"io.max", "rbps=max wbps=max riops=max wiops=max"}};
    }
    Files files;
    for (const auto& [name, file] : kIoV1Files) {
        files.push_back({file, "0"});
    }
    return files;
}

// 1 to 10000 (100 is usual) as cpu.shares 2 to 262144 (1024 is usual), as systemd translates them.
Files cpu_shares_v1(std::string_view, const std::string& value) {
    const std::uint64_t weight = parse_number(value).value_or(100);
    return {{"cpu.shares", std::to_string(std::clamp<std::uint64_t>(weight * 1024 / 100, 2, 262144))}};
}

Files cpu_quota_v1(std::string_view, const std::string& value) {
    const auto parts = words(value);
    const std::string period(parts.size() > 1 ? parts[1] : "100000");
    return {{"cpu.cfs_period_us", period},
            {"cpu.cfs_quota_us", max_or(std::string(parts.empty() ? "max" : parts[0]), "-1")}};
}

Files memory_max_v1(std::string_view, const std::string& value) {
    return {{"memory.limit_in_bytes", max_or(value, "-1")}};
}

Files io_weight_v1(std::string_view, const std::string& value) {
    const std::uint64_t weight = parse_number(value).value_or(100);
    return {{.name = "blkio.weight",
             .value = std::to_string(std::clamp<std::uint64_t>(weight * 5, 10, 1000)),
             .other_name = "blkio.bfq.weight",
             .other_value = std::to_string(std::min<std::uint64_t>(weight, 1000))}};
}

// "hugetlb.2MB.max"
Files hugetlb_v1(std::string_view key, const std::string& value) {
    return {{std::string(key.substr(0, key.size() - 3)) + "limit_in_bytes", max_or(value, "-1")}};
}

Files same_in_v1(std::string_view key, const std::string& value) {
    return {{std::string(key), value}};
}

}  // namespace partd
