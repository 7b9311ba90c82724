// SPDX-License-Identifier: Apache-2.0
#include "engine/models/weight_loader.h"

#include "engine/core/check.h"
#include "engine/core/hash.h"
#include "engine/models/config_reader.h"
#include "engine/text/utf8.h"
#include "kernels/core/widen.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace lathe {

namespace {

constexpr std::array kFloats{DType::F32, DType::F16, DType::BF16};
constexpr std::array kCodes{DType::I32};
constexpr std::array kTables{DType::F16};
constexpr std::array kZeros{DType::U8};
constexpr std::array kPointers{DType::I32};
constexpr std::array kColumns{DType::U16};
/// Beyond this many the list stops helping; the count of the rest is told.
constexpr std::size_t kMaxFaultsShown = 100;

/// A name out of a file, safe for a terminal.
std::string quoted(const std::string& name) { return "'" + printable(name) + "'"; }

std::string namesOf(std::span<const DType> dtypes) {
    std::string text;
    for (std::size_t i = 0; i < dtypes.size(); ++i) {
        text += (i == 0 ? "" : i + 1 == dtypes.size() ? " or " : ", ");
        text += nameOf(dtypes[i]);
    }
    return text;
}

Tensor widened(const Tensor& stored) {
    Tensor out = Tensor::empty(stored.shape(), DType::F32, Device{});
    widen(stored.view(), 0, out.view().as<float>());
    return out;
}

std::string gibibytes(std::int64_t bytes) {
    std::array<char, 64> text{};
    std::snprintf(
        text.data(), text.size(), "%.2f GiB (%lld bytes)",
        static_cast<double>(bytes) / static_cast<double>(std::int64_t{1} << 30),
        static_cast<long long>(bytes));
    return text.data();
}

} // namespace

WeightLoader::WeightLoader(
    const Checkpoint& checkpoint, ExecContext& context, std::string modelType)
    : m_checkpoint(checkpoint), m_context(context), m_modelType(std::move(modelType)),
      m_record(quantizedRecord(checkpoint)) {}

void WeightLoader::fault(const std::string& text) { m_faults.push_back(text); }

bool WeightLoader::claim(
    const std::string& name, const Shape& shape, std::span<const DType> dtypes) {
    m_claimed.insert(name);
    const auto found = m_checkpoint.entries().find(name);
    if (found == m_checkpoint.entries().end()) {
        fault(
            "tensor " + quoted(name) + " is missing, " + configName(m_checkpoint) + " implies " +
            shape.text());
        return false;
    }
    const Checkpoint::Entry& entry = found->second;
    if (!(entry.shape == shape)) {
        fault(
            "tensor " + quoted(name) + " is " + entry.shape.text() + ", " +
            configName(m_checkpoint) + " implies " + shape.text());
        return false;
    }
    if (std::ranges::find(dtypes, entry.dtype) == dtypes.end()) {
        fault(
            "tensor " + quoted(name) + " is " + std::string(nameOf(entry.dtype)) + ", must be " +
            namesOf(dtypes));
        return false;
    }
    return true;
}

/// Written with the file: whatever changed since is noticed before it is multiplied with.
void WeightLoader::verify(const std::string& name, const Tensor& tensor) {
    if (m_record.checksums.empty()) {
        return;
    }
    const auto wanted = m_record.checksums.find(name);
    if (wanted == m_record.checksums.end()) {
        fault("tensor " + quoted(name) + " has no checksum in the record of the quantization");
    } else if (hashBytes({tensor.view().data, tensor.bytes()}) != wanted->second) {
        fault("tensor " + quoted(name) + " is not what was written: its checksum differs");
    }
}

Tensor
WeightLoader::stored(const std::string& name, const Shape& shape, std::span<const DType> dtypes) {
    if (!claim(name, shape, dtypes) || !m_faults.empty()) {
        return {};
    }
    Tensor tensor = m_checkpoint.tensor(name);
    verify(name, tensor);
    return m_faults.empty() ? std::move(tensor) : Tensor{};
}

Tensor WeightLoader::onDevice(Tensor host) {
    return m_context.device().isCuda() && !host.isNull() ? host.to(m_context.device(), m_context)
                                                         : std::move(host);
}

Tensor
WeightLoader::load(const std::string& name, const Shape& shape, std::span<const DType> dtypes) {
    return onDevice(stored(name, shape, dtypes));
}

Tensor WeightLoader::matrix(const std::string& name, std::int64_t out, std::int64_t in) {
    return load(name, {out, in}, kFloats);
}

Tensor WeightLoader::floats(const std::string& name, const Shape& shape) {
    Tensor host = stored(name, shape, kFloats);
    const bool narrow = !host.isNull() && host.dtype() != DType::F32;
    return narrow ? widened(host) : std::move(host);
}

Tensor WeightLoader::vector(const std::string& name, std::int64_t size) {
    return onDevice(floats(name, {size}));
}

Linear
WeightLoader::linear(const std::string& module, std::int64_t out, std::int64_t in, bool bias) {
    m_modules.insert(module);
    Linear linear;
    const auto format = m_record.modules.find(module);
    if (hasReference(module)) {
        linear.weight = reference(module, out, in);
    } else if (format == m_record.modules.end()) {
        linear.weight = DenseWeight{matrix(module + ".weight", out, in)};
    } else if (format->second.in != in) {
        fault(
            "module " + quoted(module) + " was quantized with " +
            std::to_string(format->second.in) + " inputs, " + configName(m_checkpoint) +
            " implies " + std::to_string(in));
    } else {
        linear.weight = quantized(module, format->second, out);
    }
    if (bias) {
        linear.bias = vector(module + ".bias", out);
    }
    return linear;
}

Weight
WeightLoader::quantized(const std::string& module, const ModuleFormat& format, std::int64_t out) {
    Tensor packed = load(module + ".packed", {out, packedWords(format.in, format.bits)}, kCodes);
    if (format.kind == ModuleFormat::Kind::Lut) {
        Tensor table = load(module + ".table", {out, std::int64_t{1} << format.bits}, kTables);
        LutWeight weight{std::move(packed), std::move(table), format.bits, format.in};
        weight.sparse = sparse(module, format, out);
        if (m_faults.empty()) {
            arrangePlanes(m_context, weight);
        }
        return weight;
    }
    const std::int64_t groups =
        format.groupSize == 0 ? 1 : (format.in + format.groupSize - 1) / format.groupSize;
    Tensor scale = load(module + ".scale", {out, groups}, kTables);
    Tensor zero = load(module + ".zero", {out, groups}, kZeros);
    return GroupWeight{std::move(packed), std::move(scale), std::move(zero),
                       format.bits,       format.groupSize, format.in};
}

std::optional<SparseRows>
WeightLoader::sparse(const std::string& module, const ModuleFormat& format, std::int64_t out) {
    if (format.sparseCount == 0) {
        return {};
    }
    SparseRows rows{
        stored(module + ".row_pointers", {out + 1}, kPointers),
        stored(module + ".columns", {format.sparseCount}, kColumns),
        stored(module + ".values", {format.sparseCount}, std::span(&format.sparseValues, 1))};
    if (!m_faults.empty()) {
        return {};
    }
    checkSparse(rows.view(), format.in, m_checkpoint.path().string() + ": " + quoted(module));
    return SparseRows{
        onDevice(std::move(rows.rowPointers)), onDevice(std::move(rows.columns)),
        onDevice(std::move(rows.values))};
}

std::int64_t WeightLoader::lastExtent(const std::string& name) const {
    const auto found = m_checkpoint.entries().find(name);
    return found == m_checkpoint.entries().end() || found->second.shape.rank() == 0
               ? 0
               : found->second.shape[-1];
}

bool WeightLoader::hasReference(const std::string& module) const {
    return m_record.reference && (m_checkpoint.contains(module + ".qweight") ||
                                  m_checkpoint.contains(module + ".lookup_table"));
}

std::optional<int> WeightLoader::referenceBits(const std::string& module) {
    const std::string name = module + ".lookup_table";
    m_claimed.insert({name, module + ".qweight"});
    const auto table = m_checkpoint.entries().find(name);
    if (table == m_checkpoint.entries().end()) {
        fault("tensor " + quoted(name) + " is missing, its codes are there");
        return {};
    }
    const auto width = static_cast<std::uint64_t>(lastExtent(name));
    if (width < 2 || width > 256 || !std::has_single_bit(width)) {
        fault(
            "tensor " + quoted(name) + " is " + table->second.shape.text() +
            ", a row of it must have a power of two from 2 to 256 entries");
        return {};
    }
    return std::countr_zero(width);
}

/// A module in SqueezeLLM's own layout: its shapes say how many bits and values it has.
Weight WeightLoader::reference(const std::string& module, std::int64_t out, std::int64_t in) {
    const std::optional<int> bits = referenceBits(module);
    if (!bits) {
        return LutWeight{};
    }
    const auto hasOneOf = [&](std::initializer_list<const char*> parts) {
        return std::ranges::any_of(
            parts, [&](const char* part) { return m_checkpoint.contains(module + part); });
    };
    ReferenceModule parts;
    parts.qweight = stored(module + ".qweight", {referenceWords(in, *bits), out}, kCodes);
    parts.lookupTable = floats(module + ".lookup_table", {out, std::int64_t{1} << *bits});
    if (hasOneOf({".rows", ".cols", ".vals"})) {
        const std::int64_t count =
            std::max(lastExtent(module + ".cols"), lastExtent(module + ".vals"));
        parts.rows = stored(module + ".rows", {out + 1}, kPointers);
        parts.cols = stored(module + ".cols", {count}, kPointers);
        parts.vals = floats(module + ".vals", {count});
    }
    if (hasOneOf({".full_rows", ".full_row_indices"})) {
        const std::int64_t count = lastExtent(module + ".full_row_indices");
        parts.fullRows = floats(module + ".full_rows", {in, count});
        parts.fullRowIndices = stored(module + ".full_row_indices", {count}, kPointers);
    }
    m_claimed.insert(module + ".startrows"); // for one kernel's balance, follows from the rows
    if (!m_faults.empty()) {
        return LutWeight{};
    }
    Weight weight = fromReference(
        parts, in, m_checkpoint.path().string() + ": '" + printable(module), m_rounding);
    return m_context.device().isCuda() ? toDevice(weight, m_context.device(), m_context)
                                       : std::move(weight);
}

/// Buffers that follow from the configuration or from other tensors.
bool WeightLoader::isIgnored(const std::string& name) const {
    // Some old files of T5 hold a table of biases that nothing ever read.
    return name.ends_with("rotary_emb.inv_freq") ||
           name.ends_with("EncDecAttention.relative_attention_bias.weight") ||
           (m_record.reference && name.starts_with("sparse_threshold."));
}

void WeightLoader::duplicate(const std::string& name, const std::string& of) {
    const auto first = m_checkpoint.entries().find(of);
    if (!m_checkpoint.contains(name) || first == m_checkpoint.entries().end()) {
        return;
    }
    const DType dtype = first->second.dtype;
    if (!claim(name, first->second.shape, std::span(&dtype, 1)) || !m_faults.empty()) {
        return;
    }
    const Tensor a = m_checkpoint.tensor(of);
    const Tensor b = m_checkpoint.tensor(name);
    if (std::memcmp(a.view().data, b.view().data, a.bytes()) != 0) {
        fault(
            "tensor " + quoted(name) + " differs from " + quoted(of) + ", although " +
            configName(m_checkpoint) + " ties them");
    }
}

void WeightLoader::finish() const {
    std::vector<std::string> faults = m_faults;
    for (const auto& [name, entry] : m_checkpoint.entries()) {
        if (!m_claimed.contains(name) && !isIgnored(name)) {
            faults.push_back(
                "tensor " + quoted(name) + " " + entry.shape.text() + " is not part of this " +
                m_modelType + " model");
        }
    }
    for (const auto& [module, format] : m_record.modules) {
        if (!m_modules.contains(module)) {
            faults.push_back(
                "the quantization record names " + quoted(module) + ", which is not part of this " +
                m_modelType + " model");
        }
    }
    if (faults.empty()) {
        return;
    }
    std::string text = m_checkpoint.path().string() + ": " + std::to_string(faults.size()) +
                       (faults.size() == 1 ? " fault: " : " faults: ");
    const std::size_t shown = std::min(faults.size(), kMaxFaultsShown);
    for (std::size_t i = 0; i < shown; ++i) {
        text += (i == 0 ? "" : "; ") + faults[i];
    }
    if (shown < faults.size()) {
        text += "; and " + std::to_string(faults.size() - shown) + " more";
    }
    throw FormatError(text);
}

std::int64_t estimateBytes(
    const Checkpoint& checkpoint, std::initializer_list<std::int64_t> cacheExtents,
    std::int64_t floats) {
    std::optional<std::int64_t> sum = static_cast<std::int64_t>(sizeof(float)) * floats;
    for (const auto& [name, entry] : checkpoint.entries()) {
        const auto bytes = checkedProduct(
            entry.shape.elementCount(), static_cast<std::int64_t>(sizeOf(entry.dtype)));
        sum = sum && bytes ? checkedSum(*sum, *bytes) : std::nullopt;
    }
    // 1024 layers x 2^24 positions x 2^20 elements x 8 bytes overflow; the entries are checked too.
    std::optional<std::int64_t> cache = sizeof(float);
    for (const std::int64_t extent : cacheExtents) {
        cache = cache ? checkedProduct(*cache, extent) : std::nullopt;
    }
    sum = sum && cache ? checkedSum(*sum, *cache) : std::nullopt;
    if (!sum) {
        throw FormatError(
            checkpoint.path().string() + ": its sizes are beyond any memory; the file is damaged");
    }
    return *sum;
}

void requireMemory(const std::string& what, std::int64_t needed, const DeviceInfo& device) {
    if (needed > device.freeBytes) {
        throw DeviceError(
            what + " needs about " + gibibytes(needed) + " on " + device.device.name() + ", " +
            gibibytes(device.freeBytes) + " are free; choose a smaller model or another device");
    }
}

} // namespace lathe
