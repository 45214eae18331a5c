#pragma once

#include "verbs/work.h"

#include <string>
#include <string_view>
#include <vector>

namespace partd::verbs {

// What of the declared works, and is not as its author may think.
struct Warning {
    std::string partition;
    std::string text;  // with file and line in front
};

// Of that partition, or of all with "": forwarded ports that somebody else has, trees that others reach.
// What cannot be seen is complained of.
std::vector<Warning> warnings_about(Work& work, std::string_view partition);

}  // namespace partd::verbs
