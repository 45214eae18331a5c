// SPDX-License-Identifier: Apache-2.0
// The contents of /proc where a partition's processes are in the pid namespace of another one.

#include "process.h"
#include "sandbox.h"

#include <catch2/catch.hpp>

using namespace partd::test;

TEST_CASE("Who shares a pid namespace sees its processes, not the host's", "[pod]") {
    const Sandbox sandbox;
    sandbox.write_config("pod.toml",
                         "[partition.pause]\n"
                         "namespaces = [\"pid\"]\n"
                         "[partition.web]\n"
                         "namespaces = [\"mnt\"]\n"
                         "share = { partition = \"pause\", namespaces = [\"pid\"] }\n");
    sandbox.apply();
    const Outcome name = sandbox.partctl({"exec", "web", "--", "cat", "/proc/1/comm"});
    INFO(name.text());
    CHECK(name.out == "partd-init\n");
    const Outcome self = sandbox.partctl({"exec", "web", "--", "sh", "-c", "test -d /proc/$$"});
    CHECK(self.code == 0);
}
