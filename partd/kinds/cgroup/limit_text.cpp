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

std::string with_units(std::string_view key, const std::string& value) {
    constexpr std::array kUnits = {'K', 'M', 'G', 'T'};
    constexpr std::uint64_t kStep = 1024;
    const bool all = key.starts_with("memory.") || key.starts_with("hugetlb.");
    const auto parts = words(value);
    if (key == "cpu.max" && parts.size() == 2) {
        constexpr std::uint64_t kWhole = 100;
        const std::uint64_t quota = parse_number(parts[0]).value_or(0) * kWhole;
        const std::uint64_t period = parse_number(parts[1]).value_or(0);
        const bool even = quota > 0 && period > 0 && quota % period == 0;
        return even ? fmt::format("{}%", quota / period) : value;
    }
    std::vector<std::string> written;
    std::string_view before;
    for (const std::string_view word : parts) {
        auto number = parse_number(word);
        const bool bytes = all || (key == "io.max" && before.ends_with("bps"));
        std::size_t unit = 0;
        while (number && bytes && *number >= kStep && *number % kStep == 0 && unit < kUnits.size()) {
            *number /= kStep;
            ++unit;
        }
        written.push_back(unit == 0 ? std::string(word) : fmt::format("{}{}", *number, kUnits[unit - 1]));
        before = word;
    }
    return join(written, " ");
}

}  // namespace partd
