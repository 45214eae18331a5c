// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/link/type.h"

#include <linux/rtnetlink.h>

namespace partd::link {

// Parts of requests about one interface (rtnetlink(7)).

// `up` counts only with `change_up`.
ifinfomsg header(int index, bool up, bool change_up);
// Adds the attributes of that end that a request can say and that differ from `found`, a link of its type;
// those in IFLA_INFO_DATA are `of_type`. Returns how many there were.
int put_attributes(kernel::Message& message, const Spec& link, Side side, bool of_type, const void* found);
// The end's mark, and behind it the user's alias.
std::string full_alias(const LinkEnd& end);

// Whole requests.
kernel::Message set_alias(int index, const LinkEnd& end);
kernel::Message set_up(int index, bool up);
// Adds or removes an alternative name (RTM_NEWLINKPROP, RTM_DELLINKPROP).
kernel::Message altname_request(std::uint16_t type, std::uint16_t flags, int index,
                                const std::string& altname);
kernel::Message add_altname(int index, const std::string& altname);

// An end, and where it is to be made.
struct Place {
    const LinkEnd* end;
    kernel::Netns* netns;
    int index;
};
// The whole link in one request, all names and all namespaces: nothing is ever seen under another name or in
// another place. `parent`: the index of its lower link, in the namespace of the socket that sends it; 0 for
// none.
kernel::Message create_request(const Spec& link, std::span<const Place> places, int parent);

// Changes the attributes of its type that differ from `found`; nullopt when none does. `parent` as above.
std::optional<kernel::Message> change_request(int index, const Spec& link, Side side, const void* found,
                                              int parent);

}  // namespace partd::link
