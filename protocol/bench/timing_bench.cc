// Whether an operation's time reveals its secret: Welch's t-test between two classes of inputs, as in dudect
// (Reparaz, Balasch, Verbauwhede, "dude, is my code constant time?", DATE 2017). One class always has the
// same secret, chosen to be unusual (1, or mostly zero bytes). The other has a new random secret each time.
//
//   timing_bench [--seconds N] [NAME…]      seconds of measuring for each operation (10)
//
// A |t| below 4.5 shows nothing; above 10 there is a difference. The controls are operations that are not
// constant time. Use a quiet machine: noise hides differences, it does not create them.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "protocol/base/arena.h"
#include "protocol/crypto/aead.h"
#include "protocol/crypto/hpke.h"
#include "protocol/file/header.h"
#include "protocol/recovery/code.h"
#include "protocol/threshold/partial.h"

namespace {

using namespace coprotect;
using namespace coprotect::protocol;
using Clock = std::chrono::steady_clock;

// Running mean and variance (Welford).
class Moments {
 public:
  void add(double x) {
    n_ += 1;
    const double delta = x - mean_;
    mean_ += delta / n_;
    squares_ += delta * (x - mean_);
  }
  // Welch's t for two samples.
  static double t(const Moments& a, const Moments& b) {
    if (a.n_ < 100 || b.n_ < 100) return 0;
    const double error = std::sqrt(a.variance() / a.n_ + b.variance() / b.n_);
    return error == 0 ? 0 : (a.mean_ - b.mean_) / error;
  }

 private:
  double variance() const { return squares_ / (n_ - 1); }
  double n_ = 0, mean_ = 0, squares_ = 0;
};

// An operation whose inputs are made before it is timed. `fixed` selects the class.
struct Subject {
  std::string name;
  bool control;
  std::function<std::function<void()>(bool fixed)> prepare;
};

struct Verdict {
  std::size_t measurements;
  double t;  // the largest of all croppings
};

constexpr std::size_t kBatch = 512;
constexpr std::size_t kDropped = kBatch / 8;
constexpr std::size_t kLeast = 2 * kDropped;  // however short the time is
constexpr std::size_t kCroppings = 20;

// Times are cropped at percentiles, because interrupts cause the largest ones. Each limit is a separate test.
Verdict measure(const Subject& subject, double seconds) {
  std::vector<std::pair<bool, double>> times;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end || times.size() < kLeast) {
    std::vector<std::pair<bool, std::function<void()>>> batch;
    for (std::size_t i = 0; i < kBatch && (i < 32 || Clock::now() < end); ++i) {
      std::uint8_t coin = 0;
      system_random().fill({&coin, 1});
      batch.emplace_back(coin & 1, subject.prepare(coin & 1));
    }
    for (const auto& [fixed, run] : batch) {
      const auto start = Clock::now();
      run();
      times.emplace_back(fixed, std::chrono::duration<double, std::nano>(Clock::now() - start).count());
    }
  }
  // Drops the first measurements, which ran on cold caches.
  times.erase(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(kDropped));
  std::vector<double> sorted;
  for (const auto& [fixed, time] : times) sorted.push_back(time);
  std::sort(sorted.begin(), sorted.end());
  double worst = 0;
  for (std::size_t c = 0; c < kCroppings; ++c) {
    // dudect's percentiles: 1 − 0.5^(10·(c+1)/k), and everything.
    const double part =
        c + 1 == kCroppings ? 1 : 1 - std::pow(0.5, 10.0 * static_cast<double>(c + 1) / double{kCroppings});
    const double limit = sorted[std::min(
        sorted.size() - 1, static_cast<std::size_t>(part * static_cast<double>(sorted.size())))];
    Moments classes[2];
    for (const auto& [fixed, time] : times)
      if (time <= limit) classes[fixed ? 1 : 0].add(time);
    const double t = Moments::t(classes[0], classes[1]);
    if (std::abs(t) > std::abs(worst)) worst = t;
  }
  return {.measurements = times.size(), .t = worst};
}

// The same steps make both classes, so that caches are equally warm for each.
Secret bytes_of_class(std::size_t size, bool fixed) {
  Secret bytes(size);
  system_random().fill(bytes.fill());
  Secret same(size);
  same.fill().back() = 1;
  Secret chosen(size);
  for (std::size_t i = 0; i < size; ++i) chosen.fill()[i] = fixed ? same.reveal()[i] : bytes.reveal()[i];
  return chosen;
}
Scalar secret_of(const Group& group, bool fixed) {
  return Scalar::reduce(group.scalars(), bytes_of_class(group.scalar_size(), fixed).reveal());
}
template <typename T>
std::shared_ptr<T> shared(T value) {
  return std::make_shared<T>(std::move(value));
}

void add_group(std::vector<Subject>& subjects, SuiteId suite) {
  const Group& group = group_of(suite);
  const auto named = [&](const char* what) {
    return std::string(what) + "/" + std::string(suite_name(suite));
  };
  const auto base = shared(group.random_message(system_random()));
  subjects.push_back({named("power"), false, [&group, base](bool fixed) {
                        const auto x = shared(secret_of(group, fixed));
                        return [&group, base, x] { (void)group.power_secret(*base, *x); };
                      }});
  subjects.push_back({named("generator-power"), false, [&group](bool fixed) {
                        const auto x = shared(secret_of(group, fixed));
                        return [&group, x] { (void)group.generator_power_secret(*x); };
                      }});
  // The fixed exponent is an arbitrary one of full length. That shows whether only short numbers differ.
  const auto any = shared(bytes_of_class(group.scalar_size(), false));
  subjects.push_back({named("generator-power-of-any"), false, [&group, any](bool fixed) {
                        const Secret random = bytes_of_class(group.scalar_size(), false);
                        const Secret& chosen = fixed ? *any : random;
                        const auto x = shared(Scalar::reduce(group.scalars(), chosen.reveal()));
                        return [&group, x] { (void)group.generator_power_secret(*x); };
                      }});
  subjects.push_back({named("scalar-inverse"), false, [&group](bool fixed) {
                        const auto x = shared(secret_of(group, fixed));
                        return [x] { (void)x->inverse(); };
                      }});
  subjects.push_back({named("scalar-product"), false, [&group](bool fixed) {
                        const auto x = shared(secret_of(group, fixed));
                        const auto y = shared(Scalar::random(group.scalars(), system_random()));
                        return [x, y] { (void)(*x * *y); };
                      }});
  const auto m = shared(group.random_message(system_random()));
  subjects.push_back({named("combine"), false, [&group, base, m](bool fixed) {
                        const auto partials = std::make_shared<std::vector<IndexedPartial>>();
                        partials->push_back({1, group.generator_power_secret(secret_of(group, fixed))});
                        partials->push_back({2, *m});
                        return [base, partials] { (void)combine(*base, *partials); };
                      }});
}

std::vector<Subject> all_subjects() {
  std::vector<Subject> subjects;
  subjects.push_back({"compare-early", true, [](bool fixed) {
                        const auto secret = shared(bytes_of_class(4096, fixed));
                        return [secret] {
                          static const Bytes zeros(4096);
                          const volatile bool same =
                              std::equal(zeros.begin(), zeros.end(), secret->reveal().begin());
                          (void)same;
                        };
                      }});
  subjects.push_back({"power-public/ffdhe2048", true, [](bool fixed) {
                        const Group& group = group_of(SuiteId::ffdhe2048);
                        const auto x = shared(secret_of(group, fixed));
                        return [&group, x] {
                          (void)group.power_public(group.generator().base(), x->bytes().reveal());
                        };
                      }});
  add_group(subjects, SuiteId::p256);
  add_group(subjects, SuiteId::ffdhe2048);
  add_group(subjects, SuiteId::ffdhe3072);
  subjects.push_back({"compare", false, [](bool fixed) {
                        const auto secret = shared(bytes_of_class(4096, fixed));
                        return [secret] {
                          static const Bytes zeros(4096);
                          (void)equal_in_constant_time(zeros, secret->reveal());
                        };
                      }});
  subjects.push_back({"aead-seal", false, [](bool fixed) {
                        const auto key = shared(bytes_of_class(kAeadKeySize, fixed));
                        const auto plaintext = shared(bytes_of_class(1024, fixed));
                        return [key, plaintext] {
                          const ByteArray<kAeadNonceSize> nonce{};
                          (void)aead_seal(key->reveal(), nonce, {}, plaintext->reveal());
                        };
                      }});
  const auto recipient = shared(HpkePrivateKey::generate(system_random()));
  subjects.push_back({"hpke-open", false, [recipient](bool fixed) {
                        ByteArray<32> one{};
                        one.back() = 1;
                        const auto key = shared(fixed ? *HpkePrivateKey::from_scalar(one)
                                                      : HpkePrivateKey::generate(system_random()));
                        const auto sealed = shared(
                            *hpke_seal(key->public_key(), {}, {}, bytes_of("32 bytes"), system_random()));
                        return [key, sealed] { (void)key->open(*sealed, {}, {}); };
                      }});
  subjects.push_back({"read-code", false, [](bool fixed) {
                        static const Secret same = generate_code(system_random());
                        const Secret other = generate_code(system_random());
                        const auto code = shared(fixed ? same.clone() : other.clone());
                        return [code] { (void)read_code(code->reveal()); };
                      }});
  return subjects;
}

}  // namespace

int main(int argc, char** argv) {
  if (const auto locked = locked_memory::install(); !locked) {
    std::fprintf(stderr, "timing_bench: %s\n", locked.error().message().c_str());
    return 1;
  }
  double seconds = 10;
  std::vector<std::string> names;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--seconds" && i + 1 < argc)
      seconds = std::atof(argv[++i]);
    else
      names.push_back(argument);
  }
  if (seconds <= 0) {
    std::fprintf(stderr, "usage: timing_bench [--seconds N] [NAME...]\n");
    return 2;
  }
  for (const Subject& subject : all_subjects()) {
    if (!names.empty() && std::find(names.begin(), names.end(), subject.name) == names.end()) continue;
    const Verdict verdict = measure(subject, seconds);
    std::printf("%-58s %10.2f %10zu  %s\n", (subject.name + ", t of two classes").c_str(), verdict.t,
                verdict.measurements, subject.control ? "control: not constant" : "");
    std::fflush(stdout);
  }
  return 0;
}
