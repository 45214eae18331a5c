// SPDX-License-Identifier: Apache-2.0
#include "workers.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>
#include <set>
#include <stdexcept>

namespace partd::fault {
namespace {

using test::Json;
using test::require_call;

/// The number of the next piece of work, shared by all processes.
std::atomic<std::size_t>& shared_counter() {
    void* memory = ::mmap(nullptr, sizeof(std::atomic<std::size_t>), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    require_call(memory != MAP_FAILED, "mmap");
    return *new (memory) std::atomic<std::size_t>(0);
}

struct Outlet {
    int pipe = -1;
    int lock = -1;
};

volatile std::sig_atomic_t is_over = 0;

/// A worker whose parent ends, or who is told to end, takes its host down first.
void end_with_parent() {
    struct sigaction action{};
    action.sa_handler = [](int) { is_over = 1; };
    ::sigaction(SIGTERM, &action, nullptr);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
}

/// Lines longer than PIPE_BUF are whole only if one process writes at a time (lockf(3)).
void tell(const std::string& line, const Outlet& to) {
    require_call(::lockf(to.lock, F_LOCK, 0) == 0, "lockf");
    for (std::size_t at = 0; at < line.size();) {
        const auto written = ::write(to.pipe, line.data() + at, line.size() - at);
        require_call(written > 0 || errno == EINTR, "write");
        at += written > 0 ? static_cast<std::size_t>(written) : 0;
    }
    require_call(::lockf(to.lock, F_ULOCK, 0) == 0, "lockf");
}

/// Does pieces of work until there are no more, or the host cannot be used again; writes a line for each.
void work_off(std::size_t count, std::atomic<std::size_t>& next, const Outlet& to,
              const std::function<Json(Stage&, std::size_t, bool& dirty)>& work) {
    std::unique_ptr<Stage> stage;
    bool dirty = false;
    for (std::size_t number = 0; !dirty && is_over == 0 && (number = next++) < count;) {
        Json answer;
        try {
            if (!stage) {
                stage = std::make_unique<Stage>();
            }
            answer = work(*stage, number, dirty);
        } catch (const std::exception& error) {
            answer = {{"exception", error.what()}};
            dirty = true;
        }
        answer["number"] = number;
        const std::string line = answer.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
        tell(line, to);
    }
}

/// Runs workers until all is done; what they answer goes to `take`.
void share_out(std::size_t count, unsigned workers,
               const std::function<Json(Stage&, std::size_t, bool& dirty)>& work,
               const std::function<void(const Json&)>& take) {
    auto& next = shared_counter();
    std::array<int, 2> pipe{};
    const int lock = ::memfd_create("lock", MFD_CLOEXEC);
    require_call(::pipe2(pipe.data(), O_CLOEXEC) == 0 && lock >= 0, "pipe");
    std::set<pid_t> running;
    const auto start = [&] {
        std::fflush(nullptr);
        const pid_t pid = ::fork();
        require_call(pid >= 0, "fork");
        if (pid == 0) {
            ::close(pipe[0]);
            // of a host that was used the rest is another worker's
            end_with_parent();
            while (next < count && is_over == 0) {
                work_off(count, next, {pipe[1], lock}, work);
            }
            ::_exit(0);
        }
        running.insert(pid);
    };
    for (unsigned i = 0; i < workers; ++i) {
        start();
    }
    ::close(pipe[1]);
    std::FILE* from = ::fdopen(pipe[0], "r");
    char* line = nullptr;
    std::size_t size = 0;
    while (::getline(&line, &size, from) > 0) {
        take(Json::parse(line));
    }
    std::free(line);
    std::fclose(from);
    ::close(lock);
    for (const pid_t pid : running) {
        ::waitpid(pid, nullptr, 0);
    }
}

}  // namespace

std::vector<Point> points_of(std::size_t scenario, const std::vector<Seen>& calls, bool has_init) {
    std::vector<Point> points;
    for (std::size_t i = 0; i < calls.size(); ++i) {
        const Seen& call = calls[i];
        const int number = static_cast<int>(i) + 1;
        const auto add = [&](Act act, int message = 0, int error = 0) {
            points.push_back({scenario, {act, number, call.name, message, error}, call});
        };
        if (call.changes) {
            add(Act::KillBefore);
            add(Act::KillAfter);
            add(Act::Abandon);
        }
        if (call.changes && has_init) {
            add(Act::KillInit);
        }
        if (call.changes && !call.by_main) {
            add(Act::KillMainBefore);
            add(Act::KillMainAfter);
        }
        // A call that changes nothing gets one error only: its caller sees no difference between them.
        const std::size_t errors =
            call.changes ? call.errors.size() : std::min<std::size_t>(call.errors.size(), 1);
        for (std::size_t error = 0; error < errors; ++error) {
            add(Act::Fail, 0, call.errors[error]);
        }
        for (std::size_t message = 0; message < call.messages.size(); ++message) {
            for (const int error : refusals()) {
                add(Act::Refuse, static_cast<int>(message), error);
            }
        }
    }
    return points;
}

std::vector<std::vector<Seen>> take_census(const std::vector<Scenario>& scenarios, unsigned workers) {
    std::vector<std::vector<Seen>> all(scenarios.size());
    std::string problems;
    share_out(
        scenarios.size(), workers,
        [&](Stage& stage, std::size_t number, bool&) {
            Json calls = Json::array();
            for (const Seen& each : stage.census(scenarios[number])) {
                calls.push_back(as_json(each));
            }
            return Json{{"calls", calls}};
        },
        [&](const Json& answer) {
            if (answer.contains("exception")) {
                problems += answer.at("exception").get<std::string>() + "\n";
                return;
            }
            for (const auto& each : answer.at("calls")) {
                all[answer.at("number").get<std::size_t>()].push_back(seen_from(each));
            }
        });
    if (!problems.empty()) {
        throw std::runtime_error(problems);
    }
    return all;
}

void try_all(const std::vector<Scenario>& scenarios, const std::vector<Point>& points, unsigned workers,
             std::chrono::seconds most, const std::function<void(const Result&)>& tell) {
    const auto end = std::chrono::steady_clock::now() + most;
    share_out(
        points.size(), workers,
        [&](Stage& stage, std::size_t number, bool& dirty) {
            if (most.count() > 0 && std::chrono::steady_clock::now() >= end) {
                return Json{{"left", true}};
            }
            const Point& point = points[number];
            const auto verdict = stage.judge(scenarios[point.scenario], point.injection);
            dirty = verdict.dirty;
            return Json{{"reached", verdict.reached},
                        {"defect", verdict.defect},
                        {"remark", verdict.remark},
                        {"at", as_json(verdict.at)}};
        },
        [&](const Json& answer) {
            if (answer.contains("left")) {
                return;
            }
            Result result{.point = points[answer.at("number").get<std::size_t>()], .verdict = {}};
            if (answer.contains("exception")) {
                result.verdict.reached = true;
                result.verdict.at = result.point.at;
                result.verdict.defect =
                    "the test itself failed: " + answer.at("exception").get<std::string>();
            } else {
                result.verdict.reached = answer.at("reached");
                result.verdict.defect = answer.at("defect");
                result.verdict.remark = answer.at("remark");
                result.verdict.at = seen_from(answer.at("at"));
            }
            tell(result);
        });
}

}  // namespace partd::fault
