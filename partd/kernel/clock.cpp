#include "kernel/clock.h"

#include <array>
#include <ctime>

#include <systemd/sd-id128.h>

namespace partd::kernel {

std::chrono::milliseconds since_boot() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::seconds(now.tv_sec) +
                                                                 std::chrono::nanoseconds(now.tv_nsec));
}

std::string boot_id() {
    sd_id128_t id{};
    std::array<char, SD_ID128_STRING_MAX> text{};
    return sd_id128_get_boot(&id) < 0 ? "unknown" : sd_id128_to_string(id, text.data());
}

}  // namespace partd::kernel
