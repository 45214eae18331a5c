// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <syslog.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>

#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

namespace partd {

namespace {

// Fields of the entry that is being logged: spdlog's messages carry none.
const LogFields* current_fields = nullptr;

bool verbose_asked = false;

class JournalSink : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        const int priority = message.level >= spdlog::level::err     ? LOG_ERR
                             : message.level <= spdlog::level::debug ? LOG_DEBUG
                                                                     : LOG_INFO;
        std::vector<std::string> lines = {
            "MESSAGE=" + std::string(message.payload.data(), message.payload.size()),
            "PRIORITY=" + std::to_string(priority),
            "SYSLOG_IDENTIFIER=" + std::string(message.logger_name.data(), message.logger_name.size())};
        for (const auto& [name, value] : current_fields == nullptr ? LogFields() : *current_fields) {
            lines.push_back(name + "=" + value);
        }
        std::vector<iovec> vectors;
        vectors.reserve(lines.size());
        for (std::string& line : lines) {
            vectors.push_back({line.data(), line.size()});
        }
        sd_journal_sendv(vectors.data(), static_cast<int>(vectors.size()));
    }
    void flush_() override {}
};

// systemd says that it connected stderr to the journal, and stderr is such a connection still.
bool is_journal() {
    constexpr int kStderr = 2;
    return std::getenv("JOURNAL_STREAM") != nullptr &&
           sd_is_socket_unix(kStderr, SOCK_STREAM, -1, nullptr, 0) > 0;
}

}  // namespace

void start_log(std::string_view program, bool verbose) {
    auto logger =
        is_journal() ? std::make_shared<spdlog::logger>(std::string(program), std::make_shared<JournalSink>())
                     : spdlog::stderr_logger_st(std::string(program));
    logger->set_pattern("%n: %v");
    spdlog::set_default_logger(std::move(logger));
    verbose_asked = verbose;
    set_log_level(LogLeast::Info);
}

void set_log_level(LogLeast least) {
    spdlog::set_level(verbose_asked || least == LogLeast::Detail ? spdlog::level::debug
                      : least == LogLeast::Error                 ? spdlog::level::err
                                                                 : spdlog::level::info);
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

void log_with(bool error, std::string_view text, const LogFields& fields) {
    current_fields = &fields;
    error ? log_error(text) : log_info(text);
    current_fields = nullptr;
}

}  // namespace partd
