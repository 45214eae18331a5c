// SPDX-License-Identifier: Apache-2.0
#include "kernel/systemd/property.h"

#include <systemd/sd-bus.h>

namespace partd::kernel {

namespace {

int append_value(sd_bus_message* message, bool value) {
    return sd_bus_message_append(message, "v", "b", static_cast<int>(value));
}
int append_value(sd_bus_message* message, std::uint64_t value) {
    return sd_bus_message_append(message, "v", "t", value);
}
int append_value(sd_bus_message* message, const std::string& value) {
    return sd_bus_message_append(message, "v", "s", value.c_str());
}

template <class T>
int append_numbers(sd_bus_message* message, const char* type, const std::vector<T>& values) {
    const char element = type[1];
    int result = sd_bus_message_open_container(message, 'v', type);
    if (result >= 0) {
        result = sd_bus_message_append_array(message, element, values.data(), values.size() * sizeof(T));
    }
    return result < 0 ? result : sd_bus_message_close_container(message);
}
int append_value(sd_bus_message* message, const std::vector<std::uint8_t>& value) {
    return append_numbers(message, "ay", value);
}
int append_value(sd_bus_message* message, const std::vector<std::uint32_t>& value) {
    return append_numbers(message, "au", value);
}

int append_value(sd_bus_message* message, const UnitProperty::Devices& value) {
    int result = sd_bus_message_open_container(message, 'v', "a(st)");
    if (result >= 0) {
        result = sd_bus_message_open_container(message, 'a', "(st)");
    }
    for (auto at = value.begin(); at != value.end() && result >= 0; ++at) {
        result = sd_bus_message_append(message, "(st)", at->first.c_str(), at->second);
    }
    for (int open = 0; open < 2 && result >= 0; ++open) {
        result = sd_bus_message_close_container(message);
    }
    return result;
}

}  // namespace

int append_properties(sd_bus_message* message, const UnitProperties& properties) {
    int result = sd_bus_message_open_container(message, 'a', "(sv)");
    for (auto at = properties.begin(); at != properties.end() && result >= 0; ++at) {
        result = sd_bus_message_open_container(message, 'r', "sv");
        if (result >= 0) {
            result = sd_bus_message_append(message, "s", at->name.c_str());
        }
        if (result >= 0) {
            result = std::visit([&](const auto& value) { return append_value(message, value); }, at->value);
        }
        if (result >= 0) {
            result = sd_bus_message_close_container(message);
        }
    }
    return result < 0 ? result : sd_bus_message_close_container(message);
}

}  // namespace partd::kernel
