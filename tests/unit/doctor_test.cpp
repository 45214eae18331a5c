// SPDX-License-Identifier: Apache-2.0
// The findings of partctl doctor for given numbers, independent of the host.

#include "doctor/checks.h"

#include <catch2/catch.hpp>

using namespace partd;
using namespace partd::doctor;

namespace {

Severity severity_of(const Findings& found) {
    return found.empty() ? Severity::Ok : found.front().severity;
}

}  // namespace

TEST_CASE("A kernel's release is read whatever stands behind its numbers") {
    using kernel::parse_release;
    CHECK(parse_release("6.1.0-18-amd64") == kernel::KernelRelease{6, 1});
    CHECK(parse_release("5.14") == kernel::KernelRelease{5, 14});
    CHECK(parse_release("6.18.44-fc-v669") == kernel::KernelRelease{6, 18});
    CHECK(parse_release("7-rc1") == kernel::KernelRelease{7, 0});
    CHECK(parse_release("").major == 0);
    CHECK(parse_release("5.4.0") < parse_release("5.14.0"));
}

TEST_CASE("Doctor: a kernel is too old only for what is declared") {
    CHECK(judge_kernel("4.19.0", {}).empty());
    CHECK(judge_kernel("6.1.0-18-amd64", {.any = true, .clocks = true, .mapped_root = true}).empty());
    const auto old = judge_kernel("5.4.0-150-generic", {.any = true, .clocks = true, .mapped_root = true});
    REQUIRE(old.size() == 4);
    CHECK(old[0].what == "Linux 5.4.0-150-generic has no time namespaces");
    CHECK(old[0].fix.find("Linux 5.6 or later") != std::string::npos);
    const auto middle = judge_kernel("5.15.0", {.any = true, .clocks = true, .mapped_root = true});
    REQUIRE(middle.size() == 1);
    CHECK(middle.front().severity == Severity::Note);
}

TEST_CASE("Doctor: tables that fill") {
    CHECK(judge_conntrack(700, 1000).empty());
    CHECK(severity_of(judge_conntrack(750, 1000)) == Severity::Warning);
    CHECK(severity_of(judge_conntrack(949, 1000)) == Severity::Warning);
    CHECK(severity_of(judge_conntrack(950, 1000)) == Severity::Problem);
    CHECK(judge_conntrack(0, 0).empty());

    CHECK(judge_neighbours(128, 512, 1024).empty());
    CHECK(severity_of(judge_neighbours(129, 512, 1024)) == Severity::Note);
    CHECK(severity_of(judge_neighbours(256, 512, 1024)) == Severity::Warning);
    CHECK(severity_of(judge_neighbours(512, 512, 1024)) == Severity::Problem);

    CHECK(judge_namespaces("net", 10, 10).empty());
    CHECK(judge_namespaces("user", 0, 0).empty());
    const auto none = judge_namespaces("user", 1, 0);
    REQUIRE(none.size() == 1);
    CHECK(none.front().what == "user.max_user_namespaces is 0, and 1 are declared");
}
