#pragma once

#include <string_view>

namespace partd {

// What a program tells about its work, on stderr (spdlog). Only the programs' own rooms log: what others find
// out, they return.
void start_log(std::string_view program, bool verbose);
// What was done.
void log_info(std::string_view text);
void log_error(std::string_view text);
// Seen with --verbose only.
void log_detail(std::string_view text);

}  // namespace partd
