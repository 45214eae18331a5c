// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace partd {

// Starts logging (spdlog): to the journal if stderr is connected to it, else to stderr. Only the programs'
// own rooms log; library code returns its findings.
void start_log(std::string_view program, bool verbose);
enum class LogLeast : std::uint8_t { Error, Info, Detail };
void set_log_level(LogLeast least);
// Changes that were made.
void log_info(std::string_view text);
void log_error(std::string_view text);
// Seen with --verbose only.
void log_detail(std::string_view text);

// Fields of a journal entry (systemd.journal-fields(7)); stderr does not show them.
using LogFields = std::vector<std::pair<std::string, std::string>>;
void log_with(bool error, std::string_view text, const LogFields& fields);

}  // namespace partd
