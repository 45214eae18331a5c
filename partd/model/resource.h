// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/source.h"
#include "model/field.h"
#include "model/phase.h"

#include <concepts>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace partd {

struct Kind;

// The name of a resource: its kind and a name that is unique within the kind.
struct Key {
    const Kind* kind = nullptr;
    std::string name = {};

    // "link web/eth0".
    [[nodiscard]] std::string text() const;
    bool operator==(const Key&) const = default;
};

struct KeyHash {
    std::size_t operator()(const Key& key) const {
        return std::hash<std::string>()(key.name) ^ std::hash<const void*>()(key.kind);
    }
};

// An immutable struct with a table, whatever its type: copies share it.
class Spec {
public:
    Spec() = default;
    template <Tabled T>
    explicit Spec(T value)
        : table_(&T::table), data_(std::make_shared<const T>(std::move(value))), does_(&kDoes<T>) {}

    template <Tabled T>
    [[nodiscard]] const T& as() const {
        if (table_ != &T::table) {
            std::abort();  // the bytes of another type are nothing that could be gone on with
        }
        return *static_cast<const T*>(data_.get());
    }
    template <Tabled T>
    [[nodiscard]] bool is() const {
        return table_ == &T::table;
    }
    [[nodiscard]] const Table& table() const { return *table_; }
    [[nodiscard]] const void* data() const { return data_.get(); }
    explicit operator bool() const { return data_ != nullptr; }
    // A copy that has this value in that field; the same when the field cannot take it.
    [[nodiscard]] Spec with(const Field& field, const Value& value) const;
    // True if both have the same type and equal members, those that no field shows included; false for a type
    // that cannot be compared.
    [[nodiscard]] bool operator==(const Spec& other) const {
        return table_ == other.table_ &&
               (data_ == other.data_ || does_->equal(data_.get(), other.data_.get()));
    }

private:
    // The operations on a value whose static type is erased.
    struct Does {
        std::shared_ptr<void> (*copy)(const void*);
        bool (*equal)(const void*, const void*);
    };
    template <class T>
    static std::shared_ptr<void> copy(const void* data) {
        return std::make_shared<T>(*static_cast<const T*>(data));
    }
    template <class T>
    static bool equal(const void* one, const void* other) {
        if constexpr (std::equality_comparable<T>) {
            return *static_cast<const T*>(one) == *static_cast<const T*>(other);
        }
        return false;
    }
    template <class T>
    static constexpr Does kDoes = {&copy<T>, &equal<T>};

    const Table* table_ = nullptr;
    std::shared_ptr<const void> data_;
    const Does* does_ = nullptr;
};

// Whose an observed object is.
enum class Ownership : std::uint8_t {
    Ours,
    Foreign,  // it has a wanted name but was made by somebody else: never touched
};

// One object of the kernel, as a file wants it or as the host has it.
struct Resource {
    Key key = {};
    Spec spec = {};
    std::string owner = {};              // the partition or slice that declares it; "" for what several share
    Source source = {};                  // of the declaration; nowhere for what was only observed
    Places places = {};                  // of its fields
    std::vector<Key> depends_on = {};    // must be there before it, and go after it
    std::vector<Key> precedes = {};      // of wanted ones: needs, said from the other side
    std::optional<Phase> phase = {};     // where it is not its kind's
    std::vector<Key> contained_in = {};  // containers: when one of these goes, the kernel takes this along
    std::vector<std::string> exclusive_names = {};  // names that only one object of the host can have

    // Of observed ones:
    Ownership ownership = Ownership::Ours;
    bool kept = false;  // everything of its owner stays when no file declares it any more
    bool pending_mark =
        false;            // an intention to make it is enough without a mark: it is marked after it is made
    bool marked = false;  // the kernel holds our mark on it
    std::string holder = {};  // of a foreign one: what it is, for the message
    std::string identity =
        {};  // the kernel's own name for this very object (netns cookie, ifindex), for the ledger
};

// The whole host, as wanted or as found. Resources stay in the order in which they came.
class State {
public:
    // Adds it; returns the one that has this key already instead, if there is one.
    Resource& add(Resource resource);
    [[nodiscard]] const Resource* find(const Key& key) const;
    Resource* find(const Key& key);
    // Takes these out; the others stay in their order.
    void erase(std::span<const Key> keys);
    [[nodiscard]] const std::deque<Resource>& all() const { return resources_; }
    std::deque<Resource>& all() { return resources_; }

    // In a wanted state: files or directories that are wrong or unreadable and have no last good version. The
    // objects that they declare are not among the resources.
    std::set<std::string> left_out = {};

private:
    // Where a resource stands, found by its key's hash: open addressing, a power of two of slots, at most
    // half of them taken. A look asks for hundreds of thousands of keys.
    struct Slot {
        std::uint32_t hash = 0;
        std::uint32_t place = 0;  // in resources_, from 1; 0 is a free slot
    };

    [[nodiscard]] std::size_t slot_of(const Key& key, std::uint32_t hash) const;
    void grow();

    std::deque<Resource> resources_;
    std::vector<Slot> slots_;
};

}  // namespace partd
