// SPDX-License-Identifier: Apache-2.0
#include "kernel/clock.h"

#include "base/text.h"

#include <array>
#include <cstdint>
#include <ctime>

#include <systemd/sd-id128.h>

namespace partd::kernel {

std::optional<std::chrono::system_clock::time_point> parse_time(std::string_view text) {
    using std::chrono::milliseconds;
    using std::chrono::system_clock;
    constexpr auto kLast = std::chrono::floor<milliseconds>(system_clock::duration::max()).count();
    const auto number = parse_number(text);
    if (!number || *number > static_cast<std::uint64_t>(kLast)) {
        return std::nullopt;
    }
    return system_clock::time_point(milliseconds(*number));
}

std::chrono::milliseconds since_boot() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::seconds(now.tv_sec) +
                                                                 std::chrono::nanoseconds(now.tv_nsec));
}

namespace {
std::string the_boot_id;
}  // namespace

Result<> learn_boot_id() {
    sd_id128_t id{};
    if (const int result = sd_id128_get_boot(&id); result < 0) {
        return fail(-result, "read /proc/sys/kernel/random/boot_id");
    }
    std::array<char, SD_ID128_STRING_MAX> text{};
    the_boot_id = sd_id128_to_string(id, text.data());
    return {};
}

const std::string& boot_id() {
    return the_boot_id;
}

}  // namespace partd::kernel
