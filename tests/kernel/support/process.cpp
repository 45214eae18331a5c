// SPDX-License-Identifier: Apache-2.0
#include "process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace partd::test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kCannotStart = 127;

struct Pipe {
    int read_end = -1;
    int write_end = -1;

    Pipe() {
        std::array<int, 2> ends{};
        require_call(::pipe2(ends.data(), O_CLOEXEC) == 0, "pipe2");
        read_end = ends[0];
        write_end = ends[1];
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() {
        close_end(read_end);
        close_end(write_end);
    }
    static void close_end(int& end) {
        if (end >= 0) {
            ::close(end);
        }
        end = -1;
    }
};

int exit_code_of(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/// In the child: the program, or an exit code that says that it could not be started.
[[noreturn]] void execute(const Arguments& arguments) {
    std::vector<char*> words;
    words.reserve(arguments.size() + 1);
    for (const auto& word : arguments) {
        words.push_back(const_cast<char*>(word.c_str()));
    }
    words.push_back(nullptr);
    ::execvp(words[0], words.data());
    ::dprintf(STDERR_FILENO, "%s: %s\n", words[0], std::strerror(errno));
    ::_exit(kCannotStart);
}

/// Throws unless execvp(3) will find it. Tests that look at output alone would pass without the program.
void require_program(const std::string& name) {
    std::istringstream path(std::getenv("PATH"));
    bool found = name.find('/') != std::string::npos;
    for (std::string directory; !found && std::getline(path, directory, ':');) {
        found = ::access((directory + "/" + name).c_str(), X_OK) == 0;
    }
    if (!found) {
        throw std::runtime_error(name + " is not installed; its package belongs in packaging/packages.sh");
    }
}

/// Children that this process has started and not yet waited for.
std::set<pid_t>& started() {
    static std::set<pid_t> all;
    return all;
}

/// fork() whose child has the default actions for signals before the first can reach it: Catch's handlers,
/// which it would inherit, report a failure of the test.
pid_t fork_with_defaults() {
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, &before);
    const pid_t child = ::fork();
    if (child == 0) {
        for (int number = 1; number < NSIG; ++number) {
            ::signal(number, SIG_DFL);
        }
    }
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    require_call(child >= 0, "fork");
    started().insert(child);
    return child;
}

/// Prepares a child before anything else: it dies with the test, and starts in the right namespace.
void settle_child(pid_t parent, int netns) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent || (netns >= 0 && ::setns(netns, CLONE_NEWNET) != 0)) {
        ::_exit(kCannotStart);
    }
}

/// The body's exit code; an exception ends the child, not in the test's handlers.
int guarded(const std::function<int()>& body) {
    try {
        return body();
    } catch (const std::exception& error) {
        ::dprintf(STDERR_FILENO, "%s\n", error.what());
        return kCannotStart;
    }
}

void append_from(int& from, std::string& to) {
    std::array<char, 65536> buffer{};
    const auto count = ::read(from, buffer.data(), buffer.size());
    if (count <= 0) {
        Pipe::close_end(from);
    } else {
        to.append(buffer.data(), static_cast<std::size_t>(count));
    }
}

void feed(int& to, std::string_view& rest) {
    const auto count = rest.empty() ? 0 : ::write(to, rest.data(), std::min<std::size_t>(rest.size(), 4096));
    if (count > 0) {
        rest.remove_prefix(static_cast<std::size_t>(count));
    } else {
        Pipe::close_end(to);
    }
}

/// Moves the data of the three pipes until all are closed; false when the time is over.
bool converse(Pipe& in, Pipe& out, Pipe& err, const RunOptions& options, Outcome& outcome) {
    const auto end = Clock::now() + patient(options.timeout);
    std::string_view rest = options.input;
    while (out.read_end >= 0 || err.read_end >= 0) {
        const auto left = std::chrono::duration_cast<Milliseconds>(end - Clock::now()).count();
        if (left <= 0) {
            return false;
        }
        std::array<pollfd, 3> polled{
            {{out.read_end, POLLIN, 0}, {err.read_end, POLLIN, 0}, {in.write_end, POLLOUT, 0}}};
        if (::poll(polled.data(), polled.size(), static_cast<int>(left)) < 0 && errno != EINTR) {
            return false;
        }
        if (polled[0].revents != 0) {
            append_from(out.read_end, outcome.out);
        }
        if (polled[1].revents != 0) {
            append_from(err.read_end, outcome.err);
        }
        if (polled[2].revents != 0) {
            feed(in.write_end, rest);
        }
    }
    return true;
}

/// /proc/PID/stat; empty when the process has gone meanwhile.
std::string stat_line(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    std::getline(file, line);
    return line;
}

std::string joined(const Arguments& arguments) {
    std::string all;
    for (const auto& word : arguments) {
        all += (all.empty() ? "" : " ") + word;
    }
    return all;
}

}  // namespace

void require_call(bool ok, std::string_view what) {
    if (!ok) {
        throw std::system_error(errno, std::generic_category(), std::string(what));
    }
}

void search_no_leaks() {
    const std::string setting = kNoLeaks;
    const auto name_end = setting.find('=');
    require_call(::setenv(setting.substr(0, name_end).c_str(), setting.c_str() + name_end + 1, 1) == 0,
                 setting);
}

std::string Outcome::text() const {
    return "exit " + std::to_string(code) + (timed_out ? " (timed out)" : "") + "\nstderr: " + err +
           "\nstdout: " + out;
}

Outcome run(const Arguments& arguments, const RunOptions& options) {
    require_program(arguments.at(0));
    Pipe in;
    Pipe out;
    Pipe err;
    ::signal(SIGPIPE, SIG_IGN);
    const pid_t parent = ::getpid();
    const pid_t child = fork_with_defaults();
    if (child == 0) {
        settle_child(parent, options.netns);
        ::dup2(in.read_end, STDIN_FILENO);
        ::dup2(out.write_end, STDOUT_FILENO);
        ::dup2(err.write_end, STDERR_FILENO);
        execute(arguments);
    }
    Pipe::close_end(in.read_end);
    Pipe::close_end(out.write_end);
    Pipe::close_end(err.write_end);
    Outcome outcome;
    outcome.timed_out = !converse(in, out, err, options, outcome);
    if (outcome.timed_out) {
        ::kill(child, SIGKILL);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    started().erase(child);
    outcome.code = exit_code_of(status);
    return outcome;
}

std::string output(const Arguments& arguments, const RunOptions& options) {
    auto outcome = run(arguments, options);
    if (outcome.code != 0) {
        throw std::runtime_error(joined(arguments) + ": " + outcome.text());
    }
    return outcome.out;
}

Json json(const Arguments& arguments, const RunOptions& options) {
    const auto outcome = run(arguments, options);
    // ip prints nothing at all for an empty list
    if (outcome.code == 0 && outcome.out.find_first_not_of(" \n") == std::string::npos) {
        return Json::array();
    }
    try {
        return Json::parse(outcome.out);
    } catch (const Json::exception& error) {
        throw std::runtime_error(joined(arguments) + ": not JSON (" + error.what() + "): " + outcome.text());
    }
}

Milliseconds patient(Milliseconds usual) {
    static const int times = [] {
        const char* text = std::getenv("PARTD_TEST_PATIENCE");
        return std::clamp(text == nullptr ? 1 : std::atoi(text), 1, 100);
    }();
    return usual * times;
}

bool eventually(const std::function<bool()>& condition, Milliseconds within) {
    const auto end = Clock::now() + patient(within);
    while (!condition()) {
        if (Clock::now() >= end) {
            return false;
        }
        std::this_thread::sleep_for(20ms);
    }
    return true;
}

bool remains(const std::function<bool()>& condition, Milliseconds time) {
    const auto end = Clock::now() + time;
    while (condition()) {
        if (Clock::now() >= end) {
            return true;
        }
        std::this_thread::sleep_for(20ms);
    }
    return false;
}

Background::Background(const Arguments& arguments, int netns) {
    require_program(arguments.at(0));
    start([&arguments]() -> int { execute(arguments); }, netns);
}

Background::Background(const std::function<int()>& body, int netns) {
    start(body, netns);
}

void Background::start(const std::function<int()>& body, int netns) {
    log_ = ::memfd_create("output", MFD_CLOEXEC);
    require_call(log_ >= 0, "memfd_create");
    // or else the child writes again what this process has not yet written
    std::cout.flush();
    std::fflush(nullptr);
    const pid_t parent = ::getpid();
    pid_ = fork_with_defaults();
    if (pid_ == 0) {
        settle_child(parent, netns);
        ::dup2(::open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
        // append: a second writer at an offset of its own would overwrite
        ::fcntl(log_, F_SETFL, O_APPEND);
        ::dup2(log_, STDOUT_FILENO);
        ::dup2(log_, STDERR_FILENO);
        ::_exit(guarded(body));
    }
}

Background::Background(Background&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      exit_code_(other.exit_code_),
      log_(std::exchange(other.log_, -1)) {}

Background& Background::operator=(Background&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(exit_code_, other.exit_code_);
    std::swap(log_, other.log_);
    return *this;
}

Background::~Background() {
    stop();
    if (log_ >= 0) {
        ::close(log_);
    }
}

bool Background::running() {
    return pid_ > 0 && wait(0ms) == -1;
}

void Background::signal(int number) const {
    if (pid_ > 0) {
        ::kill(pid_, number);
    }
}

int Background::wait(Milliseconds within) {
    if (pid_ > 0) {
        int status = 0;
        if (eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; }, within)) {
            started().erase(pid_);
            pid_ = -1;
            exit_code_ = exit_code_of(status);
        }
    }
    return pid_ > 0 ? -1 : exit_code_;
}

void Background::stop() {
    signal(SIGTERM);
    if (pid_ > 0 && wait(1s) == -1) {
        signal(SIGKILL);
        wait(5s);
    }
}

std::string Background::written() const {
    std::string text;
    std::array<char, 4096> buffer{};
    ssize_t count = 0;
    while ((count = ::pread(log_, buffer.data(), buffer.size(), static_cast<off_t>(text.size()))) > 0) {
        text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return text;
}

void adopt_orphans() {
    require_call(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "PR_SET_CHILD_SUBREAPER");
}

std::string orphans() {
    std::string left;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const pid_t pid = std::atoi(entry.path().filename().c_str());
        const auto text = pid > 0 ? stat_line(pid) : std::string();
        const auto name_end = text.rfind(')');
        if (name_end == std::string::npos || started().contains(pid)) {
            continue;
        }
        char state = 0;
        pid_t parent = 0;
        std::istringstream(text.substr(name_end + 1)) >> state >> parent;
        if (parent != ::getpid() || ::waitpid(pid, nullptr, WNOHANG) == pid) {
            continue;
        }
        const auto name_begin = text.find('(') + 1;
        left +=
            std::to_string(pid) + " " + text.substr(name_begin, name_end - name_begin) + " " + state + "\n";
    }
    return left;
}

InNetns::InNetns(int netns) : before_(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) {
    require_call(before_ >= 0, "/proc/self/ns/net");
    require_call(::setns(netns, CLONE_NEWNET) == 0, "setns");
}

InNetns::~InNetns() {
    if (::setns(before_, CLONE_NEWNET) != 0) {
        std::perror("back to the network namespace");
        std::abort();
    }
    ::close(before_);
}

std::string this_program() {
    return std::filesystem::read_symlink("/proc/self/exe");
}

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    if (!file) {
        throw std::runtime_error("cannot read " + path);
    }
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

void write_file(const std::string& path, std::string_view text) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    require_call(file >= 0, path);
    const auto written = ::write(file, text.data(), text.size());
    const int problem = errno;
    ::close(file);
    errno = problem;
    require_call(written == static_cast<ssize_t>(text.size()), "write " + path);
}

}  // namespace partd::test
