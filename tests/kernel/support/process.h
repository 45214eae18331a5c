// SPDX-License-Identifier: Apache-2.0
#pragma once
// Other people's programs, run without a shell, bounded in time, and ended by process id only.

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace partd::test {

using Json = nlohmann::json;
using namespace std::chrono_literals;
using Milliseconds = std::chrono::milliseconds;

/// How long to wait for what has to come at once: that time, or on a slow machine PARTD_TEST_PATIENCE times
/// it.
Milliseconds patient(Milliseconds usual);

using Arguments = std::vector<std::string>;

/// In the environment of what is traced, or ends where all stand still: who searches for leaks has to trace,
/// and a program has one tracer.
inline constexpr const char* kNoLeaks = "LSAN_OPTIONS=detect_leaks=0";
/// For all that this program starts from now on: the search does not end in a process that it leaves in
/// another PID namespace, or whose own has died.
void search_no_leaks();

struct RunOptions {
    std::string input;           ///< what the program reads on stdin
    Milliseconds timeout = 20s;  ///< then SIGKILL
    int netns = -1;              ///< descriptor of the network namespace to run it in; -1: this one
};

struct Outcome {
    int code = -1;  ///< exit code; 128 + signal when killed by one
    bool timed_out = false;
    std::string out;
    std::string err;

    /// One text for INFO().
    [[nodiscard]] std::string text() const;
};

/// Throws when no such program is installed.
Outcome run(const Arguments& arguments, const RunOptions& options = {});

/// run() of a program that prints JSON; throws with its stderr if it fails or prints none.
Json json(const Arguments& arguments, const RunOptions& options = {});

/// The output of a program that must succeed; throws with its stderr otherwise.
std::string output(const Arguments& arguments, const RunOptions& options = {});

/// True as soon as the condition holds, false if it did not within the time.
bool eventually(const std::function<bool()>& condition, Milliseconds within = 5s);
/// True if the condition holds all that time, which is the same on any machine.
bool remains(const std::function<bool()>& condition, Milliseconds time);

/// A child process that lives until it is stopped or this object goes.
class Background {
public:
    Background() = default;
    explicit Background(const Arguments& arguments, int netns = -1);
    /// Runs the function in a fork; the child exits with what it returns.
    explicit Background(const std::function<int()>& body, int netns = -1);
    Background(Background&& other) noexcept;
    Background& operator=(Background&& other) noexcept;
    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;
    ~Background();

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] bool running();
    void signal(int number) const;
    /// Exit code (128 + signal), or -1 if it is still running after the time.
    int wait(Milliseconds within = 10s);
    /// SIGTERM, SIGKILL after a second.
    void stop();
    /// All that it has written to stdout and stderr so far.
    [[nodiscard]] std::string written() const;

private:
    void start(const std::function<int()>& body, int netns);

    pid_t pid_ = -1;
    int exit_code_ = -1;
    int log_ = -1;  ///< memfd with its output
};

/// Makes this process the one that inherits what its descendants leave behind, as PID 1 of a host does.
void adopt_orphans();
/// Reaps the inherited ones that have ended, and lists the others: "1234 sleep S", a line each.
std::string orphans();

/// Switches the process to another network namespace and back again.
class InNetns {
public:
    explicit InNetns(int netns);
    InNetns(const InNetns&) = delete;
    InNetns& operator=(const InNetns&) = delete;
    ~InNetns();

private:
    int before_ = -1;
};

/// Throws std::system_error with errno when `ok` is false.
void require_call(bool ok, std::string_view what);

/// Path of the test program itself, which also is what tests start inside of partitions (main.cpp).
std::string this_program();

std::string read_file(const std::string& path);
void write_file(const std::string& path, std::string_view text);

}  // namespace partd::test
