// SPDX-License-Identifier: Apache-2.0
#include "engine/io/gguf.h"

#include "engine/core/check.h"
#include "engine/core/error.h"
#include "engine/io/gguf_reader.h"
#include "engine/io/mapped_file.h"
#include "engine/text/utf8.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace lathe {

namespace {

constexpr std::uint32_t kMagic = 0x46554747; // "GGUF"
constexpr std::uint32_t kMaxAxes = 4;
constexpr std::int64_t kDefaultAlignment = 32;
constexpr std::int64_t kMaxAlignment = std::int64_t{1} << 20;

/// What the tensor table says of one tensor, before the data section is known.
struct TableRow {
    std::string name;
    std::vector<std::int64_t> extents; ///< rows first
    const GgufType* type = nullptr;
    std::uint64_t offset = 0;
};

TableRow readTableRow(GgufReader& reader, const std::string& file) {
    TableRow row;
    row.name = reader.text("the name of a tensor");
    const std::string where = file + ": tensor '" + printable(row.name) + "'";
    const auto axes = reader.integer<std::uint32_t>(row.name);
    if (axes > kMaxAxes) {
        throw FormatError(
            where + " claims " + std::to_string(axes) + " axes, at most " +
            std::to_string(kMaxAxes) + " are possible");
    }
    for (std::uint32_t axis = 0; axis < axes; ++axis) {
        const auto extent = reader.integer<std::int64_t>(row.name);
        if (extent < 0) {
            throw FormatError(
                where + " claims " + std::to_string(static_cast<std::uint64_t>(extent)) +
                " elements along one axis");
        }
        // Dimensions are stored fastest first.
        row.extents.insert(row.extents.begin(), extent);
    }
    const auto type = reader.integer<std::uint32_t>(row.name);
    row.type = findGgufType(type);
    if (row.type == nullptr || !row.type->readable) {
        throw Unsupported(
            where + " is stored as " +
            (row.type != nullptr ? std::string(row.type->name) : "type " + std::to_string(type)) +
            ", which cannot be read; readable are " + readableGgufTypes());
    }
    row.offset = reader.integer<std::uint64_t>(row.name);
    return row;
}

/// Bytes of the tensor's blocks. @throws FormatError when rows are no multiple of the block or the
/// product does not fit.
std::size_t storedBytes(const TableRow& row, const std::string& where) {
    const std::int64_t rowElements = row.extents.empty() ? 1 : row.extents.back();
    if (rowElements % row.type->blockElements != 0) {
        throw FormatError(
            where + ": rows of " + std::to_string(rowElements) + " are no multiple of the " +
            std::to_string(row.type->blockElements) + " elements of a " +
            std::string(row.type->name) + " block");
    }
    std::optional<std::int64_t> elements = 1;
    bool empty = false;
    for (const std::int64_t extent : row.extents) {
        empty = empty || extent == 0;
        elements =
            elements ? checkedProduct(*elements, std::max<std::int64_t>(extent, 1)) : std::nullopt;
    }
    // Widened elements must be countable too: 8 bytes is the largest.
    if (!elements || !checkedProduct<std::int64_t>(*elements, 8)) {
        throw FormatError(where + ": the product of its axes does not fit in 64 bits");
    }
    if (empty) {
        return 0;
    }
    return static_cast<std::size_t>(*elements / row.type->blockElements) * row.type->blockBytes;
}

/// A tensor without elements may still claim extents that no shape can have.
Shape shapeOf(const TableRow& row, const std::string& where) {
    try {
        return Shape{std::span<const std::int64_t>(row.extents)};
    } catch (Error& error) {
        std::string extents;
        for (const std::int64_t extent : row.extents) {
            extents += (extents.empty() ? "" : ", ") + std::to_string(extent);
        }
        error.addContext(where + " is [" + extents + "]");
        throw;
    }
}

std::size_t alignedUp(std::size_t value, std::size_t alignment) {
    return (value + alignment - 1) / alignment * alignment;
}

std::size_t readAlignment(const GgufFile& file) {
    const std::int64_t alignment = file.integer("general.alignment").value_or(kDefaultAlignment);
    if (alignment <= 0 || alignment > kMaxAlignment ||
        !std::has_single_bit(static_cast<std::uint64_t>(alignment))) {
        throw FormatError(
            file.name() + ": general.alignment is " + std::to_string(alignment) +
            ", not a power of two up to " + std::to_string(kMaxAlignment));
    }
    return static_cast<std::size_t>(alignment);
}

void checkRange(
    const TableRow& row, std::size_t bytes, std::size_t dataBytes, const std::string& where) {
    const std::optional<std::uint64_t> end =
        checkedSum(row.offset, static_cast<std::uint64_t>(bytes));
    if (!end || *end > dataBytes) {
        throw FormatError(
            where + " claims " + std::to_string(bytes) + " bytes at " + std::to_string(row.offset) +
            ", but the file holds only " + std::to_string(dataBytes) +
            " after the header; the file is truncated or damaged");
    }
}

/// No byte belongs to two tensors, and nothing but padding follows the last.
void checkLayout(const GgufFile& file, std::size_t dataStart, std::size_t alignment) {
    std::vector<std::pair<const std::string*, const GgufFile::Entry*>> order;
    for (const auto& [name, entry] : file.entries()) {
        if (entry.bytes > 0) {
            order.emplace_back(&name, &entry);
        }
    }
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
        return a.second->offset < b.second->offset;
    });
    std::size_t covered = dataStart;
    const std::string* last = nullptr;
    for (const auto& [name, entry] : order) {
        if (entry->offset < covered) {
            throw FormatError(
                file.name() + ": tensors '" + printable(*last) + "' and '" + printable(*name) +
                "' overlap in bytes " + std::to_string(entry->offset) + ".." +
                std::to_string(covered));
        }
        covered = entry->offset + entry->bytes;
        last = name;
    }
    if (file.fileBytes() > alignedUp(covered, alignment) && last != nullptr) {
        throw FormatError(
            file.name() + ": the last tensor '" + printable(*last) + "' ends at byte " +
            std::to_string(covered) + ", but the file holds " + std::to_string(file.fileBytes()) +
            "; the file is oversized or damaged");
    }
}

/// Reads magic and version. @throws FormatError, Unsupported.
void readPreamble(GgufReader& reader, const std::string& name) {
    if (reader.integer<std::uint32_t>("the magic number") != kMagic) {
        throw FormatError(name + ": does not begin with 'GGUF'; this is no GGUF file");
    }
    const auto version = reader.integer<std::uint32_t>("the version");
    if (version == 2 || version == 3) {
        return;
    }
    const bool swapped = version != 0 && (version & 0xFFFFU) == 0;
    throw Unsupported(
        name + (swapped ? ": is a big-endian GGUF file; only little-endian ones can be read"
                        : ": is GGUF version " + std::to_string(version) +
                              "; versions 2 and 3 can be read"));
}

} // namespace

GgufFile GgufFile::open(const std::filesystem::path& path) {
    return parse(mapFile(path), path.filename().string());
}

GgufFile GgufFile::parse(std::shared_ptr<Storage> storage, const std::string& name) {
    GgufFile file;
    file.m_name = name;
    file.m_storage = std::move(storage);
    const std::size_t fileBytes = file.m_storage->bytes();
    GgufReader reader({file.m_storage->data(), fileBytes}, file.m_name);
    readPreamble(reader, name);
    const auto tensorCount = reader.integer<std::uint64_t>("the number of tensors");
    const auto keyCount = reader.integer<std::uint64_t>("the number of keys");
    for (std::uint64_t i = 0; i < keyCount; ++i) {
        std::string key = reader.text("a key");
        GgufValue value = reader.value(key);
        if (!file.m_keys.emplace(key, std::move(value)).second) {
            throw FormatError(name + ": key '" + printable(key) + "' occurs twice");
        }
    }
    std::vector<TableRow> rows;
    for (std::uint64_t i = 0; i < tensorCount; ++i) {
        rows.push_back(readTableRow(reader, name));
    }
    const std::size_t alignment = readAlignment(file);
    const std::size_t dataStart = std::min(alignedUp(reader.position(), alignment), fileBytes);
    for (const TableRow& row : rows) {
        const std::string where = name + ": tensor '" + printable(row.name) + "'";
        const std::size_t bytes = storedBytes(row, where);
        checkRange(row, bytes, fileBytes - dataStart, where);
        if (row.offset % alignment != 0) {
            throw FormatError(
                where + " begins at " + std::to_string(row.offset) + ", no multiple of " +
                std::to_string(alignment));
        }
        const Shape shape = shapeOf(row, where);
        const std::size_t offset = dataStart + static_cast<std::size_t>(row.offset);
        if (!file.m_entries.emplace(row.name, Entry{row.type, shape, offset, bytes}).second) {
            throw FormatError(where + " occurs twice");
        }
    }
    checkLayout(file, dataStart, alignment);
    return file;
}

const GgufValue* GgufFile::find(const std::string& key) const {
    const auto found = m_keys.find(key);
    return found == m_keys.end() ? nullptr : &found->second;
}

template <class T>
const T* GgufFile::typed(const std::string& key, const char* kind) const {
    const GgufValue* value = find(key);
    if (value == nullptr) {
        return nullptr;
    }
    const T* content = std::get_if<T>(value);
    if (content == nullptr) {
        throw FormatError(m_name + ": key '" + printable(key) + "' is not " + kind);
    }
    return content;
}

std::optional<std::int64_t> GgufFile::integer(const std::string& key) const {
    const auto* value = typed<std::int64_t>(key, "a whole number");
    return value != nullptr ? std::optional(*value) : std::nullopt;
}

std::optional<double> GgufFile::number(const std::string& key) const {
    if (const GgufValue* value = find(key); value != nullptr) {
        if (const auto* whole = std::get_if<std::int64_t>(value)) {
            return static_cast<double>(*whole);
        }
    }
    const auto* value = typed<double>(key, "a number");
    return value != nullptr ? std::optional(*value) : std::nullopt;
}

const std::string* GgufFile::text(const std::string& key) const {
    return typed<std::string>(key, "text");
}
const std::vector<std::string>* GgufFile::texts(const std::string& key) const {
    return typed<std::vector<std::string>>(key, "a list of texts");
}
const std::vector<std::int64_t>* GgufFile::integers(const std::string& key) const {
    return typed<std::vector<std::int64_t>>(key, "a list of whole numbers");
}
const std::vector<double>* GgufFile::numbers(const std::string& key) const {
    return typed<std::vector<double>>(key, "a list of numbers");
}

const GgufFile::Entry& GgufFile::at(const std::string& name) const {
    const auto found = m_entries.find(name);
    if (found == m_entries.end()) {
        throw FormatError(m_name + ": has no tensor '" + printable(name) + "'");
    }
    return found->second;
}

Tensor GgufFile::tensor(const std::string& name) const {
    const Entry& entry = at(name);
    const std::byte* source = m_storage->data() + entry.offset;
    if (entry.type->widen == nullptr &&
        reinterpret_cast<std::uintptr_t>(source) % sizeOf(entry.type->dtype) == 0) {
        return Tensor(m_storage, entry.offset, entry.shape, entry.type->dtype);
    }
    Tensor out = Tensor::empty(entry.shape, entry.type->dtype, Device{});
    if (entry.bytes == 0) {
        return out;
    }
    if (entry.type->widen == nullptr) {
        std::memcpy(out.view().data, source, entry.bytes);
    } else {
        const std::int64_t blocks = entry.shape.elementCount() / entry.type->blockElements;
        entry.type->widen(source, blocks, out.view().as<float>().data());
    }
    return out;
}

void GgufFile::readRow(const Entry& entry, std::int64_t from, std::int64_t to, Tensor& out) const {
    const std::int64_t elements = entry.shape.rowElements();
    if (elements == 0) {
        return;
    }
    const std::int64_t blocks = elements / entry.type->blockElements;
    const std::size_t rowBytes = static_cast<std::size_t>(blocks) * entry.type->blockBytes;
    const std::byte* source =
        m_storage->data() + entry.offset + static_cast<std::size_t>(from) * rowBytes;
    const std::size_t outBytes = static_cast<std::size_t>(elements) * sizeOf(entry.type->dtype);
    std::byte* target = out.view().data + static_cast<std::size_t>(to) * outBytes;
    if (entry.type->widen == nullptr) {
        std::memcpy(target, source, rowBytes);
    } else {
        entry.type->widen(source, blocks, reinterpret_cast<float*>(target));
    }
}

} // namespace lathe
