// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "bus/names.h"
#include "daemon/apart.h"

#include <algorithm>
#include <limits>
#include <optional>

#include <fmt/format.h>

// Methods of the bus and the checks of their callers' rights.
namespace partd::daemon {

namespace {

constexpr char kPolkit[] = "org.freedesktop.PolicyKit1";

const char* action_of(verbs::Right right) {
    switch (right) {
        case verbs::Right::Read:
            return "org.partd1.read";
        case verbs::Right::Apply:
            return "org.partd1.apply";
        case verbs::Right::ApplyText:
            return "org.partd1.apply-text";
        case verbs::Right::Manage:
            return "org.partd1.manage";
    }
    return "";
}

// Refuses with one text for all callers and objects, which does not tell what exists.
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

// The user who sent it over the system bus; nullopt where that cannot be told.
std::optional<uid_t> sender_of(sd_bus_message* message) {
    sd_bus_creds* creds = nullptr;
    uid_t uid = 0;
    const bool known = sd_bus_query_sender_creds(message, SD_BUS_CREDS_EUID, &creds) >= 0 &&
                       sd_bus_creds_get_euid(creds, &uid) >= 0;
    sd_bus_creds_unref(creds);
    return known ? std::optional(uid) : std::nullopt;
}

bool is_root(sd_bus_message* message) {
    return sender_of(message) == uid_t{0};
}

// Calls that wait for polkit's word are kept that long.
constexpr std::size_t kMostAsking = 32;

bool is_large(sd_bus_message* message) {
    constexpr std::size_t kMost = std::size_t{2} << 20;
    std::size_t size = 0;
    if (const auto request = bus::read_request(message)) {
        size += request->extra ? request->extra->text.size() : 0;
        for (const TextFile& file : request->files) {
            size += file.path.size() + file.text.size();
        }
    }
    (void)sd_bus_message_rewind(message, 1);
    return size > kMost;
}

bool brings_text(const verbs::Request& request) {
    return request.extra || !request.files.empty() || !request.unreadable.empty();
}

}  // namespace

struct Server::Pending {
    Client* client;
    sd_bus_message* message;
    ~Pending() {
        --client->server->asking_;
        sd_bus_message_unref(message);
    }
    Pending(Client* who, sd_bus_message* what) : client(who), message(sd_bus_message_ref(what)) {
        ++client->server->asking_;
    }
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

// Methods of the bus itself that a client expects, on a connection without one: enough for busctl(1).
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

int Server::on_method(sd_bus_message* message, void* data, sd_bus_error*) {
    auto& client = *static_cast<Client*>(data);
    const verbs::Verb* verb = verb_of(message);
    const verbs::Right right = bus::brings_text(message) ? verbs::Right::ApplyText : verb->right;
    if (client.system && !is_root(message)) {
        return client.server->ask_polkit(client, message, right);
    }
    if (!client.system && !client.root && right != verbs::Right::Read) {
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
    const auto caller = client.system ? sender_of(message) : client.uid;
    request->origin =
        fmt::format("partctl {} by {}", verb->name, caller ? fmt::format("uid {}", *caller) : "somebody");
    request->reader = caller != uid_t{0};
    if (caller != uid_t{0} && verb->right == verbs::Right::Read && brings_text(*request)) {
        constexpr uid_t kUnknown = std::numeric_limits<uid_t>::max();
        return answer_apart(client, message, *verb, *request, caller.value_or(kUnknown));
    }
    return reply(message, service_.call(*verb, *request));
}

int Server::reply(sd_bus_message* message, verbs::Answer answer) {
    answer.out = valid_utf8(answer.out);
    answer.err = valid_utf8(answer.err);
    sd_bus_message* returned = nullptr;
    int result = sd_bus_message_new_method_return(message, &returned);
    result = result < 0 ? result : bus::append(returned, answer);
    result = result < 0 ? result : sd_bus_send(nullptr, returned, nullptr);
    sd_bus_message_unref(returned);
    return result;
}

int Server::ask_polkit(Client& client, sd_bus_message* message, verbs::Right right) {
    if (asking_ >= kMostAsking || is_large(message)) {
        return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_LIMITS_EXCEEDED, "%s",
                                          "too many ask, or with too large a text");
    }
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
