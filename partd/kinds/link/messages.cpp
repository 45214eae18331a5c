// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/messages.h"

#include <linux/if.h>
#include <linux/if_link.h>
#include <sys/socket.h>

namespace partd::link {

using kernel::Message;

ifinfomsg header(int index, bool up, bool change_up) {
    return {.ifi_family = AF_UNSPEC,
            .__ifi_pad = 0,
            .ifi_type = 0,
            .ifi_index = index,
            .ifi_flags = up ? unsigned{IFF_UP} : 0U,
            .ifi_change = change_up ? unsigned{IFF_UP} : 0U};
}

int put_attributes(Message& message, const Spec& link, Side side, bool of_type, const void* found) {
    int count = 0;
    for (const Attribute& each : type_of(link)->attributes) {
        if (each.put != nullptr && each.side == side && each.of_type == of_type &&
            !each.field.same(link.data(), found)) {
            each.put(message, link.data());
            ++count;
        }
    }
    return count;
}

std::string full_alias(const LinkEnd& end) {
    return end.alias && !end.alias->empty() ? end.mark + " " + *end.alias : end.mark;
}

Message set_alias(int index, const LinkEnd& end) {
    Message message(RTM_SETLINK, 0);
    message.head(header(index, false, false)).text(IFLA_IFALIAS, full_alias(end));
    return message;
}

Message set_up(int index, bool up) {
    Message message(RTM_SETLINK, 0);
    message.head(header(index, up, true));
    return message;
}

Message altname_request(std::uint16_t type, std::uint16_t flags, int index, const std::string& altname) {
    Message message(type, flags);
    message.head(header(index, false, false));
    const auto list = message.open(IFLA_PROP_LIST);
    message.text(IFLA_ALT_IFNAME, altname);
    message.close(list);
    return message;
}

Message add_altname(int index, const std::string& altname) {
    return altname_request(RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_APPEND | NLM_F_EXCL, index, altname);
}

}  // namespace partd::link
