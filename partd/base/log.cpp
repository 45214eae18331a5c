#include "base/log.h"

#include <string>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace partd {

void start_log(std::string_view program, bool verbose) {
    auto logger = spdlog::stderr_logger_st(std::string(program));
    logger->set_pattern("%n: %v");
    logger->set_level(verbose ? spdlog::level::debug : spdlog::level::info);
    spdlog::set_default_logger(std::move(logger));
}

void log_info(std::string_view text) {
    spdlog::info("{}", text);
}

void log_error(std::string_view text) {
    spdlog::error("{}", text);
}

void log_detail(std::string_view text) {
    spdlog::debug("{}", text);
}

}  // namespace partd
