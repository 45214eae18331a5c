// SPDX-License-Identifier: Apache-2.0
// Figures as Prometheus reads them, and what [daemon] says about them, the log and the history.

#include "daemon_fixture.h"
#include "host_view.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

constexpr const char* kFile = "/run/partd/partd.prom";

/// A text of Prometheus' exposition format, judged line by line.
class Exposition {
public:
    explicit Exposition(const std::string& text) {
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);) {
            take(line);
        }
        if (!text.ends_with('\n')) {
            problems_ += "no newline at the end\n";
        }
    }
    /// Format errors of the metrics, a line each.
    [[nodiscard]] const std::string& problems() const { return problems_; }
    /// "partd_partition_up{partition=\"web\"}"; -1 when there is none.
    [[nodiscard]] double value(const std::string& sample) const {
        const auto found = samples_.find(sample);
        return found == samples_.end() ? -1 : found->second;
    }
    [[nodiscard]] std::size_t size() const { return samples_.size(); }

private:
    void take(const std::string& line) {
        static const std::regex kHelp("# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) \\S.*");
        static const std::regex kType(
            "# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|summary|histogram|untyped)");
        static const std::regex kSample(
            "(([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{[a-zA-Z_][a-zA-Z0-9_]*=\"[^\"\\\\\n]*\"(,[a-zA-Z_][a-zA-Z0-9_]*="
            "\"[^\"\\\\\n]*\")*\\})?) "
            "([-+]?[0-9.]+(e[-+]?[0-9]+)?)");
        std::smatch match;
        if (std::regex_match(line, match, kHelp)) {
            expect(helped_.insert(match[1]).second, "told twice: ", line);
        } else if (std::regex_match(line, match, kType)) {
            expect(types_.emplace(match[1], match[2]).second, "typed twice: ", line);
            expect(helped_.contains(match[1]), "typed before it is explained: ", line);
            family_ = match[1];
        } else if (std::regex_match(line, match, kSample)) {
            const bool summary = types_[family_] == "summary" &&
                                 (match[2] == family_ + "_sum" || match[2] == family_ + "_count");
            expect(match[2] == family_ || summary, "not below its own type: ", line);
            const bool counter = types_[family_] == "counter";
            expect(counter == family_.ends_with("_total"), "a counter ends in _total: ", line);
            expect(samples_.emplace(match[1], std::stod(match[5])).second, "twice: ", line);
        } else {
            expect(false, "not understood: ", line);
        }
    }
    void expect(bool holds, const std::string& what, const std::string& line) {
        problems_ += holds ? "" : what + line + "\n";
    }

    std::string problems_;
    std::string family_;
    std::set<std::string> helped_;
    std::map<std::string, std::string> types_;
    std::map<std::string, double> samples_;
};

Exposition figures(const Sandbox& sandbox) {
    return Exposition(sandbox.partctl({"metrics"}).out);
}

}  // namespace

TEST_CASE("metrics: the checker finds what is wrong", "[control][metrics]") {
    CHECK(Exposition("# HELP a_total A\n# TYPE a_total counter\na_total{x=\"1\"} 1\n").problems().empty());
    for (const char* wrong :
         {"a 1\n", "# HELP a A\n# TYPE a gauge\na 1\na 1\n", "# HELP a A\n# TYPE a gauge\na{x=1} 1\n",
          "# HELP a A\n# TYPE a gauge\nb 1\n", "# HELP a A\n# TYPE a gauge\na one\n", "# TYPE a gauge\na 1\n",
          "# HELP a A\n# TYPE a gauge\na{x=\"\\\"} 1\n", "# HELP a A\n# TYPE a counter\na 1\n"}) {
        INFO(wrong);
        CHECK_FALSE(Exposition(wrong).problems().empty());
    }
}

TEST_CASE("metrics: partctl and the file say the same, in the words of Prometheus", "[control][metrics]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", std::string(kWeb) + "[partition.web.cgroup]\npids.max = 50\n");
    sandbox.write_config("p1.toml", numbered_partition(1));
    Daemon daemon;
    REQUIRE(eventually([&] { return exists("web") && converged(sandbox); }));
    REQUIRE(eventually([] { return fs::exists(kFile); }));
    const auto told = figures(sandbox);
    CHECK(told.problems().empty());
    CHECK(told.value("partd_partitions{state=\"active\"}") == 2);
    CHECK(told.value("partd_partition_up{partition=\"web\"}") == 1);
    CHECK(told.value("partd_changes_total{action=\"create\"}") > 5);
    CHECK(told.value("partd_repairs_total") == 0);
    CHECK(told.value("partd_failures_total") == 0);
    CHECK(told.value("partd_generation") == 1);
    CHECK(told.value("partd_reconcile_seconds_count") >= 1);
    CHECK(told.value("partd_reconcile_seconds_sum") > 0);
    const Exposition file(read_file(kFile));
    INFO(read_file(kFile));
    CHECK(file.problems().empty());
    CHECK(file.size() == told.size());
    CHECK((fs::status(kFile).permissions() & fs::perms::all) == fs::perms(0644));
}

TEST_CASE("metrics: repairs, failures and refusals are counted", "[control][metrics]") {
    Sandbox sandbox;
    for (int i = 1; i <= 5; ++i) {
        sandbox.write_config("p" + std::to_string(i) + ".toml", numbered_partition(i));
    }
    Daemon daemon;
    REQUIRE(eventually([&] { return exists("p5") && converged(sandbox); }));
    const auto before = figures(sandbox);
    for (const char* name : {"h1", "h2", "h3"}) {
        ip({"link", "set", name, "down"});
        REQUIRE(eventually([&] { return is_up(name); }));
    }
    const auto repairs = [&] { return figures(sandbox).value("partd_repairs_total"); };
    CHECK(eventually([&] { return repairs() >= before.value("partd_repairs_total") + 3; }));
    REQUIRE(eventually([] { return fs::exists(kFile); }));
    CHECK(eventually([] { return Exposition(read_file(kFile)).value("partd_repairs_total") >= 3; }));
    CHECK(figures(sandbox).value("partd_changes_total{action=\"update\"}") >
          before.value("partd_changes_total{action=\"update\"}"));
    for (int i = 2; i <= 5; ++i) {
        sandbox.remove_config("p" + std::to_string(i) + ".toml");
    }
    CHECK(eventually([&] { return figures(sandbox).value("partd_refusals_total") >= 1; }));
    CHECK(figures(sandbox).value("partd_partitions{state=\"undeclared\"}") == 4);
    sandbox.write_config("p1.toml",
                         numbered_partition(1) + "[partition.p1.sysctl]\nnet.ipv4.ip_forward = \"soon\"\n");
    REQUIRE(sandbox.partctl({"apply", "--allow-delete"}).code == 6);
    CHECK(figures(sandbox).value("partd_failures_total") >= 1);
    CHECK(figures(sandbox).value("partd_partition_up{partition=\"p1\"}") == 0);
    CHECK(eventually(
        [] { return Exposition(read_file(kFile)).value("partd_partition_up{partition=\"p1\"}") == 0; }));
    CHECK(figures(sandbox).problems().empty());
}

TEST_CASE("metrics: the file goes where the configuration says", "[control][metrics]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    Daemon daemon;
    REQUIRE(eventually([] { return fs::exists(kFile); }));
    fs::create_directory("/run/elsewhere");
    sandbox.write_config("daemon.toml", "[daemon]\nmetrics = \"/run/elsewhere/p.prom\"\n");
    CHECK(eventually([] { return fs::exists("/run/elsewhere/p.prom"); }));
    CHECK(Exposition(read_file("/run/elsewhere/p.prom")).problems().empty());
    // what stands at the old place would be read as if it were new
    CHECK_FALSE(fs::exists(kFile));
    sandbox.write_config("daemon.toml", "[daemon]\nmetrics = \"\"\n");
    CHECK(eventually([] { return !fs::exists("/run/elsewhere/p.prom"); }, 3s));
    REQUIRE(converged(sandbox));
    std::this_thread::sleep_for(1500ms);
    CHECK_FALSE(fs::exists(kFile));
    // a place that cannot be written to is told, and nothing else suffers
    sandbox.write_config("daemon.toml", "[daemon]\nmetrics = \"/run/nowhere/p.prom\"\n");
    CHECK(daemon.said("metrics: "));
    ip({"link", "set", "web0", "down"});
    CHECK(eventually([] { return is_up("web0"); }));
    sandbox.write_config("daemon.toml", "[daemon]\nmetrics = \"/etc/passwd\"\n");
    CHECK(daemon.said("not a path of a file below /run or /var"));
}

TEST_CASE("metrics: what others put in the way in their directory", "[control][metrics]") {
    constexpr const char* kDirectory = "/run/theirs";
    constexpr const char* kTheirs = "/run/theirs/p.prom";
    constexpr const char* kDraft = "/run/theirs/p.prom.new";
    Sandbox sandbox;
    fs::create_directory(kDirectory);
    REQUIRE(::chown(kDirectory, 65534, 65534) == 0);
    write_file("/run/secret", "untouched\n");
    fs::permissions("/run/secret", fs::perms(0600));
    sandbox.write_config("web.toml", kWeb);
    sandbox.write_config("daemon.toml", std::string("[daemon]\nmetrics = \"") + kTheirs + "\"\n");
    Daemon daemon;
    const auto is_written = [&] {
        return fs::is_regular_file(fs::symlink_status(kTheirs)) &&
               Exposition(read_file(kTheirs)).value("partd_partition_up{partition=\"web\"}") == 1;
    };
    REQUIRE(eventually(is_written));

    // Figures are written after each change.
    int number = 0;
    const auto do_something = [&] {
        ++number;
        sandbox.write_config("p.toml", numbered_partition(number));
        CHECK(eventually([&] { return exists("p" + std::to_string(number)); }));
    };
    struct Trap {
        const char* what;
        std::function<void(const char*)> set;
    };
    const std::vector<Trap> traps = {
        {"a FIFO", [](const char* path) { REQUIRE(::mkfifo(path, 0666) == 0); }},
        {"a link", [](const char* path) { fs::create_symlink("/run/secret", path); }},
        {"a second name", [](const char* path) { fs::create_hard_link("/run/secret", path); }},
        {"another user's file",
         [](const char* path) {
             write_file(path, "theirs\n");
             REQUIRE(::chown(path, 65534, 65534) == 0);
         }},
    };
    for (const char* place : {kTheirs, kDraft}) {
        for (const Trap& trap : traps) {
            INFO(place << ": " << trap.what << "\n" << daemon.log());
            fs::remove_all(kDraft);
            fs::remove_all(kTheirs);
            trap.set(place);
            const Background reader(trap.what == std::string("a FIFO") ? Arguments{"cat", place}
                                                                       : Arguments{"true"});
            do_something();
            CHECK(eventually(is_written));
            CHECK(answers(sandbox));
            CHECK(read_file("/run/secret") == "untouched\n");
            CHECK((fs::status("/run/secret").permissions() & fs::perms::all) == fs::perms(0600));
        }
    }
    // A directory at the draft's name is passed by, one at the file's own is told.
    fs::remove_all(kDraft);
    fs::create_directory(kDraft);
    fs::remove_all(kTheirs);
    do_something();
    CHECK(eventually(is_written));
    fs::remove_all(kTheirs);
    fs::create_directory(kTheirs);
    do_something();
    CHECK(daemon.said("metrics: "));
    CHECK(answers(sandbox));
}

TEST_CASE("metrics: nothing is written or removed through a directory that became a link",
          "[control][metrics]") {
    Sandbox sandbox;
    fs::create_directories("/run/theirs/d");
    fs::create_directory("/run/roots");
    sandbox.write_config("web.toml", kWeb);
    sandbox.write_config("daemon.toml", "[daemon]\nmetrics = \"/run/theirs/d/p.prom\"\n");
    Daemon daemon;
    REQUIRE(eventually([] { return fs::exists("/run/theirs/d/p.prom"); }));
    REQUIRE(converged(sandbox));
    fs::rename("/run/theirs/d", "/run/theirs/before");
    fs::create_symlink("/run/roots", "/run/theirs/d");
    ip({"link", "set", "web0", "down"});
    CHECK(daemon.said("is a symbolic link"));
    CHECK(fs::is_empty("/run/roots"));
    write_file("/run/roots/p.prom", "root's\n");
    sandbox.write_config("daemon.toml", "[daemon]\nmetrics = \"\"\n");
    REQUIRE(eventually([&] { return converged(sandbox); }));
    std::this_thread::sleep_for(1500ms);
    CHECK(read_file("/run/roots/p.prom") == "root's\n");
    CHECK(daemon.running());
}

TEST_CASE("metrics: a directory where others can exchange the file is told", "[control][metrics]") {
    Sandbox sandbox;
    fs::create_directory("/run/open");
    sandbox.write_config("daemon.toml", "[daemon]\nmetrics = \"/run/open/p.prom\"\n");
    const auto told = [&](const std::string& verb) {
        const Outcome said = sandbox.partctl({verb});
        return (said.out + said.err).find("/run/open may be written by everybody") != std::string::npos;
    };
    for (const unsigned mode : {0777U, 01777U, 0755U}) {
        REQUIRE(::chmod("/run/open", mode) == 0);
        INFO(std::oct << mode);
        CHECK(told("check") == (mode == 0777U));
        CHECK(told("doctor") == (mode == 0777U));
    }
}

TEST_CASE("metrics: log_level decides what is told", "[control][log]") {
    Sandbox sandbox;
    sandbox.write_config("daemon.toml", "[daemon]\nlog_level = \"error\"\n");
    Daemon daemon;
    REQUIRE(eventually([&] { return answers(sandbox); }));
    sandbox.write_config("web.toml", kWeb);
    REQUIRE(eventually([&] { return exists("web") && converged(sandbox); }));
    CHECK(daemon.log().find("+ veth") == std::string::npos);
    sandbox.write_config("bad.toml", "[partition.bad\n");
    CHECK(daemon.said("bad.toml:1:"));
    sandbox.remove_config("bad.toml");
    sandbox.write_config("daemon.toml", "[daemon]\nlog_level = \"info\"\n");
    REQUIRE(sandbox.partctl({"apply"}).code == 0);
    sandbox.write_config("p1.toml", numbered_partition(1));
    CHECK(daemon.said("+ link p1/eth0"));
}

TEST_CASE("metrics: partd -v tells more, whatever the files say", "[control][log]") {
    Sandbox sandbox;
    sandbox.write_config("daemon.toml", "[daemon]\nlog_level = \"error\"\n");
    Daemon daemon({}, {"-v"});
    REQUIRE(eventually([&] { return answers(sandbox); }));
    sandbox.write_config("web.toml", kWeb);
    CHECK(daemon.said("+ link web/eth0"));
}
