// SPDX-License-Identifier: Apache-2.0
#include "kinds/cgroup/limit_text.h"

#include "base/text.h"
#include "base/values.h"

#include <array>
#include <limits>

#include <fmt/format.h>

namespace partd {

namespace {

// page_counter_memparse() in mm/page_counter.c: as many pages of 4 KiB as there are bytes in a signed long.
constexpr std::uint64_t kNoLimit = std::numeric_limits<std::int64_t>::max() / 4096 * 4096;

std::string whole_pages(const std::string& value, std::uint64_t page) {
    const auto bytes = parse_number(value);
    if (!bytes || *bytes >= kNoLimit) {
        return "max";
    }
    return std::to_string(*bytes / page * page);
}

// "hugetlb.2MB.max": hugetlb_cgroup_write() in mm/hugetlb_cgroup.c rounds down to whole ones.
std::uint64_t huge_page_of(std::string_view key) {
    const auto parts = split(key, '.');
    const std::string_view size = parts.size() == 3 ? parts[1] : std::string_view();
    return parse_size(size.ends_with('B') ? size.substr(0, size.size() - 1) : size).value_or(1);
}

// tg_set_limit() in block/blk-throttle.c counts operations in 32 bits.
std::string kept_operations(std::string_view value) {
    const auto count = parse_number(value);
    return count && *count < std::numeric_limits<std::uint32_t>::max() ? std::to_string(*count) : "max";
}

// "device /dev/sda rbps 1048576" with all four rates, in the kernel's order.
std::string kept_device(std::string_view text) {
    const auto parts = words(text);
    const auto value_of = [&](std::string_view name) -> std::string_view {
        for (std::size_t i = 0; i + 1 < parts.size(); i += 2) {
            if (parts[i] == name) {
                return parts[i + 1];
            }
        }
        return "max";
    };
    return fmt::format("device {} rbps {} wbps {} riops {} wiops {}", value_of("device"), value_of("rbps"),
                       value_of("wbps"), kept_operations(value_of("riops")),
                       kept_operations(value_of("wiops")));
}

}  // namespace

std::string kept_bytes(std::string_view, const std::string& value) {
    return whole_pages(value, 1);  // of 4 KiB already
}

std::string kept_huge_pages(std::string_view key, const std::string& value) {
    return whole_pages(value, huge_page_of(key));
}

std::string kept_devices(std::string_view, const std::string& value) {
    std::string devices;
    for (const std::string_view part : value.empty() ? std::vector<std::string_view>() : split(value, ',')) {
        devices += (devices.empty() ? "" : ", ") + kept_device(part);
    }
    return devices;
}

}  // namespace partd
