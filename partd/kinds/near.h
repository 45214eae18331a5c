// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/declared.h"

#include <string>
#include <string_view>
#include <vector>

namespace partd {

// Each returns "; did you mean "web"?" for a name of the files that is a typing mistake away, else "".

// A partition, or one of `words`.
std::string near_partition(const Declared& declared, std::string_view name,
                           std::vector<std::string_view> words = {});
// A link of that partition.
std::string near_link(const Declared& declared, const std::string& partition, std::string_view name);
std::string near_slice(const Declared& declared, std::string_view name);

}  // namespace partd
