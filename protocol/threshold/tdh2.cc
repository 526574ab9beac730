#include "protocol/threshold/tdh2.h"

#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/threshold/transcript.h"

namespace coprotect::protocol {
namespace {

Bytes suite_bytes(const Group& group) {
  Writer writer;
  writer.u16(static_cast<std::uint16_t>(group.suite()));
  return std::move(writer).take();
}

// e of SPEC.md §3.1.
Challenge challenge(const PublicKey& key, const Element& c1, const Element& u_bar, const Digest& c2_hash,
                    const Element& w, const Element& w_bar, const Digest& label) {
  return tagged_hash("CPV1-TDH2", {suite_bytes(key.group()), key.h().encode(), key.g_bar().encode(),
                                   c1.encode(), u_bar.encode(), c2_hash, w.encode(), w_bar.encode(), label});
}

// A scalar of the encryption. If the generator repeats itself, the message and the label still make it
// unpredictable and different for each. Two proofs with one s would reveal r, and with it m.
Scalar hedged_scalar(const PublicKey& key, const Element& m, const Digest& label, std::string_view tag,
                     Random& random) {
  const Group& group = key.group();
  Secret fresh(32);
  random.fill(fresh.fill());
  Transcript transcript(fresh.size() + 2 * group.element_size() + label.size());
  transcript.add(fresh.reveal()).add(key.h().encode()).add(m.encode_secret().reveal()).add(label);
  Scalar scalar = group.hash_to_scalar(transcript.reveal(), tag);
  invariant(!scalar.is_zero());
  return scalar;
}

}  // namespace

Result<PublicKey> PublicKey::make(Element h) {
  if (h.is_identity()) return Error(Code::malformed, "public key: the identity");
  const Group& group = h.group();
  Writer message;
  message.bytes(suite_bytes(group)).bytes(h.encode());
  auto g_bar = group.hash_to_element(message.view(), "CPV1-GBAR");
  if (!g_bar) return std::move(g_bar).error().in("public key");
  return PublicKey(group.fixed_base(h), group.fixed_base(*g_bar));
}

Capsule Ciphertext::capsule() const {
  return {.c1 = c1, .u_bar = u_bar, .c2_hash = sha256(c2.encode()), .e = e, .f = f.clone()};
}

Ciphertext encrypt(const PublicKey& key, const Element& m, const Digest& label, Random& random) {
  const Group& group = key.group();
  const Scalar r = hedged_scalar(key, m, label, "CPV1-TDH2-R", random);
  const Scalar s = hedged_scalar(key, m, label, "CPV1-TDH2-S", random);
  Element c1 = group.generator_power_secret(r);
  Element u_bar = group.power_secret(key.g_bar(), r);
  Element c2 = group.multiply_secret(m, group.power_secret(key.h(), r));
  const Element w = group.generator_power_secret(s);
  const Element w_bar = group.power_secret(key.g_bar(), s);
  const Challenge e = challenge(key, c1, u_bar, sha256(c2.encode()), w, w_bar, label);
  return {.c1 = std::move(c1),
          .u_bar = std::move(u_bar),
          .c2 = std::move(c2),
          .e = e,
          .f = s + r * Scalar::reduce(group.scalars(), e)};
}

Status verify(const PublicKey& key, const Capsule& capsule, const Digest& label) {
  const Group& group = key.group();
  if (&capsule.c1.group() != &group || &capsule.u_bar.group() != &group ||
      &capsule.f.field() != &group.scalars() || capsule.c1.is_identity() || capsule.u_bar.is_identity())
    return Error(Code::bad_proof, "ciphertext: not of the key's group");
  const ByteView f = capsule.f.bytes().reveal();
  const Element w = group.generator().power_times_inverse_power(f, capsule.c1, capsule.e);
  const Element w_bar = key.g_bar_powers().power_times_inverse_power(f, capsule.u_bar, capsule.e);
  // A party that knows r can choose f and e so that w is the identity, which has no encoding.
  if (w.is_identity() || w_bar.is_identity() ||
      challenge(key, capsule.c1, capsule.u_bar, capsule.c2_hash, w, w_bar, label) != capsule.e)
    return Error(Code::bad_proof, "ciphertext: its proof does not hold");
  return Done{};
}

}  // namespace coprotect::protocol
