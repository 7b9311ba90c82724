// SPDX-License-Identifier: Apache-2.0
#include "engine/io/mapped_file.h"
#include "engine/text/sentencepiece_tokenizer.h"
#include "engine/text/tokenizer.h"

namespace lathe {

namespace {

constexpr std::size_t kMaxVocabularyBytes = std::size_t{256} << 20U;

} // namespace

std::shared_ptr<const Tokenizer> loadTokenizer(const std::filesystem::path& folder) {
    for (const char* name : {"tokenizer.model", "spiece.model"}) {
        if (std::filesystem::exists(folder / name)) {
            return makeSentencePieceTokenizer(
                readTextFile(folder / name, kMaxVocabularyBytes), name);
        }
    }
    return nullptr;
}

} // namespace lathe
