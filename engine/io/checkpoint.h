// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"
#include "engine/text/tokenizer.h"
#include "kernels/core/tensor.h"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace lathe {

/// A model on disk, whatever its container: a Hugging Face folder or one .gguf file. Tensors come
/// under Hugging Face names and orientation in both (GGUF names are translated, the permuted rows
/// of llama-type q and k are put back, quantized blocks are widened to F32), lazily, from mapped
/// memory.
class Checkpoint {
public:
    virtual ~Checkpoint() = default;

    /// @throws InputError when the path is neither; FormatError, Unsupported for its content.
    static std::unique_ptr<Checkpoint> open(const std::filesystem::path& path);

    /// config.json's content; for GGUF the equal object made from its keys.
    virtual const Json& config() const = 0;
    /// Names and shapes of everything stored, without touching the data.
    struct Entry {
        DType dtype;
        Shape shape;
    };
    virtual const std::map<std::string, Entry>& entries() const = 0;
    /// A tensor of the checkpoint. @throws FormatError when it is absent or damaged.
    virtual Tensor tensor(const std::string& name) const = 0;
    /// What the file keeps of a tensor, however `tensor` returns it: bytes, and the name of the
    /// element or block type ("F16", "Q4_K"). @throws FormatError when it is absent.
    virtual std::int64_t storedBytes(const std::string& name) const = 0;
    virtual std::string storedType(const std::string& name) const = 0;
    /// `__metadata__` of the weight file(s), merged.
    virtual const std::map<std::string, std::string>& metadata() const = 0;
    /// Null when there is no vocabulary.
    virtual std::shared_ptr<const Tokenizer> tokenizer() const = 0;
    virtual const std::filesystem::path& path() const = 0;
    /// Bytes of the weight file(s) on disk.
    virtual std::int64_t fileBytes() const = 0;
    /// "safetensors" or "gguf".
    virtual std::string container() const = 0;

    bool contains(const std::string& name) const { return entries().contains(name); }
};

/// Stored bytes of the matrices of the transformer blocks, all parts of quantized ones included;
/// norms, biases, embedding and head are not. Formats are compared at equal bytes of these.
std::int64_t storedBlockMatrixBytes(const Checkpoint& checkpoint);

} // namespace lathe
