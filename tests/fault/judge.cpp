// SPDX-License-Identifier: Apache-2.0
#include "judge.h"

#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <stdexcept>

namespace partd::fault {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using test::output;

/// The lock of all network configuration is one for the whole machine: others may hold it for long.
constexpr std::chrono::seconds kPatience{90};
constexpr int kKilled = 128 + SIGKILL;

bool kills(Act act) {
    return act == Act::KillBefore || act == Act::KillAfter || act == Act::KillMainBefore ||
           act == Act::KillMainAfter || act == Act::Abandon;
}

std::string wrong(const std::string& what, const std::string& details) {
    return what + ":\n" + details + "\n";
}

/// Exit codes of partctl (partctl(8)): 3 tells of a file that cannot be read, 7 of an object that cannot.
bool is_sensible(const Traced& traced) {
    switch (traced.code) {
        case 1:
        case 5:
        case 6:
        case 8:
            return true;
        case 3:
            return traced.at.object.ends_with("/partd") || traced.at.object.ends_with(".toml");
        case 7:
            return traced.written.find("cannot be looked at") != std::string::npos;
        default:
            return false;
    }
}

/// Errors that mean "look again": what goes wrong then has other words.
bool is_passed_over(int error) {
    return error == EEXIST || error == ENOENT || error == EBUSY || error == EINTR;
}

/// Beside a partd: has it apply the files, and stops it.
void ask_daemon(const Files& after, pid_t daemon) {
    // Where it does not come up, partctl does the work itself.
    const auto served = [] { return ::access("/run/partd/bus", F_OK) == 0; };
    test::eventually([&] { return served() || ::kill(daemon, 0) != 0; }, 3s);
    for (const auto& [name, text] : after) {
        test::write_file("/etc/partd/" + name, text);
    }
    (void)test::run({PARTCTL, "apply", "--allow-delete"}, {.input = {}, .timeout = 10s});
    ::kill(daemon, SIGTERM);
}

}  // namespace

Stage::Stage() : sandbox_(std::make_unique<test::Sandbox>()) {
    root_.emplace("lightvm");
    make_foreign_objects();
    ::umount2("/run/netns", MNT_DETACH);
    // the addresses have to settle
    virgin_ = view_of(*sandbox_);
    test::eventually([&] {
        const auto before = std::exchange(virgin_, view_of(*sandbox_));
        return difference(before, virgin_).empty();
    });
}

void Stage::make_foreign_objects() {
    output({"ip", "link", "add", "foreign0", "type", "veth", "peer", "name", "foreign1"});
    output({"ip", "link", "set", "foreign0", "alias", "somebody's", "addrgenmode", "none", "up"});
    output({"ip", "link", "set", "foreign1", "addrgenmode", "none", "up"});
    output({"ip", "address", "add", "192.0.2.1/24", "dev", "foreign0"});
    output({"ip", "route", "add", "198.51.100.0/24", "via", "192.0.2.2"});
    output({"ip", "rule", "add", "from", "192.0.2.0/24", "table", "42", "priority", "4242"});
    output({"nft",
            "add table inet foreign { set s { type ipv4_addr; elements = { 192.0.2.7 }; }; chain c { "
            "type filter hook input priority 0; ip saddr @s counter accept; }; }"});
    output({"sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"});
    fs::create_directories("/etc/netns/foreign");
    test::write_file("/etc/netns/foreign/resolv.conf", "nameserver 192.0.2.3\n");
    for (const auto& hierarchy : sandbox_->cgroups().hierarchies()) {
        fs::create_directory(hierarchy.mount_point + "/foreign.slice");
    }
}

void Stage::write(const Files& files) {
    for (const auto& entry : fs::directory_iterator("/etc/partd")) {
        fs::remove(entry.path());
    }
    for (const auto& [name, text] : files) {
        sandbox_->write_config(name, text);
    }
}

/// As before its first run: the next one makes its directories again.
void Stage::forget_partd() const {
    ::umount2("/run/partd/ns", MNT_DETACH);
    ::umount2("/run/netns", MNT_DETACH);
    for (const char* directory : {"/run/partd", "/run/netns", "/var/lib/partd"}) {
        std::error_code absent;
        fs::remove_all(directory, absent);
    }
}

test::Outcome Stage::apply() const {
    return sandbox_->partctl({"apply", "--allow-delete"}, {.input = {}, .timeout = kPatience});
}

namespace {

/// That a host's end has no link-local address of the kernel's making only saves time, and is asked for by a
/// message of its own: the one thing that is not repaired when just that is refused.
bool is_generated(const std::string& line) {
    return line.find("LINKLOCAL") != std::string::npos || line.find("fe80::") != std::string::npos ||
           line.find("addr_gen_mode") != std::string::npos;
}

std::string without_generated(const std::string& text) {
    std::istringstream stream(text);
    std::string kept;
    for (std::string line; std::getline(stream, line);) {
        // the ones that partd gives it look the same by now
        for (std::size_t begin = 0;
             (begin = line.find(R"(,{"family":"inet6","local":"LINKLOCAL")")) != line.npos;) {
            line.erase(begin, line.find('}', begin) + 1 - begin);
        }
        kept += is_generated(line) ? "" : line + "\n";
    }
    return kept;
}

}  // namespace

std::string Stage::differs(const test::Snapshot& wanted, const std::string& but) {
    std::string text;
    test::eventually(
        [&] {
            auto now = view_of(*sandbox_);
            auto then = wanted;
            now.erase(but);
            then.erase(but);
            if (refuses_) {
                for (auto* side : {&now, &then}) {
                    for (auto& [topic, lines] : *side) {
                        lines = without_generated(lines);
                    }
                }
            }
            text = difference(then, now);
            return text.empty();
        },
        10s);
    return text;
}

void Stage::begin(const Scenario& scenario) {
    write(scenario.before);
    if (!scenario.before.empty()) {
        if (const auto applied = apply(); applied.code != 0) {
            throw std::runtime_error(scenario.name + ": cannot begin: " + applied.text());
        }
    }
    if (!scenario.by_daemon) {
        write(scenario.after);
    }
}

Traced Stage::disturbed(const Scenario& scenario, const Injection& injection) const {
    Command command{.words = {PARTCTL, "apply", "--allow-delete"}, .patience = kPatience, .beside = {}};
    if (scenario.by_daemon) {
        command.words = {PARTD};
        command.beside = [&scenario](pid_t daemon) { ask_daemon(scenario.after, daemon); };
    }
    return trace(command, injection);
}

std::vector<Seen> Stage::census(const Scenario& scenario) {
    begin(scenario);
    auto traced = disturbed(scenario, {});
    if (traced.code != 0) {
        throw std::runtime_error(scenario.name + ": fails undisturbed: " + traced.written);
    }
    if (const std::string left = leaves_nothing(); !left.empty()) {
        throw std::runtime_error(scenario.name + ": " + left);
    }
    return std::move(traced.calls);
}

const test::Snapshot& Stage::reference(const Scenario& scenario) {
    const auto found = references_.find(scenario.name);
    if (found != references_.end()) {
        return found->second;
    }
    begin(scenario);
    write(scenario.after);
    if (const auto applied = apply(); applied.code != 0) {
        throw std::runtime_error(scenario.name + ": fails undisturbed: " + applied.text());
    }
    auto view = view_of(*sandbox_);
    test::eventually([&] {
        const auto before = std::exchange(view, view_of(*sandbox_));
        return difference(before, view).empty();
    });
    if (const std::string left = leaves_nothing(); !left.empty()) {
        throw std::runtime_error(scenario.name + ": undisturbed: " + left);
    }
    return references_.emplace(scenario.name, std::move(view)).first->second;
}

std::string Stage::ending(const Traced& traced, const Injection& injection, const Scenario& scenario) {
    if (traced.timed_out) {
        return wrong("it hangs", traced.written);
    }
    const bool expected_kill = kills(injection.act) && traced.code == kKilled;
    if (traced.code > 128 && !expected_kill) {
        return wrong("it dies of signal " + std::to_string(traced.code - 128), traced.written);
    }
    if (expected_kill || !traced.hit) {
        return {};
    }
    if (traced.code == 0 && injection.act == Act::KillInit) {
        return {};  // it may have looked before
    }
    if (traced.code == 0) {
        // It said that all is done, but maybe for what is only kept for later.
        const bool told = traced.written.find("not kept for later: /run/partd/accepted") != std::string::npos;
        const std::string missing =
            scenario.by_daemon ? "" : differs(reference(scenario), told ? "accepted" : "");
        return missing.empty() ? ""
                               : wrong("exit 0, but the host is not as declared", missing + traced.written);
    }
    if (!is_sensible(traced)) {
        return wrong("exit " + std::to_string(traced.code), traced.written);
    }
    const bool says_why = kills(injection.act) || injection.act == Act::KillInit ||
                          is_passed_over(injection.error) ||
                          traced.written.find(std::strerror(injection.error)) != std::string::npos;
    return says_why ? ""
                    : wrong(std::string("it does not say \"") + std::strerror(injection.error) + "\"",
                            traced.written);
}

std::string Stage::converges(const Scenario& scenario) {
    const auto again = apply();
    if (again.code != 0) {
        return wrong("the next run fails", again.text());
    }
    if (const auto other = differs(reference(scenario)); !other.empty()) {
        return wrong("the next run makes another host", other + again.text());
    }
    const auto plan = sandbox_->partctl({"diff"}, {.input = {}, .timeout = kPatience});
    return plan.code == 0 ? "" : wrong("the next run leaves something to do", plan.text());
}

std::string Stage::leaves_nothing() {
    write({});
    const auto removed = apply();
    if (removed.code != 0) {
        return wrong("removing all fails", removed.text());
    }
    // A layer with files in it stays until it is purged.
    const auto layers = sandbox_->partctl_json({"status", "--layers"}).at("layers");
    for (const auto& layer : layers) {
        (void)sandbox_->partctl({"purge", layer.at("name"), "--yes"});
    }
    const auto left = differs(virgin_);
    forget_partd();
    return left.empty() ? "" : wrong("removed, something is left", left);
}

Verdict Stage::judge(const Scenario& scenario, const Injection& injection) {
    (void)reference(scenario);
    refuses_ = injection.act == Act::Refuse;
    Verdict verdict;
    begin(scenario);
    const auto traced = disturbed(scenario, injection);
    verdict.reached = traced.hit;
    verdict.at = traced.at;
    verdict.remark = "exit " + std::to_string(traced.code);
    verdict.defect = ending(traced, injection, scenario);
    write(scenario.after);
    const bool abandoned = injection.act == Act::Abandon;
    if (auto problem = abandoned ? std::string() : converges(scenario); !problem.empty()) {
        verdict.defect += problem + wrong("disturbed it said", traced.written);
    }
    if (auto left = leaves_nothing(); !left.empty()) {
        verdict.defect += left + wrong("disturbed it said", traced.written);
        verdict.dirty = true;
    }
    return verdict;
}

}  // namespace partd::fault
