// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <memory>
#include <string>

#include <systemd/sd-bus.h>

namespace partd::kernel {

// Shared by the files that speak with systemd (org.freedesktop.systemd1(5)).

inline constexpr char kSystemdService[] = "org.freedesktop.systemd1";
inline constexpr char kUnitInterface[] = "org.freedesktop.systemd1.Unit";

// A text that sd-bus allocated.
inline std::string taken(char* text) {
    const std::unique_ptr<char, void (*)(void*)> owned(text, std::free);
    return owned == nullptr ? std::string() : std::string(owned.get());
}

// The object of a unit.
inline std::string object_of(const std::string& unit) {
    char* path = nullptr;
    sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit.c_str(), &path);
    return taken(path);
}

// An error that is freed.
struct BusError {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    BusError() = default;
    ~BusError() { sd_bus_error_free(&error); }
    BusError(const BusError&) = delete;
    BusError& operator=(const BusError&) = delete;
};

}  // namespace partd::kernel
