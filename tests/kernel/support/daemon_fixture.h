// SPDX-License-Identifier: Apache-2.0
#pragma once
// partd in the foreground of a sandbox, and the questions that the tests of it ask.

#include "sandbox.h"

#include <string>
#include <vector>

namespace partd::test {

/// A partition `web` joined to the host, the simplest that has something to repair.
inline constexpr const char* kWeb = R"([partition.web.link.eth0]
address = ["10.1.1.1/24"]
peer = { name = "web0", address = ["10.1.1.2/24"] }
)";

/// A sandbox whose web.toml is written before a daemon starts: one that is there first may find no file, or
/// half of it, and has a generation of that.
struct Configured {
    Sandbox sandbox;

    explicit Configured(const std::string& text) { sandbox.write_config("web.toml", text); }
};

/// partd, ended with SIGTERM when it goes.
class Daemon {
public:
    /// `before`: a program that becomes partd, such as prlimit(1); `options`: of partd.
    explicit Daemon(const Arguments& before = {}, const Arguments& options = {});

    /// All that it has written so far.
    [[nodiscard]] std::string log() const { return process_.written(); }
    /// True if the log has these words within the time.
    [[nodiscard]] bool said(const std::string& words, Milliseconds within = 5s) const;
    /// How often these words stand in the log.
    [[nodiscard]] std::size_t times(const std::string& words) const;
    void signal(int number) const { process_.signal(number); }
    int wait() { return process_.wait(); }
    bool running() { return process_.running(); }
    [[nodiscard]] pid_t pid() const { return process_.pid(); }
    /// As a crash ends it; returns when it is gone.
    void crash();
    /// Memory in use, in MB; with a sanitizer a sixteenth of it, since the sanitizer takes the rest.
    [[nodiscard]] double megabytes() const;

private:
    Background process_;
};

/// `partctl events --json`, which hears what happens from now on.
class Listener {
public:
    Listener();
    /// Events so far; throws at a line that is not JSON.
    [[nodiscard]] std::vector<Json> heard() const;
    /// True if such an event, whose object or message contains these words, arrives in time.
    [[nodiscard]] bool hears(const std::string& event, const std::string& words,
                             Milliseconds within = 5s) const;

private:
    Background process_;
};

/// How often the words stand in the text.
std::size_t occurrences(const std::string& text, const std::string& words);
/// True if the host becomes as declared within the time.
bool converged(const Sandbox& sandbox, Milliseconds within = 5s);
/// True if the host becomes as the documents in force say, also where files were rolled back.
bool as_in_force(const Sandbox& sandbox, Milliseconds within = 5s);
/// True if partd itself, not partctl's own process, answers `partctl status` within 2 s.
bool answers(const Sandbox& sandbox);
/// True if a network namespace has that name.
bool exists(const std::string& netns);
/// The largest packet of a partition's eth0.
int mtu_of(const std::string& partition);
/// "p7" with a link 10.60.7.1 and its end "h7" on the host, and so on; up to 250.
std::string numbered_partition(int number, const std::string& link_keys = {});
/// `partctl history --json`, oldest first.
std::vector<Json> generations(const Sandbox& sandbox);
/// The state that `partctl status` gives the partition; "" when it has none.
std::string state_of_partition(const Sandbox& sandbox, const std::string& partition);

}  // namespace partd::test
