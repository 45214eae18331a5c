// SPDX-License-Identifier: Apache-2.0
#include "attack.h"

#include <map>
#include <string_view>

namespace {

using namespace partd::attack;

const std::map<std::string_view, int (*)(const Words&)> kAttacks = {
    {"signals", signals},           {"traces", traces},     {"wait", lie_in_wait},
    {"overwrite", overwrite},       {"unmounts", unmounts}, {"fresh", fresh},
    {"writable", writable},         {"cgroups", cgroups},   {"devices", devices},
    {"handles", handles},           {"enters", enters},     {"privileges", privileges},
    {"self-service", self_service}, {"reboots", reboots},   {"keys", keys},
    {"with-key", with_key},         {"flip", flip},         {"types", types},
    {"descriptors", descriptors}};

}  // namespace

int main(int count, char** arguments) {
    alarm(60);
    const auto attack = kAttacks.find(count > 1 ? arguments[1] : "");
    if (attack == kAttacks.end()) {
        std::fputs("no such attack\n", stderr);
        return 2;
    }
    return attack->second(Words(arguments + 2, arguments + count));
}
