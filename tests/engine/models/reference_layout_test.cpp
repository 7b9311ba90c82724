// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/models/quantized_format.h"
#include "engine/models/reference_layout.h"
#include "engine/quant/packing.h"
#include "kernels/core/half.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"
#include "tests/engine/models/tiny_model.h"
#include "tests/support/lathe_test.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace lathe {

using test::logitsOf;
using test::MemoryCheckpoint;

/// SqueezeLLM's own layout, written and read.
class ReferenceLayoutTest : public QObject {
    Q_OBJECT
private slots:
    void oracleWordsAreInTheFile();
    void savedModelsLoadToTheBit_data();
    void savedModelsLoadToTheBit();
    void aFileOfOthersIsRead();
    void mixedWidthsAndDenseModulesAreOneFolder();
    void weightsWithoutTablesAreRefused();
    void onlyThisLayoutIsTakenForIt();
    void damageIsNamed_data();
    void damageIsNamed();
    void moreColumnsThanSixteenBitsAreRefused();

private:
    ExecContext m_context{Device{}, {.target = Target::Scalar, .threads = 2}};
};

namespace {

const std::string kModule = "model.layers.0.self_attn.q_proj";

template <class T>
Tensor tensorOf(Shape shape, const std::vector<T>& values) {
    Tensor tensor = Tensor::empty(shape, DTypeOf<T>::value, Device{});
    std::ranges::copy(values, tensor.view().template as<T>().begin());
    return tensor;
}

bool sameBytes(const Tensor& a, const Tensor& b) {
    return a.shape() == b.shape() && a.dtype() == b.dtype() &&
           (a.bytes() == 0 || std::memcmp(a.view().data, b.view().data, a.bytes()) == 0);
}

LutWeight lutOf(const std::function<int(int)>& code, std::int64_t in, int bits, Random& random) {
    LutWeight weight = std::get<LutWeight>(test::randomLut(64, in, bits, random));
    std::vector<std::uint8_t> codes;
    for (int i = 0; i < in; ++i) {
        codes.push_back(static_cast<std::uint8_t>(code(i)));
    }
    // The second row alone: the neighbours of its words are other rows.
    auto* words = reinterpret_cast<std::uint32_t*>(weight.packed.view().slice(1, 2).data);
    packRow(codes, bits, {words, static_cast<std::size_t>(packedWords(in, bits))});
    return weight;
}

/// Up to three values in every second row; numbers of 16 bits where `narrow`.
void addSparse(LutWeight& weight, bool narrow, Random& random) {
    const std::int64_t out = weight.packed.shape()[0];
    std::vector<std::int32_t> pointers{0};
    std::vector<std::uint16_t> columns;
    std::vector<float> values;
    for (std::int64_t row = 0; row < out; ++row) {
        for (std::int64_t column = row % 5; row % 2 == 0 && column < weight.in; column += 15) {
            columns.push_back(static_cast<std::uint16_t>(column));
            const auto value = static_cast<float>(random.normal());
            values.push_back(narrow ? toFloat(toHalf(value)) : value);
        }
        pointers.push_back(static_cast<std::int32_t>(columns.size()));
    }
    const auto count = static_cast<std::int64_t>(columns.size());
    std::vector<Half> halves(values.size());
    std::ranges::transform(values, halves.begin(), [](float value) { return toHalf(value); });
    weight.sparse = SparseRows{
        tensorOf(Shape{out + 1}, pointers), tensorOf(Shape{count}, columns),
        narrow ? tensorOf(Shape{count}, halves) : tensorOf(Shape{count}, values)};
}

/// A file as SqueezeLLM's programs would write it, one 3-bit module [16, 16] in it: the table of
/// row o is -1 + (o + code) / 7, the code of weight (o, i) is (o + i) mod 8.
class OthersFile {
public:
    OthersFile() : checkpoint(test::tinyCheckpoint(test::tinyConfig())) {
        checkpoint.tensors.erase(kModule + ".weight");
        std::vector<std::int32_t> words(std::size_t{3} * kSize);
        std::vector<float> table;
        for (std::size_t o = 0; o < kSize; ++o) {
            for (std::size_t i = 0; i < kSize; ++i) {
                for (std::size_t bit = 0; bit < 3; ++bit) {
                    const std::size_t at = 3 * i + bit;
                    words[at / 32 * kSize + o] |= static_cast<std::int32_t>(
                        static_cast<std::uint32_t>(codeOf(o, i) >> bit & 1U) << at % 32);
                }
            }
            for (std::size_t code = 0; code < 8; ++code) {
                table.push_back(entryOf(o, code));
            }
        }
        put(".qweight", tensorOf(Shape{3, 16}, words));
        put(".lookup_table", tensorOf(Shape{16, 8}, table));
        // Row 0 has columns 9 and 2, in this order; row 15 has column 15.
        std::vector<std::int32_t> rows(kSize + 1, 2);
        rows.front() = 0;
        rows.back() = 3;
        put(".rows", tensorOf(Shape{17}, rows));
        put(".cols", tensorOf<std::int32_t>({3}, {9, 2, 15}));
        put(".vals", tensorOf<float>({3}, {0.9F, 0.2F, -3.0F}));
        put(".startrows", tensorOf<std::int32_t>({1}, {0}));
        checkpoint.tensors.emplace("sparse_threshold." + kModule, tensorOf<std::int32_t>({1}, {3}));
        // Row 5 whole, row 0 but for what it has already, and one to spare.
        std::vector<float> full(kSize * 3, 0.0F);
        for (std::size_t i = 0; i < kSize; ++i) {
            full[3 * i] = static_cast<float>(i + 1);
            full[3 * i + 1] = i == 9 || i == 2 ? 0.0F : 0.3F;
        }
        put(".full_rows", tensorOf(Shape{16, 3}, full));
        put(".full_row_indices", tensorOf<std::int32_t>({3}, {5, 0, 0}));
    }
    void put(const std::string& part, Tensor tensor) {
        checkpoint.tensors.insert_or_assign(kModule + part, std::move(tensor));
        checkpoint.seal();
    }
    void drop(const std::string& part) {
        checkpoint.tensors.erase(kModule + part);
        checkpoint.seal();
    }
    template <class T>
    void set(const std::string& part, std::size_t index, T value) {
        checkpoint.tensors.at(kModule + part).view().as<T>()[index] = value;
    }

    static constexpr std::size_t kSize = 16;
    static std::size_t codeOf(std::size_t o, std::size_t i) { return (o + i) % 8; }
    static float entryOf(std::size_t o, std::size_t code) {
        return -1.0F + static_cast<float>(o + code) / 7.0F;
    }
    static float sparseOf(std::size_t o, std::size_t i) {
        if (o == 0) {
            return i == 9 ? 0.9F : i == 2 ? 0.2F : 0.3F;
        }
        return o == 5 ? static_cast<float>(i + 1) : o == 15 && i == 15 ? -3.0F : 0.0F;
    }

    MemoryCheckpoint checkpoint;
};

} // namespace

/// Oracle O3.
void ReferenceLayoutTest::oracleWordsAreInTheFile() {
    using Words = std::vector<std::uint32_t>;
    struct Case {
        std::function<int(int)> code;
        int bits;
        Words words; ///< of 32 codes (8 at 4 bits), which repeat
    };
    const std::vector<Case> cases{
        {[](int i) { return i % 8; }, 3, {0x88fac688, 0xc688fac6, 0xfac688fa}},
        {[](int i) { return (5 * i + 3) % 8; }, 3, {0x43c67543, 0x7543c675, 0xc67543c6}},
        {[](int i) { return i % 32 == 10 ? 7 : 0; }, 3, {0xc0000000, 0x00000001, 0x00000000}},
        {[](int i) { return i % 32 == 21 ? 7 : 0; }, 3, {0x00000000, 0x80000000, 0x00000003}},
        {[](int i) { return (3 * (i % 8) + 1) % 16; }, 4, {0x630da741}}};
    Json config = test::tinyConfig();
    config["hidden_size"] = 64;
    const MemoryCheckpoint checkpoint = test::tinyCheckpoint(config);
    Random random(3);
    for (const Case& oracle : cases) {
        const test::TemporaryFolder folder;
        const auto model = LlamaModel::load(checkpoint, m_context);
        QCOMPARE(model->modules().at(0).name, kModule);
        model->modules().at(0).linear->weight = lutOf(oracle.code, 64, oracle.bits, random);
        const auto path = folder.path() / "saved";
        saveQuantized(*model, checkpoint, Json::object(), path, WeightLayout::Reference);
        const Tensor qweight = Checkpoint::open(path)->tensor(kModule + ".qweight");
        QCOMPARE(qweight.shape(), (Shape{std::int64_t{2} * oracle.bits, 64}));
        const std::span<const std::int32_t> words = qweight.view().as<std::int32_t>();
        for (std::size_t word = 0; word < 2 * static_cast<std::size_t>(oracle.bits); ++word) {
            QCOMPARE(
                static_cast<std::uint32_t>(words[word * 64 + 1]),
                oracle.words[word % oracle.words.size()]);
        }
    }
}

void ReferenceLayoutTest::savedModelsLoadToTheBit_data() {
    QTest::addColumn<int>("bits");
    QTest::addColumn<int>("hidden");
    QTest::addColumn<int>("sparse"); // bits of a value
    for (const int bits : {1, 2, 3, 4, 5, 8}) {
        for (const int hidden : {64, 33}) {
            for (const int sparse : {0, 16, 32}) {
                QTest::addRow("%d bit, %d inputs, sparse %d", bits, hidden, sparse)
                    << bits << hidden << sparse;
            }
        }
    }
}

void ReferenceLayoutTest::savedModelsLoadToTheBit() {
    QFETCH(int, bits);
    QFETCH(int, hidden);
    QFETCH(int, sparse);
    Json config = test::tinyConfig("qwen2");
    config["hidden_size"] = hidden;
    config["head_dim"] = 6;
    config["intermediate_size"] = 37;
    const MemoryCheckpoint checkpoint = test::tinyCheckpoint(config);
    const auto model = LlamaModel::load(checkpoint, m_context);
    Random random(static_cast<std::uint64_t>(bits));
    for (const LlamaModel::Module& module : model->modules()) {
        LutWeight weight = std::get<LutWeight>(test::randomLut(
            outFeatures(module.linear->weight), inFeatures(module.linear->weight), bits, random));
        if (sparse != 0) {
            addSparse(weight, sparse == 16, random);
        }
        module.linear->weight = std::move(weight);
    }
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "saved";
    saveQuantized(*model, checkpoint, {{"method", "kmeans"}}, path, WeightLayout::Reference);
    const auto saved = Checkpoint::open(path);
    QCOMPARE(
        saved->config().at("quantization_config"),
        (Json{{"quant_method", "squeezellm"}, {"bits", bits}, {"wbits", bits}}));
    QCOMPARE(
        parseJson(saved->metadata().at(kProvenanceKey), "provenance").at("method"), Json("kmeans"));
    QCOMPARE(saved->contains(kModule + ".vals"), sparse != 0);
    QVERIFY(saved->contains(kModule + ".bias"));

    const auto again = LlamaModel::load(*saved, m_context);
    QCOMPARE(again->tableRounding().entries, 0);
    QCOMPARE(again->weightBytes(), model->weightBytes());
    const auto before = std::as_const(*model).modules();
    const auto after = std::as_const(*again).modules();
    for (std::size_t i = 0; i < before.size(); ++i) {
        const auto& a = std::get<LutWeight>(before[i].second->weight);
        const auto& b = std::get<LutWeight>(after[i].second->weight);
        QCOMPARE(b.bits, bits);
        QCOMPARE(b.in, a.in);
        QVERIFY(sameBytes(a.packed, b.packed));
        QVERIFY(sameBytes(a.table, b.table));
        QCOMPARE(b.sparse.has_value(), sparse != 0);
        if (sparse != 0) {
            QVERIFY(sameBytes(a.sparse->rowPointers, b.sparse->rowPointers));
            QVERIFY(sameBytes(a.sparse->columns, b.sparse->columns));
            QVERIFY(sameBytes(a.sparse->values, b.sparse->values));
        }
    }
    const std::vector<TokenId> ids = test::randomIds(12, 40, random);
    QVERIFY(logitsOf(m_context, *again, ids) == logitsOf(m_context, *model, ids));
}

void ReferenceLayoutTest::aFileOfOthersIsRead() {
    OthersFile file;
    const auto check = [&](const Tensor& table, DType values) {
        const auto model = LlamaModel::load(file.checkpoint, m_context);
        const Weight& weight = model->modules().at(0).linear->weight;
        QCOMPARE(std::get<LutWeight>(weight).sparse->values.dtype(), values);
        const Tensor dense = dequantize(m_context, weight);
        for (std::size_t o = 0; o < OthersFile::kSize; ++o) {
            for (std::size_t i = 0; i < OthersFile::kSize; ++i) {
                const float entry = table.view().as<float>()[8 * o + OthersFile::codeOf(o, i)];
                QCOMPARE(
                    dense.view().as<float>()[16 * o + i],
                    toFloat(toHalf(entry)) + OthersFile::sparseOf(o, i));
            }
        }
        // F16 keeps 11 bits; entries of 0 and whole numbers are kept.
        QVERIFY(model->tableRounding().entries > 64);
        QVERIFY(model->tableRounding().entries < 128);
        QVERIFY(model->tableRounding().largest > 1e-5);
        QCOMPARE_LE(model->tableRounding().largest, 0x1p-11);
        QCOMPARE(model->share()->tableRounding().entries, model->tableRounding().entries);
    };
    const Tensor table = file.checkpoint.tensor(kModule + ".lookup_table");
    check(table, DType::F32);
    file.checkpoint.json["quantization_config"] = {{"quant_method", "squeezellm"}};
    check(table, DType::F32);

    // Tables in F16, as some programs keep them, and no sparse part.
    std::vector<Half> halves;
    for (const float entry : table.view().as<float>()) {
        halves.push_back(toHalf(entry));
    }
    file.put(".lookup_table", tensorOf(Shape{16, 8}, halves));
    for (const char* part : {".rows", ".cols", ".vals", ".full_rows", ".full_row_indices"}) {
        file.drop(part);
    }
    const auto model = LlamaModel::load(file.checkpoint, m_context);
    QCOMPARE(describe(model->modules().at(0).linear->weight), "lut 3 bit");
    QCOMPARE(model->tableRounding().entries, 0);
}

void ReferenceLayoutTest::mixedWidthsAndDenseModulesAreOneFolder() {
    const test::TemporaryFolder folder;
    const MemoryCheckpoint checkpoint = test::tinyCheckpoint(test::tinyConfig());
    const auto model = LlamaModel::load(checkpoint, m_context);
    Random random(8);
    model->modules().at(0).linear->weight = test::randomLut(16, 16, 3, random);
    model->modules().at(4).linear->weight = test::randomLut(24, 16, 4, random);
    const auto path = folder.path() / "saved";
    saveQuantized(*model, checkpoint, Json::object(), path, WeightLayout::Reference);
    const auto saved = Checkpoint::open(path);
    QCOMPARE(saved->config().at("quantization_config"), (Json{{"quant_method", "squeezellm"}}));
    const auto again = LlamaModel::load(*saved, m_context);
    QCOMPARE(describe(again->modules().at(0).linear->weight), "lut 3 bit");
    QCOMPARE(describe(again->modules().at(1).linear->weight), "dense F32");
    QCOMPARE(describe(again->modules().at(4).linear->weight), "lut 4 bit");
    const std::vector<TokenId> ids = test::randomIds(12, 40, random);
    QVERIFY(logitsOf(m_context, *again, ids) == logitsOf(m_context, *model, ids));
}

void ReferenceLayoutTest::weightsWithoutTablesAreRefused() {
    const test::TemporaryFolder folder;
    const MemoryCheckpoint checkpoint = test::tinyCheckpoint(test::tinyConfig());
    const auto model = LlamaModel::load(checkpoint, m_context);
    Random random(8);
    model->modules().at(0).linear->weight = test::randomGroup(16, 16, 4, 0, random);
    LATHE_VERIFY_THROWS(
        saveQuantized(
            *model, checkpoint, Json::object(), folder.path() / "saved", WeightLayout::Reference),
        Unsupported, kModule + " is group 4 bit / row, SqueezeLLM's layout holds look-up tables");
    QVERIFY(std::filesystem::is_empty(folder.path()));
}

void ReferenceLayoutTest::onlyThisLayoutIsTakenForIt() {
    OthersFile file;
    QVERIFY(isReferenceLayout(file.checkpoint));
    file.checkpoint.json["quantization_config"] = {{"quant_method", "gptq"}};
    QVERIFY(!isReferenceLayout(file.checkpoint));
    LATHE_VERIFY_THROWS(LlamaModel::load(file.checkpoint, m_context), Unsupported, "'gptq'");
    file.checkpoint.json["quantization_config"] = {{"quant_method", "lathe"}};
    QVERIFY(!isReferenceLayout(file.checkpoint));
    file.checkpoint.json.erase("quantization_config");
    file.put(".scales", tensorOf<float>({1}, {1.0F}));
    LATHE_VERIFY_THROWS(
        LlamaModel::load(file.checkpoint, m_context), FormatError,
        "'" + kModule + ".scales' [1] is not part");
    file.drop(".lookup_table");
    QVERIFY(!isReferenceLayout(file.checkpoint));
}

void ReferenceLayoutTest::damageIsNamed_data() {
    using Damage = std::function<void(OthersFile&)>;
    QTest::addColumn<Damage>("damage");
    QTest::addColumn<QString>("part");
    const auto add = [](const char* name, Damage damage, const std::string& part) {
        QTest::addRow("%s", name) << std::move(damage)
                                  << QString::fromStdString("'" + kModule + part);
    };
    const auto shaped = [](const char* part, Shape shape, DType dtype) {
        return [=](OthersFile& file) { file.put(part, Tensor::empty(shape, dtype, Device{})); };
    };
    const auto dropped = [](const char* part) {
        return [=](OthersFile& file) { file.drop(part); };
    };
    add("no table", dropped(".lookup_table"), ".lookup_table' is missing");
    add("no codes", dropped(".qweight"), ".qweight' is missing, config.json implies [3, 16]");
    add("no pointers", dropped(".rows"), ".rows' is missing, config.json implies [17]");
    add("no columns", dropped(".cols"), ".cols' is missing, config.json implies [3]");
    add("no values", dropped(".vals"), ".vals' is missing, config.json implies [3]");
    add("no full rows", dropped(".full_rows"), ".full_rows' is missing");
    add("no indices", dropped(".full_row_indices"), ".full_row_indices' is missing");
    add("7 entries", shaped(".lookup_table", {16, 7}, DType::F32),
        ".lookup_table' is [16, 7], a row of it must have a power of two");
    add("512 entries", shaped(".lookup_table", {16, 512}, DType::F32),
        ".lookup_table' is [16, 512]");
    add("a table of no rank", shaped(".lookup_table", {}, DType::F32), ".lookup_table' is []");
    add("a table of rank 1", shaped(".lookup_table", {8}, DType::F32),
        ".lookup_table' is [8], config.json implies [16, 8]");
    add("fewer rows of the table", shaped(".lookup_table", {15, 8}, DType::F32),
        ".lookup_table' is [15, 8], config.json implies [16, 8]");
    add("other bits", shaped(".lookup_table", {16, 16}, DType::F32),
        ".qweight' is [3, 16], config.json implies [4, 16]");
    add("rows first", shaped(".qweight", {16, 3}, DType::I32),
        ".qweight' is [16, 3], config.json implies [3, 16]");
    add("codes of floats", shaped(".qweight", {3, 16}, DType::F32),
        ".qweight' is F32, must be I32");
    add("fewer pointers", shaped(".rows", {16}, DType::I32), ".rows' is [16]");
    add("fewer values", shaped(".vals", {2}, DType::F32), ".vals' is [2]");
    add("columns of rank 2", shaped(".cols", {1, 3}, DType::I32), ".cols' is [1, 3]");
    add("full rows of other inputs", shaped(".full_rows", {15, 3}, DType::F32),
        ".full_rows' is [15, 3], config.json implies [16, 3]");
    const auto set = [](const char* part, std::size_t index, auto value) {
        return [=](OthersFile& file) { file.set(part, index, value); };
    };
    add("falling pointers", set(".rows", 7, std::int32_t{1}), ".rows': the pointers do not ascend");
    add("a pointer too far", set(".rows", 7, std::int32_t{4}), ".rows': the pointers");
    add("a first pointer", set(".rows", 0, std::int32_t{-1}), ".rows': the pointers");
    add("a last pointer", set(".rows", 16, std::int32_t{1 << 30}), ".rows': the pointers");
    add("a column too far", set(".cols", 1, std::int32_t{16}),
        ".cols': row 0 names column 16 of 16");
    add("a wrapped column", set(".cols", 2, std::int32_t{65551}),
        ".cols': row 15 names column 65551 of 16");
    add("a column below 0", set(".cols", 2, std::int32_t{-1}),
        ".cols': row 15 names column -1 of 16");
    add(
        "a column twice",
        [](OthersFile& file) {
            file.drop(".full_rows");
            file.drop(".full_row_indices");
            file.set(".cols", 1, std::int32_t{9});
        },
        ".cols': row 0 of the sparse part names column 9 after column 9");
    add("a full row's column twice", set(".full_rows", 3 * 9 + 1, 1.0F),
        ".cols' with '.full_rows': row 0 of the sparse part names column 9 after column 9");
    add("a full row too far", set(".full_row_indices", 0, std::int32_t{16}),
        ".full_row_indices': row 16 of 16");
    add("a full row below 0", set(".full_row_indices", 0, std::int32_t{-1}),
        ".full_row_indices': row -1 of 16");
    add("a table beyond F16", set(".lookup_table", 17, 1e6F),
        ".lookup_table': row 2 has an entry that is no finite F16 number (1000000");
    add("a table with NaN", set(".lookup_table", 0, std::numeric_limits<float>::quiet_NaN()),
        ".lookup_table': row 0 has an entry");
    // 16 codes of 3 bits end in the middle of the second word.
    add("codes behind the inputs", set(".qweight", 16 + 4, std::int32_t{1 << 16}),
        ".qweight': output 4 has codes behind the last of its 16 inputs");
    add("words behind the inputs", set(".qweight", 32 + 5, std::int32_t{1}),
        ".qweight': output 5 has codes behind");
}

void ReferenceLayoutTest::damageIsNamed() {
    QFETCH(std::function<void(OthersFile&)>, damage);
    QFETCH(QString, part);
    OthersFile file;
    file.checkpoint.json["quantization_config"] = {{"quant_method", "squeezellm"}};
    LlamaModel::load(file.checkpoint, m_context);
    damage(file);
    LATHE_VERIFY_THROWS(
        LlamaModel::load(file.checkpoint, m_context), FormatError, part.toStdString());
}

void ReferenceLayoutTest::moreColumnsThanSixteenBitsAreRefused() {
    constexpr std::int64_t kIn = 65568;
    Random random(1);
    ReferenceModule module = toReference(std::get<LutWeight>(test::randomLut(1, kIn, 1, random)));
    TableRounding rounding;
    QCOMPARE(fromReference(module, kIn, "'m", rounding).in, kIn);
    module.rows = tensorOf<std::int32_t>({2}, {0, 1});
    module.cols = tensorOf<std::int32_t>({1}, {7});
    module.vals = tensorOf<float>({1}, {7.0F});
    LATHE_VERIFY_THROWS(
        fromReference(module, kIn, "'m", rounding), Unsupported,
        "'m': a sparse part of 65568 columns");
}

LATHE_TEST(ReferenceLayoutTest);

} // namespace lathe

#include "reference_layout_test.moc"
