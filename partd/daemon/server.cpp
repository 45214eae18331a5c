// SPDX-License-Identifier: Apache-2.0
#include "daemon/server.h"

#include "base/log.h"
#include "base/text.h"
#include "bus/names.h"
#include "daemon/apart.h"
#include "daemon/visit.h"
#include "kernel/survey.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

namespace partd::daemon {

namespace {

// Connections at a time; half of them may be others' than root's. Descriptors are for the host first.
constexpr std::size_t kMostClients = 128;
constexpr std::size_t kClientsShare = 8;
constexpr std::ptrdiff_t kMostOfOne = 16;  // of one user
// Messages that a client lets lie before it is told goodbye.
constexpr std::uint64_t kMostUnread = 512;

constexpr char kGroup[] = "partd";
constexpr std::uint64_t kPolkitPatience = 5ULL * 60 * 1'000'000;  // somebody types a password

}  // namespace

Server::Server(sd_event* event, Service& service) : event_(event), service_(service) {}

Result<std::unique_ptr<Server>> Server::open(sd_event* event, Service& service, const std::string& path,
                                             bool system_bus) {
    std::unique_ptr<Server> server(new Server(event, service));
    PARTD_TRY(server->listen(path));
    server->wants_system_bus_ = system_bus;
    server->check_system_bus();
    return server;
}

void Server::check_system_bus() {
    sweep();
    if (wants_system_bus_ && std::ranges::none_of(clients_, &Client::system)) {
        join_system_bus();
    }
}

Server::~Server() {
    sd_event_source_disable_unref(rejoin_);
    sd_event_source_unref(source_);
    apart_.clear();
    for (Client& client : clients_) {
        sd_event_source_disable_unref(client.rest);
        sd_bus_flush_close_unref(client.bus);
    }
}

Result<> Server::listen(const std::string& path) {
    listener_ = kernel::inherited_listener();
    if (!listener_) {
        auto fd = kernel::listen_at(path, kGroup);
        PARTD_TRY(fd);
        listener_ = std::move(*fd);
    }
    spare_ = kernel::spare_descriptor();
    const int result = sd_event_add_io(event_, &source_, listener_.get(), EPOLLIN, on_connection, this);
    return result < 0 ? Result<>(fail(-result, "listen at " + path)) : Result<>();
}

// The bus may come later than we do, and go: the connection is made when there is one.
void Server::join_system_bus() {
    Client& client = clients_.emplace_front(Client{.system = true, .server = this});
    int result = sd_bus_new(&client.bus);
    result = result < 0 ? result : sd_bus_set_address(client.bus, "unix:path=/run/dbus/system_bus_socket");
    result = result < 0 ? result : sd_bus_set_bus_client(client.bus, 1);
    result = result < 0 ? result : sd_bus_set_watch_bind(client.bus, 1);
    result = result < 0 ? result : sd_bus_set_method_call_timeout(client.bus, kPolkitPatience);
    result = result < 0 ? result : sd_bus_start(client.bus);
    result = result < 0 ? result
                        : sd_bus_add_object_vtable(client.bus, nullptr, bus::kPath, bus::kInterface,
                                                   vtable().data(), &client);
    result = result < 0 ? result : match_disconnected(client);
    result = result < 0 ? result
                        : sd_bus_request_name_async(client.bus, nullptr, bus::kService, SD_BUS_NAME_QUEUE,
                                                    on_name, &client);
    result = result < 0 ? result : sd_bus_attach_event(client.bus, event_, kAfterAllElse);
    if (result < 0) {
        log_error(fmt::format("no system bus: {}", errno_text(-result)));
        drop(client);
        sweep();
        join_later();
    }
}

// The bus went away, or does not let us be what we are: again in a while, at most a minute. sd-bus itself
// waits for a bus that is not there.
void Server::join_later() {
    constexpr std::uint64_t kMost = 60'000'000;
    rejoin_ = sd_event_source_disable_unref(rejoin_);
    if (sd_event_add_time_relative(event_, &rejoin_, CLOCK_BOOTTIME, rejoin_after_, 0, on_time_to_join,
                                   this) < 0) {
        log_error("no system bus until the next resync: there is no timer for it");
    }
    rejoin_after_ = std::min(rejoin_after_ * 2, kMost);
}

int Server::on_time_to_join(sd_event_source*, std::uint64_t, void* server) {
    static_cast<Server*>(server)->check_system_bus();
    return 0;
}

void Server::note_name(std::string trouble) {
    if (trouble != name_trouble_ && !trouble.empty()) {
        log_error(fmt::format("{} on the system bus is not partd's, callers do not reach it there: {}",
                              bus::kService, printable(trouble)));
    }
    name_trouble_ = std::move(trouble);
}

// Without this sd-bus closes the connection of whoever does not get the name.
int Server::on_name(sd_bus_message* reply, void* data, sd_bus_error*) {
    constexpr std::uint32_t kInQueue = 2;  // DBUS_REQUEST_NAME_REPLY_IN_QUEUE
    auto& client = *static_cast<Client*>(data);
    Server& server = *client.server;
    std::uint32_t result = 0;
    if (sd_bus_message_is_method_error(reply, nullptr) > 0) {
        if (!client.dead && sd_bus_is_open(client.bus) > 0) {
            server.note_name(errno_text(sd_bus_message_get_errno(reply)));
        }
        server.drop(client);
        server.join_later();
    } else if (sd_bus_message_read_basic(reply, 'u', &result) > 0) {
        server.rejoin_after_ = kRejoinFirst;
        server.note_name(result == kInQueue ? "another program has it; partd takes it when that one lets go"
                                            : "");
    }
    return 1;
}

int Server::on_connection(sd_event_source*, int, std::uint32_t, void* server) {
    static_cast<Server*>(server)->accept();
    return 0;
}

void Server::accept() {
    sweep();
    const std::size_t most = std::min<std::size_t>(kMostClients, kernel::most_descriptors() / kClientsShare);
    while (true) {
        auto connection = kernel::accept_connection(listener_.get());
        if (!connection) {
            const int code = connection.error().code;
            // One that nobody takes would wake us again and again.
            if ((code == EMFILE || code == ENFILE) && kernel::turn_away(listener_.get(), spare_)) {
                continue;
            }
            break;
        }
        const uid_t uid = kernel::peer_of(*connection);
        const auto others = std::ranges::count_if(
            clients_, [](const Client& client) { return !client.root && !client.system; });
        const auto of_his = std::ranges::count_if(
            clients_, [&](const Client& client) { return client.uid == uid && !client.system; });
        if (clients_.size() >= most ||
            (uid != 0 && (static_cast<std::size_t>(others) >= most / 2 || of_his >= kMostOfOne))) {
            const Fd closed(*connection);
            continue;
        }
        Client& client = clients_.emplace_back(Client{.uid = uid, .root = uid == 0, .server = this});
        if (const int result = add(client, *connection); result < 0) {
            log_detail(fmt::format("a connection failed: {}", errno_text(-result)));
            drop(client);
        }
    }
    sweep();
}

int Server::set_connection(Client& client, int connection) {
    int input = connection;
    int result = sd_bus_new(&client.bus);
    if (!client.root && result >= 0) {
        input = start_visit(client, connection);
        result = input < 0 ? input : sd_bus_set_anonymous(client.bus, 1);  // the kernel has said who it is
    }
    result = result < 0 ? result : sd_bus_set_fd(client.bus, input, connection);
    if (result < 0) {
        const Fd closed(connection);
        const Fd other(input == connection ? -1 : input);
    }
    return result;
}

int Server::add(Client& client, int connection) {
    sd_id128_t id{};
    int result = set_connection(client, connection);
    result = result < 0 ? result : sd_id128_randomize(&id);
    result = result < 0 ? result : sd_bus_set_server(client.bus, 1, id);
    result = result < 0 ? result : sd_bus_set_sender(client.bus, bus::kService);
    result = result < 0 ? result : sd_bus_set_connected_signal(client.bus, 1);
    result = result < 0 ? result : sd_bus_start(client.bus);
    result = result < 0 ? result : match_disconnected(client);
    result = result < 0 ? result : match_connected(client);
    result = result < 0 ? result : sd_bus_add_filter(client.bus, nullptr, on_message, &client);
    result = result < 0 ? result
                        : sd_bus_add_object_vtable(client.bus, nullptr, bus::kPath, bus::kInterface,
                                                   vtable().data(), &client);
    result = result < 0 ? result
                        : sd_bus_add_object_vtable(client.bus, nullptr, "/org/freedesktop/DBus",
                                                   "org.freedesktop.DBus", kBusVtable, &client);
    return result < 0 ? result
                      : sd_bus_attach_event(client.bus, event_,
                                            client.root ? SD_EVENT_PRIORITY_NORMAL : kAfterAllElse);
}

int Server::match_disconnected(Client& client) {
    return sd_bus_match_signal(client.bus, nullptr, nullptr, "/org/freedesktop/DBus/Local",
                               "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, &client);
}

// Wakes up at the end of a client's handshake: sd-bus has read data sent along with it, but does not look at
// them until more comes. libdbus and GDBus send their first call so.
int Server::match_connected(Client& client) {
    return sd_bus_match_signal(client.bus, nullptr, nullptr, "/org/freedesktop/DBus/Local",
                               "org.freedesktop.DBus.Local", "Connected", on_connected, &client);
}

int Server::on_message(sd_bus_message* message, void* data, sd_bus_error*) {
    auto& client = *static_cast<Client*>(data);
    client.greeted |= sd_bus_message_is_method_call(message, nullptr, nullptr) > 0;
    const bool own = sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", nullptr) > 0;
    if (client.visit != nullptr && !own) {
        client.visit->heard();
        client.server->go_on_with(client.uid);
    }
    return 0;
}

int Server::on_connected(sd_bus_message*, void* data, sd_bus_error*) {
    auto& client = *static_cast<Client*>(data);
    if (client.visit != nullptr) {
        client.visit->connected();
        return 0;
    }
    return std::min(0, sd_event_add_defer(client.server->event_, &client.rest, on_rest, &client));
}

int Server::on_rest(sd_event_source*, void* data) {
    constexpr int kMost = 64;  // the buffer that reads a handshake holds no more
    sd_bus* const bus = sd_bus_ref(static_cast<Client*>(data)->bus);
    int result = 1;
    for (int i = 0; i < kMost && result > 0; ++i) {
        result = sd_bus_process(bus, nullptr);
    }
    if (result < 0) {
        sd_bus_close(bus);
    }
    sd_bus_unref(bus);
    return 0;
}

void Server::drop(Client& client) {
    client.dead = true;
    go_on_with(client.uid);
}

// Frees dead clients; called when nothing works with them.
void Server::sweep() {
    std::erase_if(clients_, [this](Client& client) {
        client.dead |= !client.system && sd_bus_is_open(client.bus) <= 0;
        if (client.dead) {
            go_on_with(client.uid);
            apart_.remove_if([&](const Apart& apart) { return apart.client == &client; });
            sd_event_source_disable_unref(client.rest);
            sd_bus_close_unref(client.bus);
        }
        return client.dead;
    });
}

template <class Each>
void Server::for_clients(Each each) {
    sweep();
    for (Client& client : clients_) {
        std::uint64_t unread = 0;
        if (!client.system && sd_bus_get_n_queued_write(client.bus, &unread) >= 0 && unread > kMostUnread) {
            drop(client);
        } else if (!client.dead && sd_bus_is_ready(client.bus) > 0 && (client.system || client.greeted)) {
            each(client);
        }
    }
    sweep();
}

// Everybody hears what is said on the system bus: events and names are for the own socket.
void Server::emit(const bus::Event& event) {
    for_clients([&](Client& client) {
        if (client.system) {
            return;
        }
        sd_bus_message* signal = nullptr;
        if (sd_bus_message_new_signal(client.bus, &signal, bus::kPath, bus::kInterface, "Event") >= 0 &&
            bus::append(signal, event) >= 0) {
            (void)sd_bus_send(client.bus, signal, nullptr);
        }
        sd_bus_message_unref(signal);
    });
}

void Server::properties_changed() {
    for_clients([](Client& client) {
        if (client.system) {
            (void)sd_bus_emit_properties_changed(client.bus, bus::kPath, bus::kInterface, "State",
                                                 "Generation", nullptr);
        } else {
            (void)sd_bus_emit_properties_changed(client.bus, bus::kPath, bus::kInterface, "State",
                                                 "Generation", "Partitions", "Paused", "Contested", nullptr);
        }
    });
}

int Server::on_disconnected(sd_bus_message*, void* data, sd_bus_error*) {
    auto& client = *static_cast<Client*>(data);
    if (client.system && !client.dead) {
        client.server->join_later();
    }
    client.server->drop(client);
    return 0;
}

}  // namespace partd::daemon
