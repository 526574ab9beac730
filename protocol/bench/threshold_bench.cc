// A party's computations for a request, as a multiple of the one unavoidable operation: raising a
// ciphertext's c1 to a secret exponent with OpenSSL.

#include <benchmark/benchmark.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "protocol/base/arena.h"
#include "protocol/base/owned.h"
#include "protocol/bench/in_turns.h"
#include "protocol/crypto/ecdsa.h"
#include "protocol/crypto/hash.h"
#include "protocol/crypto/hpke.h"
#include "protocol/threshold/partial.h"

namespace {

using namespace coprotect;
using namespace coprotect::protocol;
using Number = Owned<BIGNUM, BN_clear_free>;
using Context = Owned<BN_CTX, BN_CTX_free>;

// One exponentiation with a secret exponent, with everything prepared in advance.
class Reference {
 public:
  virtual ~Reference() = default;
  virtual void run() = 0;
};

class PointMultiplication final : public Reference {
 public:
  PointMultiplication() : exponent_(BN_new()), context_(BN_CTX_new()) {
    invariant(BN_priv_rand_range(exponent_.get(), EC_GROUP_get0_order(curve_.get())) == 1 &&
              EC_POINT_mul(curve_.get(), point_.get(), exponent_.get(), nullptr, nullptr, context_.get()) ==
                  1);
  }
  void run() override {
    invariant(EC_POINT_mul(curve_.get(), result_.get(), nullptr, point_.get(), exponent_.get(),
                           context_.get()) == 1);
  }

 private:
  Owned<EC_GROUP, EC_GROUP_free> curve_{EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1)};
  Owned<EC_POINT, EC_POINT_free> point_{EC_POINT_new(curve_.get())};
  Owned<EC_POINT, EC_POINT_free> result_{EC_POINT_new(curve_.get())};
  Number exponent_;
  Context context_;
};

class Exponentiation final : public Reference {
 public:
  explicit Exponentiation(const Group& group) {
    modulus_.reset(
        BN_bin2bn(group.scalars().modulus().data(), static_cast<int>(group.scalar_size()), nullptr));
    invariant(BN_priv_rand_range(exponent_.get(), modulus_.get()) == 1);
    invariant(BN_lshift1(modulus_.get(), modulus_.get()) == 1 &&
              BN_add_word(modulus_.get(), 1) == 1);  // p = 2q+1
    invariant(BN_priv_rand_range(base_.get(), modulus_.get()) == 1 &&
              BN_MONT_CTX_set(montgomery_.get(), modulus_.get(), context_.get()) == 1);
  }
  void run() override {
    invariant(BN_mod_exp_mont_consttime(result_.get(), base_.get(), exponent_.get(), modulus_.get(),
                                        context_.get(), montgomery_.get()) == 1);
  }

 private:
  Number modulus_, base_{BN_new()}, exponent_{BN_new()}, result_{BN_new()};
  Context context_{BN_CTX_new()};
  Owned<BN_MONT_CTX, BN_MONT_CTX_free> montgomery_{BN_MONT_CTX_new()};
};

std::unique_ptr<Reference> reference_for(const Group& group) {
  if (group.suite() == SuiteId::p256) return std::make_unique<PointMultiplication>();
  return std::make_unique<Exponentiation>(group);
}

// A party of a 2-of-3 key, and a request of several items for it.
struct Request {
  Request(SuiteId suite, std::size_t count)
      : group(group_of(suite)),
        share(Scalar::random(group.scalars(), system_random())),
        public_share(group.generator_power_secret(share)),
        key(*PublicKey::make(group.random_message(system_random()))),
        label(sha256(bytes_of("label"))) {
    for (std::size_t i = 0; i < count; ++i) {
      Capsule made = encrypt(key, group.random_message(system_random()), label, system_random()).capsule();
      made.c1 = *group.parse(made.c1.encode());  // as received
      made.u_bar = *group.parse(made.u_bar.encode());
      bases.push_back(made.c1);
      capsules.push_back(std::move(made));
    }
  }

  // Checks the ciphertexts, and computes the partials and their proof.
  PartialSet answer() const {
    for (const Capsule& capsule : capsules) invariant(static_cast<bool>(verify(key, capsule, label)));
    return compute_partials(share, public_share, bases, label, system_random());
  }

  const Group& group;
  Scalar share;
  Element public_share;
  PublicKey key;
  Digest label;
  std::vector<Capsule> capsules;
  std::vector<Element> bases;
};

void partial_decryption(benchmark::State& state, SuiteId suite, std::size_t items) {
  const Request request(suite, items);
  const auto reference = reference_for(request.group);
  bench::compare(
      state, [&] { benchmark::DoNotOptimize(request.answer()); }, [&] { reference->run(); }, items);
}

// All public-key operations of a custodian for a request: the client's signature, parsing the ciphertexts,
// the partials, the proof, and the sealed reply.
void custodian(benchmark::State& state, std::size_t items) {
  const Request request(SuiteId::p256, items);
  const SigningKey client = SigningKey::generate(system_random());
  const Digest request_hash = sha256(bytes_of("request"));
  const Signature signature = client.sign(request_hash);
  const HpkePublicKey reply_key = HpkePrivateKey::generate(system_random()).public_key();
  std::vector<Bytes> elements;
  for (const Capsule& capsule : request.capsules) {
    elements.push_back(capsule.c1.encode());
    elements.push_back(capsule.u_bar.encode());
  }
  PointMultiplication reference;
  const auto work = [&] {
    invariant(client.public_key().verify(request_hash, signature));
    for (const Bytes& element : elements) invariant(static_cast<bool>(request.group.parse(element)));
    Bytes plaintext;
    for (const Element& value : request.answer().values) {
      const Bytes encoded = value.encode();
      plaintext.insert(plaintext.end(), encoded.begin(), encoded.end());
    }
    benchmark::DoNotOptimize(hpke_seal(reply_key, request_hash, {}, plaintext, system_random()));
  };
  bench::compare(
      state, work, [&] { reference.run(); }, items);
}

}  // namespace

int main(int argc, char** argv) {
  const auto installed =
      locked_memory::install();  // as the programs do: its allocator is part of the figures
  if (!installed) {
    std::cerr << installed.error().message() << "\n";
    return 1;
  }
  std::vector<benchmark::internal::Benchmark*> rows;
  for (const SuiteId suite : {SuiteId::p256, SuiteId::ffdhe3072}) {
    for (const std::size_t items : {std::size_t{1}, std::size_t{16}}) {
      const std::string name =
          "partial_decryption/" + std::string(suite_name(suite)) + "/" + std::to_string(items);
      rows.push_back(benchmark::RegisterBenchmark(name.c_str(), partial_decryption, suite, items));
    }
  }
  rows.push_back(benchmark::RegisterBenchmark("custodian/p256/1", custodian, std::size_t{1}));
  rows.push_back(benchmark::RegisterBenchmark("custodian/p256/16", custodian, std::size_t{16}));
  // Tables for fixed bases are made only after some uses.
  for (auto* const row : rows) row->UseManualTime()->MinWarmUpTime(0.1)->Unit(benchmark::kMicrosecond);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
