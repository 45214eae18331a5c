// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/systemd/property.h"
#include "kinds/cgroup/cgroup.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace partd {

// One file of a control group and what it has to say.
struct CgroupFile {
    std::string name;
    std::string value;
    // The file and value on a kernel with another I/O scheduler.
    std::string other_name = {};
    std::string other_value = {};
};

// One limit or share of a control group: its key in files, and how each keeper of cgroups has it. A value is
// the text of the kernel's file of cgroup v2 with that name.
struct Control {
    Field field;
    std::string_view initial = {};  // of a new group
    // Returns the value as the kernel stores and shows it; nullptr: unchanged.
    std::string (*kept)(std::string_view key, const std::string& value) = nullptr;
    // The files of cgroup v1 that say it; nullptr: v1 has nothing like it.
    std::vector<CgroupFile> (*v1)(std::string_view key, const std::string& value) = nullptr;
    // The property of a slice, where systemd is the writer of cgroups (systemd.resource-control(5), version
    // 252); nullptr: systemd has none of its own for it.
    kernel::UnitProperties (*unit)(const char* property, const std::string& value) = nullptr;
    const char* property = nullptr;
};

// Every one, in the order of the language; the one of that key, nullptr for another word.
std::span<const Control> controls();
const Control* find_control(std::string_view key);

// The value of that key as the kernel stores it.
std::string kept_limit(std::string_view key, const std::string& value);
// Properties that give a group's slice this value; the initial value removes the limit. nullopt if systemd
// has no property for the key. Not for cpu.weight and cpu.idle, which share a property.
std::optional<kernel::UnitProperties> unit_properties(std::string_view key, const std::string& value);

}  // namespace partd
