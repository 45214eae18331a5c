// SPDX-License-Identifier: Apache-2.0
#include "kinds/cgroup/limit_unit.h"

#include "base/text.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace partd {

namespace {

using kernel::kUnitInfinity;
using kernel::UnitProperties;
using kernel::UnitProperty;

struct Named {
    std::string_view key;
    const char* property;
};

constexpr std::array<Named, 4> kDeviceLimits = {{{"rbps", "IOReadBandwidthMax"},
                                                 {"wbps", "IOWriteBandwidthMax"},
                                                 {"riops", "IOReadIOPSMax"},
                                                 {"wiops", "IOWriteIOPSMax"}}};

std::uint64_t number_or_infinity(std::string_view text) {
    return parse_number(text).value_or(kUnitInfinity);
}

// "0-3,8" as bits, the lowest first.
std::vector<std::uint8_t> bits(const std::string& list) {
    std::vector<std::uint8_t> result;
    for (const std::string_view part : split(list, ',')) {
        const auto ends = split(part, '-');
        const auto first = parse_number(trim(ends.front()));
        const auto last = parse_number(trim(ends.back()));
        constexpr std::uint64_t kMost = 8192;  // CONFIG_NR_CPUS ends there
        for (std::uint64_t i = first.value_or(kMost); last && i <= *last && i < kMost; ++i) {
            result.resize(std::max<std::size_t>(result.size(), i / 8 + 1));
            result[i / 8] = static_cast<std::uint8_t>(result[i / 8] | (1U << (i % 8)));
        }
    }
    return result;
}

}  // namespace

UnitProperties unit_number(const char* property, const std::string& value) {
    return {{property, number_or_infinity(value)}};
}

UnitProperties unit_list(const char* property, const std::string& value) {
    return {{property, bits(value)}};
}

// In µs a second. Rounded up: systemd rounds down on the way back. (Its unit files have
// whole percents: another value is drift after a daemon-reload, and put back.)
UnitProperties unit_cpu_quota(const char* property, const std::string& value) {
    const auto parts = words(value);
    const std::uint64_t period = parse_number(parts.size() > 1 ? parts[1] : "100000").value_or(100000);
    const auto quota = parts.empty() ? std::nullopt : parse_number(parts[0]);
    constexpr std::uint64_t kSecond = 1'000'000;
    const std::uint64_t per_second = quota ? (*quota * kSecond + period - 1) / period : kUnitInfinity;
    return {{property, per_second}, {"CPUQuotaPeriodUSec", period}};
}

// "device /dev/sda rbps 1048576 wiops max, device 8:16 …"; "" for none. An empty list takes away what was.
UnitProperties unit_devices(const char*, const std::string& value) {
    UnitProperties properties;
    for (const auto& [key, property] : kDeviceLimits) {
        UnitProperty::Devices devices;
        for (const std::string_view line : split(value, ',')) {
            const auto parts = words(line);
            std::string device;
            for (std::size_t i = 0; i + 1 < parts.size(); i += 2) {
                if (parts[i] == "device") {
                    device = parts[i + 1].starts_with('/') ? std::string(parts[i + 1])
                                                           : fmt::format("/dev/block/{}", parts[i + 1]);
                } else if (parts[i] == key) {
                    devices.emplace_back(device, number_or_infinity(parts[i + 1]));
                }
            }
        }
        properties.push_back({property, UnitProperty::Devices()});
        if (!devices.empty()) {
            properties.push_back({property, std::move(devices)});
        }
    }
    return properties;
}

UnitProperties cpu_weight_properties(std::string_view weight, std::string_view idle) {
    constexpr std::uint64_t kIdle = 0;
    constexpr std::uint64_t kUsual = 100;
    // One that is declared not to be idle has a weight: else there may be no cpu controller to say so.
    const std::uint64_t usual = idle.empty() ? kUnitInfinity : kUsual;
    return {{"CPUWeight", idle == "1" ? kIdle : parse_number(weight).value_or(usual)}};
}

}  // namespace partd
