#include "daemon/server.h"

#include "base/log.h"
#include "base/text.h"
#include "bus/names.h"
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
constexpr std::size_t kClientsShare = 4;
// Messages that a client lets lie before it is told goodbye.
constexpr std::uint64_t kMostUnread = 512;

constexpr char kGroup[] = "partd";
constexpr char kPolkit[] = "org.freedesktop.PolicyKit1";
constexpr std::uint64_t kPolkitPatience = 5ULL * 60 * 1'000'000;  // somebody types a password

const char* action_of(verbs::Right right) {
    switch (right) {
        case verbs::Right::Read:
            return "org.partd1.read";
        case verbs::Right::Apply:
            return "org.partd1.apply";
        case verbs::Right::Manage:
            return "org.partd1.manage";
    }
    return "";
}

// The same words for everybody and everything: they tell nothing about what there is.
int refuse(sd_bus_message* message) {
    return sd_bus_reply_method_errorf(message, bus::kNotPermitted, "not permitted");
}

int append_all(sd_bus_message* message, const std::vector<std::string>& texts) {
    int result = sd_bus_message_open_container(message, 'a', "s");
    for (const std::string& text : texts) {
        result = result < 0 ? result : sd_bus_message_append_basic(message, 's', text.c_str());
    }
    return result < 0 ? result : sd_bus_message_close_container(message);
}

const verbs::Verb* verb_of(sd_bus_message* message) {
    const std::string_view member = sd_bus_message_get_member(message);
    const auto all = verbs::all_verbs();
    const auto found = std::ranges::find(all, member, &verbs::Verb::method);
    return found == all.end() ? nullptr : &*found;
}

// Who is it, for the history.
std::string caller_of(sd_bus_message* message, bool system) {
    uid_t uid = 0;
    sd_bus_creds* creds = nullptr;
    const int result =
        system ? sd_bus_query_sender_creds(message, SD_BUS_CREDS_EUID, &creds)
               : sd_bus_get_owner_creds(sd_bus_message_get_bus(message), SD_BUS_CREDS_EUID, &creds);
    const bool known = result >= 0 && sd_bus_creds_get_euid(creds, &uid) >= 0;
    sd_bus_creds_unref(creds);
    return known ? fmt::format("uid {}", uid) : "somebody";
}

bool is_root(sd_bus_message* message) {
    sd_bus_creds* creds = nullptr;
    uid_t uid = 1;
    const bool known = sd_bus_query_sender_creds(message, SD_BUS_CREDS_EUID, &creds) >= 0 &&
                       sd_bus_creds_get_euid(creds, &uid) >= 0;
    sd_bus_creds_unref(creds);
    return known && uid == 0;
}

}  // namespace

struct Server::Pending {
    Client* client;
    sd_bus_message* message;
    ~Pending() { sd_bus_message_unref(message); }
    Pending(Client* who, sd_bus_message* what) : client(who), message(sd_bus_message_ref(what)) {}
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;
};

const std::vector<sd_bus_vtable>& Server::vtable() {
    static const std::vector<sd_bus_vtable> kTable = [] {
        std::vector<sd_bus_vtable> table = {SD_BUS_VTABLE_START(0)};
        for (const verbs::Verb& verb : verbs::all_verbs()) {
            table.push_back(SD_BUS_METHOD_WITH_NAMES(
                verb.method, bus::kAsked, SD_BUS_PARAM(options), bus::kAnswered,
                SD_BUS_PARAM(output) SD_BUS_PARAM(messages) SD_BUS_PARAM(exit_code) SD_BUS_PARAM(generation),
                on_method, SD_BUS_VTABLE_UNPRIVILEGED));
        }
        table.push_back(SD_BUS_METHOD("Reload", "", "", on_reload, SD_BUS_VTABLE_UNPRIVILEGED));
        table.push_back(SD_BUS_SIGNAL_WITH_NAMES("Event", bus::kEvent,
                                                 SD_BUS_PARAM(time) SD_BUS_PARAM(what) SD_BUS_PARAM(partition)
                                                     SD_BUS_PARAM(object) SD_BUS_PARAM(message),
                                                 0));
        table.push_back(SD_BUS_PROPERTY("Version", "s", get_property, 0, SD_BUS_VTABLE_PROPERTY_CONST));
        table.push_back(SD_BUS_PROPERTY("State", "s", get_property, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE));
        table.push_back(
            SD_BUS_PROPERTY("Generation", "t", get_property, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE));
        table.push_back(SD_BUS_PROPERTY("ConfirmIn", "t", get_property, 0, 0));
        for (const char* list : {"Partitions", "Paused", "Contested"}) {
            table.push_back(
                SD_BUS_PROPERTY(list, "as", get_property, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE));
        }
        table.push_back(SD_BUS_VTABLE_END);
        return table;
    }();
    return kTable;
}

// What a client of a bus expects of the bus, on a connection that has none: enough for busctl(1).
const sd_bus_vtable Server::kBusVtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Hello", "", "s", on_bus_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("AddMatch", "s", "", on_bus_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("RemoveMatch", "s", "", on_bus_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("GetNameOwner", "s", "s", on_bus_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("NameHasOwner", "s", "b", on_bus_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ListNames", "", "as", on_bus_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ListActivatableNames", "", "as", on_bus_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END};

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
    sd_event_source_unref(source_);
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
                        : sd_bus_request_name_async(client.bus, nullptr, bus::kService, 0, nullptr, nullptr);
    result = result < 0 ? result : sd_bus_attach_event(client.bus, event_, SD_EVENT_PRIORITY_NORMAL);
    if (result < 0) {
        log_error(fmt::format("no system bus: {}", errno_text(-result)));
        drop(client);
        sweep();
    }
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
        const bool root = kernel::peer_of(*connection) == 0;
        const auto others = std::ranges::count_if(
            clients_, [](const Client& client) { return !client.root && !client.system; });
        if (clients_.size() >= most || (!root && static_cast<std::size_t>(others) >= most / 2)) {
            const Fd closed(*connection);
            continue;
        }
        Client& client = clients_.emplace_back(Client{.root = root, .server = this});
        if (const int result = add(client, *connection); result < 0) {
            log_detail(fmt::format("a connection failed: {}", errno_text(-result)));
            drop(client);
        }
    }
    sweep();
}

int Server::add(Client& client, int connection) {
    sd_id128_t id{};
    int result = sd_bus_new(&client.bus);
    result = result < 0 ? result : sd_bus_set_fd(client.bus, connection, connection);
    if (result < 0) {
        const Fd closed(connection);
        return result;
    }
    result = sd_id128_randomize(&id);
    result = result < 0 ? result : sd_bus_set_server(client.bus, 1, id);
    result = result < 0 ? result : sd_bus_set_sender(client.bus, bus::kService);
    result = result < 0 ? result : sd_bus_set_connected_signal(client.bus, 1);
    result = result < 0 ? result : sd_bus_start(client.bus);
    result = result < 0 ? result : match_disconnected(client);
    result = result < 0 ? result : match_connected(client);
    result = result < 0 ? result
                        : sd_bus_add_object_vtable(client.bus, nullptr, bus::kPath, bus::kInterface,
                                                   vtable().data(), &client);
    result = result < 0 ? result
                        : sd_bus_add_object_vtable(client.bus, nullptr, "/org/freedesktop/DBus",
                                                   "org.freedesktop.DBus", kBusVtable, &client);
    return result < 0 ? result : sd_bus_attach_event(client.bus, event_, SD_EVENT_PRIORITY_NORMAL);
}

int Server::match_disconnected(Client& client) {
    return sd_bus_match_signal(client.bus, nullptr, nullptr, "/org/freedesktop/DBus/Local",
                               "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, &client);
}

// What a client sends along with the end of its handshake, sd-bus has read but does not look at until more
// comes: libdbus and GDBus send their first call so.
int Server::match_connected(Client& client) {
    return sd_bus_match_signal(client.bus, nullptr, nullptr, "/org/freedesktop/DBus/Local",
                               "org.freedesktop.DBus.Local", "Connected", on_connected, &client);
}

int Server::on_connected(sd_bus_message*, void* data, sd_bus_error*) {
    auto& client = *static_cast<Client*>(data);
    return std::min(0, sd_event_add_defer(client.server->event_, &client.rest, on_rest, &client));
}

int Server::on_rest(sd_event_source*, void* data) {
    constexpr int kMost = 64;  // what a handshake is read with holds no more
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
}

// What is dead is taken away when nobody works with it.
void Server::sweep() {
    std::erase_if(clients_, [](Client& client) {
        client.dead |= !client.system && sd_bus_is_open(client.bus) <= 0;
        if (client.dead) {
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
        } else if (!client.dead && sd_bus_is_ready(client.bus) > 0) {
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
    client.server->drop(client);
    return 0;
}

int Server::on_method(sd_bus_message* message, void* data, sd_bus_error*) {
    auto& client = *static_cast<Client*>(data);
    const verbs::Verb* verb = verb_of(message);
    if (client.system && !is_root(message)) {
        return client.server->ask_polkit(client, message, verb->right);
    }
    if (!client.system && !client.root && verb->right != verbs::Right::Read) {
        return refuse(message);
    }
    return client.server->answer(client, message, verb);
}

int Server::on_reload(sd_bus_message* message, void* data, sd_bus_error*) {
    auto& client = *static_cast<Client*>(data);
    if (client.system && !is_root(message)) {
        return client.server->ask_polkit(client, message, verbs::Right::Apply);
    }
    if (!client.system && !client.root) {
        return refuse(message);
    }
    return client.server->answer(client, message, nullptr);
}

int Server::answer(Client& client, sd_bus_message* message, const verbs::Verb* verb) {
    if (verb == nullptr) {
        service_.reload();
        return sd_bus_reply_method_return(message, "");
    }
    auto request = bus::read_request(message);
    if (!request) {
        return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_INVALID_ARGS, "%s",
                                          printable(request.error().message).c_str());
    }
    request->origin = fmt::format("partctl {} by {}", verb->name, caller_of(message, client.system));
    verbs::Answer answer = service_.call(*verb, *request);
    answer.out = valid_utf8(answer.out);
    answer.err = valid_utf8(answer.err);
    sd_bus_message* reply = nullptr;
    int result = sd_bus_message_new_method_return(message, &reply);
    result = result < 0 ? result : bus::append(reply, answer);
    result = result < 0 ? result : sd_bus_send(nullptr, reply, nullptr);
    sd_bus_message_unref(reply);
    return result;
}

int Server::ask_polkit(Client& client, sd_bus_message* message, verbs::Right right) {
    auto pending = std::make_unique<Pending>(&client, message);
    const std::uint32_t interactive = sd_bus_message_get_allow_interactive_authorization(message) > 0 ? 1 : 0;
    const int result =
        sd_bus_call_method_async(client.bus, nullptr, kPolkit, "/org/freedesktop/PolicyKit1/Authority",
                                 "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization", on_polkit,
                                 pending.get(), "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s",
                                 sd_bus_message_get_sender(message), action_of(right), 0, interactive, "");
    if (result < 0) {
        return refuse(message);
    }
    (void)pending.release();  // on_polkit has it
    return 1;
}

int Server::on_polkit(sd_bus_message* reply, void* data, sd_bus_error*) {
    const std::unique_ptr<Pending> pending(static_cast<Pending*>(data));
    int authorized = 0;
    int challenge = 0;
    const bool allowed = sd_bus_message_is_method_error(reply, nullptr) == 0 &&
                         sd_bus_message_enter_container(reply, 'r', "bba{ss}") > 0 &&
                         sd_bus_message_read(reply, "bb", &authorized, &challenge) > 0 && authorized != 0;
    if (!allowed) {
        return refuse(pending->message);
    }
    return pending->client->server->answer(*pending->client, pending->message, verb_of(pending->message));
}

int Server::on_bus_method(sd_bus_message* message, void*, sd_bus_error*) {
    const std::string_view member = sd_bus_message_get_member(message);
    constexpr char kUniqueName[] = ":1.1";
    if (member == "Hello" || member == "GetNameOwner") {
        return sd_bus_reply_method_return(message, "s", kUniqueName);
    }
    if (member == "NameHasOwner") {
        return sd_bus_reply_method_return(message, "b", 1);
    }
    if (member == "ListNames") {
        return sd_bus_reply_method_return(message, "as", 2, "org.freedesktop.DBus", bus::kService);
    }
    return member == "ListActivatableNames" ? sd_bus_reply_method_return(message, "as", 0)
                                            : sd_bus_reply_method_return(message, "");
}

int Server::get_property(sd_bus*, const char*, const char*, const char* property, sd_bus_message* reply,
                         void* data, sd_bus_error* error) {
    const Client& client = *static_cast<Client*>(data);
    const Service& service = client.server->service_;
    const std::string_view name = property;
    const bool names_somebody = name == "Partitions" || name == "Paused" || name == "Contested";
    sd_bus_message* asked = sd_bus_get_current_message(client.bus);
    if (client.system && names_somebody && (asked == nullptr || !is_root(asked))) {
        return sd_bus_error_set(error, bus::kNotPermitted, "not permitted");
    }
    if (name == "Version") {
        return sd_bus_message_append(reply, "s", PARTD_VERSION);
    }
    if (name == "State") {
        return sd_bus_message_append(reply, "s", service.state().c_str());
    }
    if (name == "Generation" || name == "ConfirmIn") {
        return sd_bus_message_append(reply, "t",
                                     name == "Generation" ? service.generation() : service.confirm_in());
    }
    return append_all(reply, name == "Partitions" ? service.partitions()
                             : name == "Paused"   ? service.paused()
                                                  : service.contested());
}

}  // namespace partd::daemon
