// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "experiments/model_cache.h"
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <algorithm>
#include <fstream>

namespace lathe {

class ModelCacheTest : public QObject {
    Q_OBJECT
private slots:
    void cleanup();
    void resolvesNamesAndPaths();
    void listsBundledModels();
    void listsTheHuggingFaceCache();
    void describesEveryContainer();
    void saysWhatIsWrong();
    void saysWhatNeverFits();
    void loadsOnce();
    void aModelWithoutVocabularySaysSo();
    void refusesWhatDoesNotFit();
};

namespace {

void writeFile(const std::filesystem::path& path, const std::string& content) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
}

const ModelInfo* find(const std::vector<ModelInfo>& models, const std::string& title) {
    const auto it = std::ranges::find(models, title, &ModelInfo::title);
    return it != models.end() ? &*it : nullptr;
}

} // namespace

void ModelCacheTest::cleanup() { qunsetenv("HF_HUB_CACHE"); }

void ModelCacheTest::resolvesNamesAndPaths() {
    QCOMPARE(resolveModel("lm-little"), resourcesFolder() / "models" / "lm-little");
    QCOMPARE(resolveModel(test::fixture("qwen2").string()), test::fixture("qwen2"));
    LATHE_VERIFY_THROWS(resolveModel("lm-huge"), InputError, "lm-big, lm-little");
    LATHE_VERIFY_THROWS(resolveModel(""), InputError, "lm-big");
}

void ModelCacheTest::listsBundledModels() {
    const auto models = listModels();
    const ModelInfo* little = find(models, "lm-little");
    QVERIFY(little != nullptr);
    QCOMPARE(little->name, std::string("lm-little"));
    QCOMPARE(little->source, std::string("bundled"));
    QCOMPARE(little->architecture, std::string("llama"));
    QVERIFY(little->problem.empty());
    // Counted from training.json of the model.
    QCOMPARE(find(models, "lm-big")->parameters, 5065472);
}

void ModelCacheTest::listsTheHuggingFaceCache() {
    const test::TemporaryFolder folder;
    const auto repository = folder.path() / "models--maker--tiny-model";
    const auto snapshot = repository / "snapshots" / "abc123";
    std::filesystem::create_directories(snapshot.parent_path());
    std::filesystem::create_directory_symlink(test::fixture("qwen2"), snapshot);
    writeFile(repository / "snapshots" / "aaa000" / "config.json", "{}");
    writeFile(repository / "refs" / "main", "abc123\n");
    writeFile(
        folder.path() / "models--maker--no-weights" / "snapshots" / "1" / "config.json", "{}");
    qputenv("HF_HUB_CACHE", folder.path().c_str());
    const auto models = listModels();
    const ModelInfo* found = find(models, "maker/tiny-model");
    QVERIFY(found != nullptr);
    QCOMPARE(found->source, std::string("hf-cache"));
    QCOMPARE(found->path, snapshot.string());
    QCOMPARE(found->architecture, std::string("qwen2"));
    QVERIFY(find(models, "maker/no-weights") == nullptr);
}

void ModelCacheTest::describesEveryContainer() {
    const ModelInfo folder = describeModel(test::fixture("llama-gqa-untied"));
    QCOMPARE(folder.source, std::string("folder"));
    QVERIFY2(folder.problem.empty(), folder.problem.c_str());
    const ModelInfo gguf = describeModel(test::fixture("gguf/lm-little-f16.gguf"));
    QVERIFY2(gguf.problem.empty(), gguf.problem.c_str());
    QCOMPARE(gguf.source, std::string("gguf"));
    QCOMPARE(gguf.parameters, describeModel(test::bundledModel("lm-little")).parameters);
}

void ModelCacheTest::saysWhatIsWrong() {
    const test::TemporaryFolder folder;
    writeFile(folder.path() / "config.json", R"({"model_type": "hopfield"})");
    const ModelInfo strange = describeModel(folder.path());
    QVERIFY(strange.problem.find("hopfield") != std::string::npos);
    QCOMPARE(strange.architecture, std::string("hopfield"));
    QVERIFY(!describeModel(folder.path() / "absent").problem.empty());
}

void ModelCacheTest::saysWhatNeverFits() {
    const test::TemporaryFolder folder;
    std::filesystem::copy(test::fixture("qwen2") / "config.json", folder.path() / "config.json");
    std::ofstream(folder.path() / "model.safetensors").put('x');
    // A hole in the file: nothing of it is on the disk.
    std::filesystem::resize_file(folder.path() / "model.safetensors", std::uintmax_t{1} << 42);
    const ModelInfo info = describeModel(folder.path());
    QVERIFY2(info.problem.find("4194304 MiB") != std::string::npos, info.problem.c_str());
}

void ModelCacheTest::loadsOnce() {
    test::RecordingSink sink;
    RunControl run(1, sink, {});
    ExecContext context{Device{}};
    ModelCache cache;
    const auto first = cache.load("lm-little", context, run);
    const auto second = cache.load("lm-little", context, run);
    QCOMPARE(first.get(), second.get());
    QCOMPARE(first->hash.size(), 32U);
    QCOMPARE(first->requireTokenizer().size(), 4096);
}

void ModelCacheTest::aModelWithoutVocabularySaysSo() {
    test::RecordingSink sink;
    RunControl run(1, sink, {});
    ExecContext context{Device{}};
    ModelCache cache;
    const auto model = cache.load(test::fixture("qwen2").string(), context, run);
    LATHE_VERIFY_THROWS(model->requireTokenizer(), InputError, "no vocabulary");
}

void ModelCacheTest::refusesWhatDoesNotFit() {
    // The same comparison that load() makes, on numbers that no machine has.
    LATHE_VERIFY_THROWS(
        requireMemory("giant", std::int64_t{1} << 60, 2048, Device{}), InputError,
        "giant needs about 1152921504.61 GB");
    requireMemory("small", 1, 1, Device{});
}

LATHE_TEST(ModelCacheTest);

} // namespace lathe

#include "model_cache_test.moc"
