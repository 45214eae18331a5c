// SPDX-License-Identifier: Apache-2.0
// Events of rtnetlink and nf_tables, as the daemon hears them.

#include "fuzz.h"
#include "kernel/events/host_watch.h"
#include "kernel_words.h"

using namespace partd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static auto watch = kernel::HostWatch::open({"/run/netns"}, {.protocol = 112, .alias = "partd:"});
    fuzz::require(watch.has_value(), "events can be heard");
    fuzz::tell(fuzz::datagrams_of({data, size}));
    for (const auto& topic : watch->drain(0)) {
        (void)watch->culprit(topic);
    }
    return 0;
}
