// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/models/t5_config.h"
#include "tests/support/lathe_test.h"

namespace lathe {

namespace {

Json smallConfig(const char* type = "t5") {
    return {{"model_type", type}, {"d_model", 64},  {"d_kv", 16},      {"d_ff", 128},
            {"num_layers", 3},    {"num_heads", 4}, {"vocab_size", 99}};
}

Json with(const char* key, Json value) {
    Json config = smallConfig();
    config[key] = std::move(value);
    return config;
}

} // namespace

class T5ConfigTest : public QObject {
    Q_OBJECT
private slots:
    void silentKeysAreThoseOfTransformers() {
        const T5Config t5 = t5ConfigFrom(smallConfig(), false);
        QCOMPARE(t5.decoderLayers, 3);
        QCOMPARE(t5.buckets, 32);
        QCOMPARE(t5.maxDistance, 128);
        QVERIFY(t5.activation == T5Activation::Relu);
        QVERIFY(t5.tiedHead && t5.scaledHead);
        QCOMPARE(t5.start, 0);
        QCOMPARE(t5.eos, 1);
        const T5Config mt5 = t5ConfigFrom(smallConfig("mt5"), true);
        QVERIFY(mt5.activation == T5Activation::GatedGelu);
        QVERIFY(!mt5.tiedHead && !mt5.scaledHead);
    }
    void headsAreTiedAndScaledAsEitherSpellingSays_data() {
        QTest::addColumn<QString>("tie"); // what the settings say; empty: nothing
        QTest::addColumn<QString>("scale");
        QTest::addColumn<bool>("ownHead"); // is one in the files?
        QTest::addColumn<bool>("tied");
        QTest::addColumn<bool>("scaled");
        QTest::newRow("v1.0") << "true"
                              << "" << false << true << true;
        QTest::newRow("v1.0 with a copy") << "true"
                                          << "" << true << true << true;
        QTest::newRow("v1.1") << "false"
                              << "" << true << false << false;
        QTest::newRow("newer, tied") << "true"
                                     << "true" << false << true << true;
        QTest::newRow("newer, unscaled") << "true"
                                         << "false" << false << true << false;
        QTest::newRow("newer, own head") << "true"
                                         << "false" << true << false << false;
    }
    void headsAreTiedAndScaledAsEitherSpellingSays() {
        QFETCH(QString, tie);
        QFETCH(QString, scale);
        QFETCH(bool, ownHead);
        Json config = with("tie_word_embeddings", tie == "true");
        if (!scale.isEmpty()) {
            config["scale_decoder_outputs"] = scale == "true";
        }
        const T5Config read = t5ConfigFrom(config, ownHead);
        QTEST(read.tiedHead, "tied");
        QTEST(read.scaledHead, "scaled");
    }
    void variantsAreRefused_data() {
        QTest::addColumn<QString>("key");
        QTest::addColumn<QString>("value");
        QTest::addColumn<QString>("message");
        QTest::newRow("type") << "model_type"
                              << "\"umt5\""
                              << "'umt5'";
        QTest::newRow("activation") << "feed_forward_proj"
                                    << "\"gelu\""
                                    << "'gelu'";
        QTest::newRow("half") << "is_encoder_decoder"
                              << "false"
                              << "half a T5 model";
        QTest::newRow("quantized") << "quantization_config"
                                   << "{}"
                                   << "unquantized model";
    }
    void variantsAreRefused() {
        QFETCH(QString, key);
        QFETCH(QString, value);
        QFETCH(QString, message);
        const Json config =
            with(key.toStdString().c_str(), parseJson(value.toStdString(), "value"));
        LATHE_VERIFY_THROWS(t5ConfigFrom(config, false), Unsupported, message.toStdString());
    }
    void hostileSizesAreRefused_data() {
        QTest::addColumn<QString>("key");
        QTest::addColumn<QString>("value");
        QTest::newRow("no width") << "d_model"
                                  << "null";
        QTest::newRow("width 0") << "d_model"
                                 << "0";
        QTest::newRow("endless width") << "d_model"
                                       << "9007199254740993";
        QTest::newRow("negative") << "num_layers"
                                  << "-3";
        QTest::newRow("layers") << "num_decoder_layers"
                                << "100000";
        QTest::newRow("heads") << "num_heads"
                               << "1e3";
        QTest::newRow("head size") << "d_kv"
                                   << "65536";
        QTest::newRow("text") << "vocab_size"
                              << "\"99\"";
        QTest::newRow("buckets") << "relative_attention_num_buckets"
                                 << "2";
        QTest::newRow("distance") << "relative_attention_max_distance"
                                  << "16";
        QTest::newRow("start") << "decoder_start_token_id"
                               << "99";
        QTest::newRow("epsilon") << "layer_norm_epsilon"
                                 << "0";
    }
    void hostileSizesAreRefused() {
        QFETCH(QString, key);
        QFETCH(QString, value);
        const Json config =
            with(key.toStdString().c_str(), parseJson(value.toStdString(), "value"));
        LATHE_VERIFY_THROWS(t5ConfigFrom(config, false), FormatError, key.toStdString());
    }
    /// Of 32 buckets up to 128, worked out by hand: 8 + 8 log(d / 8) / log 16 to both sides, 16 +
    /// 16 log(d / 16) / log 8 to one.
    void bucketsWidenWithDistance() {
        const T5Config config = t5ConfigFrom(smallConfig(), false);
        const auto both = t5Buckets(config, true, 200, 200);
        QCOMPARE(both.size(), 401U);
        const auto at = [&both](int distance) {
            return both.at(static_cast<std::size_t>(distance + 200));
        };
        const std::vector<std::pair<int, int>> expected{{0, 0},   {1, 1},   {7, 7},    {8, 8},
                                                        {11, 8},  {12, 9},  {16, 10},  {31, 11},
                                                        {32, 12}, {64, 14}, {127, 15}, {200, 15}};
        for (const auto& [distance, bucket] : expected) {
            QCOMPARE(at(-distance), bucket);
            QCOMPARE(at(distance), distance == 0 ? 0 : 16 + bucket);
        }
        const auto back = t5Buckets(config, false, 200, 1);
        QCOMPARE(back.size(), 202U);
        QCOMPARE(back.back(), 0); // ahead is like here
        for (const auto& [distance, bucket] : std::vector<std::pair<int, int>>{
                 {0, 0}, {15, 15}, {16, 16}, {32, 21}, {64, 26}, {127, 31}, {200, 31}}) {
            QCOMPARE(back.at(static_cast<std::size_t>(200 - distance)), bucket);
        }
    }
    void parametersAreCounted() {
        // Embedding 99 x 64; two tables of 32 x 4 and two last norms; an attention layer has
        // 4 x 64 x 64 + 64, a feed-forward layer 2 x 64 x 128 + 64.
        const std::int64_t attention = 16448;
        const std::int64_t feedForward = 16448;
        QCOMPARE(
            parameterCount(t5ConfigFrom(smallConfig(), false)),
            6336 + 2 * (128 + 64) + 3 * (attention + feedForward) +
                3 * (2 * attention + feedForward));
    }
};

LATHE_TEST(T5ConfigTest);

} // namespace lathe

#include "t5_config_test.moc"
