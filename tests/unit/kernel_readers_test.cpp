// SPDX-License-Identifier: Apache-2.0
#include "kernel/mount/mounts.h"
#include "kernel/netlink/netlink.h"

#include <linux/rtnetlink.h>

#include <catch2/catch.hpp>

using namespace partd;
using namespace partd::kernel;

TEST_CASE("A netlink message nests, and refuses what its lengths cannot say") {
    Message message(RTM_NEWLINK, 0);
    message.head(ifinfomsg{});
    const auto nest = message.open(IFLA_LINKINFO);
    message.text(IFLA_INFO_KIND, "veth");
    message.close(nest);
    const auto sealed = message.seal(7);
    const Attributes attributes(
        std::span<const std::uint8_t>(sealed).subspan(NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(ifinfomsg))));
    CHECK(attributes.nested(IFLA_LINKINFO).text(IFLA_INFO_KIND) == "veth");
    CHECK(message.fits());

    Message large(RTM_NEWLINK, 0);
    const auto outer = large.open(IFLA_LINKINFO);
    for (int i = 0; i < 1100; ++i) {
        large.bytes(1, std::vector<std::uint8_t>(60));
    }
    large.close(outer);
    CHECK_FALSE(large.fits());
}

TEST_CASE("Malformed attributes end the list") {
    std::vector<std::uint8_t> data = {8, 0, 1, 0, 'a', 'b', 'c', 0, 200, 0, 2, 0, 'x'};
    const Attributes attributes(data);
    CHECK(attributes.text(1) == "abc");
    CHECK_FALSE(attributes.has(2));
    CHECK_FALSE(attributes.number<std::uint64_t>(1));
    for (std::size_t size = 0; size < data.size(); ++size) {
        const Attributes cut(std::span<const std::uint8_t>(data).first(size));
        CHECK_FALSE(cut.has(2));
    }
    CHECK_FALSE(Attributes(std::vector<std::uint8_t>{2, 0, 1, 0}).has(1));
}

TEST_CASE("mountinfo") {
    const auto mounts = parse_mountinfo(
        "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"
        "40 36 0:4 net:[4026532281] /run/netns/a\\040b rw shared:5 - nsfs nsfs rw\n"
        "nonsense\n"
        "1 2 3:4 / /x rw -\n");
    REQUIRE(mounts.size() == 2);
    CHECK(mounts[0].options == "rw,errors=continue");
    CHECK_FALSE(mounts[0].shared);
    CHECK(mounts[1].point == "/run/netns/a b");
    CHECK(mounts[1].shared);
    CHECK(mounts[1].type == "nsfs");
}
