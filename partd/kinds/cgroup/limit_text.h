// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace partd {

// Functions for kControls that return values as the kernel stores and shows them.

// Of the memory controller: "max" for what is as good as no limit.
std::string kept_bytes(std::string_view key, const std::string& value);
// Whole pages of the size in the key.
std::string kept_huge_pages(std::string_view key, const std::string& value);
// Every rate of a device, also those that the file leaves open.
std::string kept_devices(std::string_view key, const std::string& value);

// The value as files have it: numbers of bytes in the largest unit that divides them, "64M"; a share of the
// processor's time as "50%".
std::string with_units(std::string_view key, const std::string& value);

}  // namespace partd
