// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/server.h"
#include "kernel/child/bounded.h"

namespace partd::daemon {

// A call whose text others wrote: it is read and compiled by a process of its own.
struct Server::Apart {
    Server* server = nullptr;
    Client* client = nullptr;
    uid_t caller = 0;
    sd_bus_message* message = nullptr;
    kernel::BoundedWork work;
    verbs::Request asked = {};  // its name and form alone
    sd_event_source* done = nullptr;
    sd_event_source* late = nullptr;

    Apart(Client& who, uid_t uid, sd_bus_message* what, kernel::BoundedWork started)
        : server(who.server),
          client(&who),
          caller(uid),
          message(sd_bus_message_ref(what)),
          work(std::move(started)) {}
    ~Apart() {
        sd_event_source_disable_unref(done);
        sd_event_source_disable_unref(late);
        sd_bus_message_unref(message);
    }
    Apart(const Apart&) = delete;
    Apart& operator=(const Apart&) = delete;
};

}  // namespace partd::daemon
