// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/resource.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace partd {

// A place in the language where an object stands, and how it is read.
struct Declaration {
    // Keys with dots; "*" stands for a name, a final "[]" for a list: "partition.*.link.*",
    // "partition.*.route[]".
    std::string_view path;
    const Table* table = nullptr;  // nullptr: known, but not supported yet
    // Of objects that share a path: the value of their key "kind" that selects this one; the first is the
    // default.
    std::string_view selector = {};
    // The object as its table reads it; an empty Spec after reporting what is wrong.
    Spec (*read)(const Table& table, const Value& value, std::span<const std::string_view> others,
                 Diagnostics& problems, Places* places) = nullptr;
    // Its schema where the table does not tell it all (free keys).
    Value (*schema)() = nullptr;
    // The name at "*" is an interface's, else a partition's.
    bool interface_name = false;
};

template <Tabled T>
Spec read_declared(const Table& table, const Value& value, std::span<const std::string_view> others,
                   Diagnostics& problems, Places* places) {
    T object;
    return read_object(table, value, &object, others, problems, places) ? Spec(std::move(object)) : Spec();
}

template <Tabled T>
constexpr Declaration declaration(std::string_view path, std::string_view selector = {}) {
    return {.path = path,
            .table = &T::table,
            .selector = selector,
            .read = read_declared<T>,
            .interface_name = path.find(".link.") != std::string_view::npos};
}

// One object as the files declare it.
struct DeclaredObject {
    const Declaration* declaration = nullptr;
    std::string owner = {};  // the partition or slice it stands in
    std::string name = {};   // its own, where the path ends in "*"
    Spec spec = {};
    Source source = {};
    Places places = {};  // of its fields

    // Where that field was written; the object itself when it was not.
    [[nodiscard]] const Source& place(std::string_view field) const;
};

// Everything that the files declare, in the order of the files.
class Declared {
public:
    void add(DeclaredObject object);

    // All objects; those of one partition or slice.
    [[nodiscard]] std::vector<const DeclaredObject*> all() const { return order_; }
    [[nodiscard]] std::vector<const DeclaredObject*> all(std::string_view owner) const {
        const auto found = by_owner_.find(std::string(owner));
        return found == by_owner_.end() ? std::vector<const DeclaredObject*>() : found->second;
    }
    // All objects of type T.
    template <Tabled T>
    [[nodiscard]] std::vector<const DeclaredObject*> all() const {
        return of_type<T>(order_);
    }
    template <Tabled T>
    [[nodiscard]] std::vector<const DeclaredObject*> all(std::string_view owner) const {
        const auto found = by_owner_.find(std::string(owner));
        return found == by_owner_.end() ? std::vector<const DeclaredObject*>() : of_type<T>(found->second);
    }

    // All owners of declared objects; "" for the host.
    [[nodiscard]] std::set<std::string> owners() const;

private:
    template <Tabled T>
    static std::vector<const DeclaredObject*> of_type(const std::vector<const DeclaredObject*>& objects) {
        std::vector<const DeclaredObject*> found;
        std::ranges::copy_if(objects, std::back_inserter(found),
                             [](const DeclaredObject* object) { return object->spec.is<T>(); });
        return found;
    }

    std::deque<DeclaredObject> objects_;
    std::vector<const DeclaredObject*> order_;
    std::unordered_map<std::string, std::vector<const DeclaredObject*>> by_owner_;
};

// A value with the place where it was written: an element of a list.
template <class T>
struct Sourced {
    T value{};
    Source at = {};
    bool operator==(const Sourced& o) const { return value == o.value; }
};

// The place where something was written, beside a value: places are not compared.
struct Place {
    Source at = {};
    bool operator==(const Place&) const { return true; }
};

template <class T>
struct Codec<Sourced<T>> {
    static bool read(const Value& value, Sourced<T>& out, Diagnostics& problems) {
        out.at = value.source;
        return Codec<T>::read(value, out.value, problems);
    }
    static std::string text(const Sourced<T>& value) { return Codec<T>::text(value.value); }
    static Value json(const Sourced<T>& value) { return Codec<T>::json(value.value); }
    static Value schema() { return Codec<T>::schema(); }
};

}  // namespace partd
