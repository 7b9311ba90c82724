// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/text/tiny_unigram.h"
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <fstream>

namespace lathe {

using test::metricsOf;
using test::runToEnd;
using test::specOf;

/// Studies on encoder-decoders: the mT5 fixture with a vocabulary of ten pieces.
class TranslatorStudiesTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        std::filesystem::copy(test::fixture("mt5-untied"), folder());
        std::ofstream(folder() / "spiece.model", std::ios::binary) << test::tinyUnigramModel();
    }
    void translatesGreedily() {
        const Json metrics = metricsOf(generating("ab ba ab"));
        QCOMPARE(metrics.at("prompt_tokens").get<int>(), 7); // 3 6 8 4 3 6 and the end
        QVERIFY(metrics.at("encoder_ms").get<double>() > 0.0);
        QVERIFY(metrics.at("tokens").get<int>() >= 1 && metrics.at("tokens").get<int>() <= 9);
        Spec again = generating("ab ba ab");
        again.seed = 99;
        QCOMPARE(metricsOf(again).at("ids"), metrics.at("ids"));
        QVERIFY(metricsOf(generating("b")).at("ids") != metrics.at("ids"));
    }
    void anEmptySourceIsBadInput() {
        const auto run = runToEnd(generating(""));
        QCOMPARE(run.exitStatus, 2);
        QVERIFY(run.last.message.find("the source is empty") != std::string::npos);
    }
    void anOverlongSourceIsBadInput() {
        std::string text;
        for (int i = 0; i < 2048; ++i) {
            text += "ab ";
        }
        const auto run = runToEnd(generating(text));
        QCOMPARE(run.exitStatus, 2);
        QVERIFY(run.last.message.find("4097 tokens") != std::string::npos);
    }
    void describesATranslator() {
        const Json metrics = metricsOf(specOf("model.info", {{"model", folder().string()}}));
        QCOMPARE(metrics.at("architecture").get<std::string>(), std::string("mt5"));
        QCOMPARE(metrics.at("parameters").get<int>(), 36688);
        const Json& config = metrics.at("config");
        QCOMPARE(config.at("encoder_layers").get<int>(), 2);
        QCOMPARE(config.at("decoder_layers").get<int>(), 1);
        QCOMPARE(config.at("feed_forward").get<std::string>(), std::string("gated-gelu"));
        QVERIFY(!config.at("tied_head").get<bool>());
        QVERIFY(metrics.at("memory_bytes").get<int>() > 4 * 36688);
        QCOMPARE(metrics.at("tokenizer").at("size").get<int>(), 10);
    }
    void pairsNeedOneVocabulary() {
        const auto run = runToEnd(specOf(
            "decode.once",
            {{"big", "translate-big"}, {"little", folder().string()}, {"source", "ab"}}));
        QCOMPARE(run.exitStatus, 2);
        QVERIFY2(
            run.last.message.find("the vocabularies of") != std::string::npos,
            run.last.message.c_str());
    }
    void otherStudiesRefuseIt() {
        const auto run = runToEnd(specOf("lm.perplexity", {{"model", folder().string()}}));
        QCOMPARE(run.exitStatus, 2);
        QVERIFY(run.last.message.find("is an encoder-decoder (mt5)") != std::string::npos);
    }

private:
    std::filesystem::path folder() const { return m_folder.path() / "tiny"; }
    Spec generating(const std::string& prompt) const {
        return specOf(
            "lm.generate",
            {{"model", folder().string()}, {"prompt", prompt}, {"max_new", 9}, {"greedy", true}});
    }

    test::TemporaryFolder m_folder;
};

LATHE_TEST(TranslatorStudiesTest);

} // namespace lathe

#include "translator_studies_test.moc"
