// SPDX-License-Identifier: Apache-2.0
#include "daemon_fixture.h"

#include "host_view.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <sstream>
#include <stdexcept>

namespace partd::test {

namespace {

Arguments joined(Arguments first, const Arguments& second, const Arguments& third) {
    first.insert(first.end(), second.begin(), second.end());
    first.insert(first.end(), third.begin(), third.end());
    return first;
}

}  // namespace

Daemon::Daemon(const Arguments& before, const Arguments& options)
    : process_(joined(before, {PARTD}, options)) {}

bool Daemon::said(const std::string& words, Milliseconds within) const {
    return eventually([&] { return log().find(words) != std::string::npos; }, within);
}

std::size_t Daemon::times(const std::string& words) const {
    return occurrences(log(), words);
}

void Daemon::crash() {
    process_.signal(SIGKILL);
    if (process_.wait() != 128 + SIGKILL) {
        throw std::runtime_error("partd did not die: " + log());
    }
}

double Daemon::megabytes() const {
    const std::string status = read_file("/proc/" + std::to_string(pid()) + "/status");
    const auto at = status.find("VmRSS:");
#if defined(PARTD_SANITIZED)
    constexpr double kShare = 1.0 / 16;
#else
    constexpr double kShare = 1;
#endif
    return std::stod(status.substr(at + 6)) / 1024 * kShare;
}

Listener::Listener() {
    if (!eventually(
            [] { return run({PARTCTL, "-v", "status"}).err.find("asking partd") != std::string::npos; })) {
        throw std::runtime_error("partd does not serve");
    }
    process_ = Background(Arguments{PARTCTL, "events", "--json"});
    // It stands when its connection does.
    const auto connected = [&] {
        const auto shown = output({"ss", "-xpH"});
        return shown.find("pid=" + std::to_string(process_.pid()) + ",") != std::string::npos;
    };
    if (!eventually(connected)) {
        throw std::runtime_error("partctl events: " + process_.written());
    }
    output({PARTCTL, "status"});  // answered after the connection was taken
}

std::vector<Json> Listener::heard() const {
    std::vector<Json> all;
    std::istringstream lines(process_.written());
    for (std::string line; std::getline(lines, line) && !lines.eof();) {
        all.push_back(Json::parse(line));
    }
    return all;
}

bool Listener::hears(const std::string& event, const std::string& words, Milliseconds within) const {
    const auto is_it = [&](const Json& each) {
        return each.at("event") == event &&
               (each.at("object").get<std::string>().find(words) != std::string::npos ||
                each.at("message").get<std::string>().find(words) != std::string::npos);
    };
    return eventually([&] { return std::ranges::any_of(heard(), is_it); }, within);
}

std::size_t occurrences(const std::string& text, const std::string& words) {
    std::size_t count = 0;
    for (auto at = text.find(words); at != std::string::npos; at = text.find(words, at + words.size())) {
        ++count;
    }
    return count;
}

bool converged(const Sandbox& sandbox, Milliseconds within) {
    return eventually([&] { return sandbox.diff() == 0; }, within);
}

bool as_in_force(const Sandbox& sandbox, Milliseconds within) {
    return eventually([&] { return sandbox.partctl({"status", "--check"}).code == 0; }, within);
}

bool answers(const Sandbox& sandbox) {
    const auto asked = sandbox.partctl({"-v", "status"}, {.input = {}, .timeout = 2s});
    return asked.code == 0 && asked.err.find("asking partd") != std::string::npos;
}

bool exists(const std::string& netns) {
    return std::filesystem::exists("/run/netns/" + netns);
}

int mtu_of(const std::string& partition) {
    const auto shown = run({"ip", "-n", partition, "-j", "link", "show", "eth0"});
    return shown.code == 0 ? Json::parse(shown.out).at(0).at("mtu").get<int>() : 0;
}

std::string numbered_partition(int number, const std::string& link_keys) {
    const auto n = std::to_string(number);
    return "[partition.p" + n + ".link.eth0]\naddress = [\"10.60." + n + ".1/24\"]\npeer = { name = \"h" + n +
           "\", address = [\"10.60." + n + ".2/24\"] }\n" + link_keys;
}

std::vector<Json> generations(const Sandbox& sandbox) {
    return sandbox.partctl_json({"history"}).at("generations").get<std::vector<Json>>();
}

std::string state_of_partition(const Sandbox& sandbox, const std::string& partition) {
    const Json status = status_of(sandbox, partition);
    return status.is_null() ? "" : status.at("state").get<std::string>();
}

}  // namespace partd::test
