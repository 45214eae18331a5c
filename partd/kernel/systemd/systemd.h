// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "kernel/systemd/property.h"

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct sd_bus;
struct sd_bus_message;

namespace partd::kernel {

// systemd as the service manager of this host, spoken to over its private socket (no bus daemon is needed).
// The connection opens with the first call; a call that finds it dead (systemctl daemon-reexec) opens it
// again. An error has systemd's own words; ENOENT is an unknown unit, EEXIST a name that is taken, ETIMEDOUT
// a call or job that takes too long. Not for use in a forked child: make a new one there.
class Systemd {
public:
    // Below `root`, which is "" but in tests.
    explicit Systemd(std::string root = "") : root_(std::move(root)) {}
    ~Systemd() { close(); }
    Systemd(const Systemd&) = delete;
    Systemd& operator=(const Systemd&) = delete;

    // True if systemd is PID 1 (sd_booted(3)) and has its private socket.
    [[nodiscard]] bool runs() const;

    // Makes a unit that no file has, and waits until it is started. For a scope without a property "PIDs" use
    // start_scope().
    Result<> start_transient(const std::string& unit, const UnitProperties& properties);
    // Makes a scope around the process that opened this connection, whatever pid namespace it is in, so that
    // its children are born there.
    Result<> start_scope(const std::string& unit, UnitProperties properties);
    Result<> start(const std::string& unit);
    // Waits until it is gone; an unknown one is success.
    Result<> stop(const std::string& unit);
    // Starts a service anew, or for the first time; or stops it; or starts it anew if it runs. These wait
    // some seconds, and not at all while the host comes up, or partd.service after which the unit is ordered:
    // a service may have to wait for what waits for partd. Job::Running is success then, and look() tells of
    // the job. ECANCELED is a job that systemd took and that did not succeed.
    enum class Job : std::uint8_t { Done, Running };
    Result<Job> restart_service(const std::string& unit);
    Result<Job> try_restart_service(const std::string& unit);
    Result<Job> stop_service(const std::string& unit);
    // Reads all unit files again (systemctl daemon-reload).
    Result<> reload();
    // A unit that failed is as one that was never started. An unknown one is success.
    Result<> reset_failed(const std::string& unit);
    // Until the next boot.
    Result<> set_properties(const std::string& unit, const UnitProperties& properties);

    // systemd's view of a unit, which is loaded if need be; an unknown one has the load state "not-found".
    struct Unit {
        std::string load_state;    // "loaded", "not-found", "masked"
        std::string active_state;  // "active", "inactive", "failed", …
        std::string description;
        std::string group;  // of its processes, below the hierarchy's root and without a leading '/'
        pid_t main_pid = 0;
        bool needs_reload = false;  // its files have changed since they were read
        bool has_job = false;       // it is about to be started or stopped
        bool held_back = false;  // its last start failed for want of its network namespace (status 225) or of
                                 // a path that it asserts
        std::vector<std::string> drop_ins;  // paths of the files that add to it, as they were read
    };
    Result<Unit> look(const std::string& unit);
    // The socket units that listen for a service in a network namespace of their own choice, "web.socket
    // (Stream 0.0.0.0:80)": those that are active or enabled, but for sockets in the file system.
    std::vector<std::string> listeners_of(const std::string& unit);
    // True if systemd starts `first` before `second`, directly or by way of other units.
    bool is_ordered_before(const std::string& first, const std::string& second);

    // Its SystemState (org.freedesktop.systemd1(5)): "starting", "running", "stopping", …; "" when it does
    // not answer.
    std::string state();

    // Signals come in as long as the connection is open: between two runs it is closed.
    void close();

private:
    using Message = std::unique_ptr<sd_bus_message, sd_bus_message* (*)(sd_bus_message*)>;
    using Append = std::function<int(sd_bus_message*)>;

    Result<> open();
    void note_job(sd_bus_message* message);
    Result<Message> call(const char* method, const Append& append);
    Result<Message> call_once(const char* method, const Append& append);
    Result<Job> run_job(const char* method, const std::string& unit, const Append& append,
                        std::chrono::milliseconds patience);
    Result<Job> run_service_job(const char* method, const std::string& unit);
    Result<std::string> wait(const std::string& unit, const std::string& job,
                             std::chrono::milliseconds patience);
    Result<> process(std::chrono::milliseconds longest);
    [[nodiscard]] Result<bool> has_job(const std::string& unit);
    [[nodiscard]] std::optional<std::string> text(const std::string& unit, const char* interface,
                                                  const char* name);
    [[nodiscard]] std::vector<std::string> list(const std::string& unit, const char* interface,
                                                const char* name);
    [[nodiscard]] bool was_held_back(const std::string& unit, const std::string& active_state);

    std::string root_;
    sd_bus* bus_ = nullptr;
    std::map<std::string, std::string> ended_;  // jobs by their object path → "done", "failed", …
};

}  // namespace partd::kernel
