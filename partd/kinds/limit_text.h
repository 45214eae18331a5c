#pragma once

#include <string>
#include <string_view>

namespace partd {

// What the kernel keeps of a value of that key, and shows when it is asked: huge pages whole, "max" for what
// is as good as no limit, and every rate of a device, also those that the file leaves open.
std::string kept_limit(std::string_view key, const std::string& value);

}  // namespace partd
