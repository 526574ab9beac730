#include "protocol/message/reply.h"

#include <set>

#include "protocol/base/secret_writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/fields.h"
#include "protocol/threshold/shamir.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kReplyMagic = "CPRP\x01";

Error not_partials(std::string_view what) {
  return {Code::malformed, "partial decryptions: " + std::string(what)};
}

Result<PartialReply::Item> read_reply_item(Reader& r, const Group& group) {
  const auto status = r.u8();
  if (!status || *status > static_cast<std::uint8_t>(ItemStatus::malformed))
    return not_partials("unknown status");
  const auto known = static_cast<ItemStatus>(*status);
  if (known != ItemStatus::done) {
    auto detail = read_text(r);
    if (!detail) return not_partials("cut off, or a detail is not text");
    return PartialReply::Item{.status = known, .value = std::nullopt, .detail = *std::move(detail)};
  }
  const auto encoded = r.bytes(group.element_size());
  if (!encoded) return not_partials("cut off");
  auto value = group.parse(*encoded);
  if (!value) return std::move(value).error().in("partial decryptions");
  return PartialReply::Item{.status = known, .value = *std::move(value), .detail = {}};
}

Result<DleqProof> read_proof(Reader& r, const Group& group) {
  const auto c = r.array<32>();
  const auto z_bytes = r.bytes(group.scalar_size());
  if (!c || !z_bytes) return not_partials("cut off in the proof");
  auto z = Scalar::parse(group.scalars(), *z_bytes);
  if (!z) return std::move(z).error().in("partial decryptions: proof");
  return DleqProof{.c = *c, .z = *std::move(z)};
}

Result<PartialReply> read_block(Reader& r, const Group& group) {
  const auto index = r.u8();
  const auto epoch = r.u32();
  const auto count = r.u16();
  if (!index || *index == 0 || *index > kMaxShares || !epoch || !count || *count == 0 || *count > kMaxItems) {
    return not_partials("index or count is out of range");
  }
  PartialReply reply{.index = *index, .epoch = *epoch, .items = {}, .proof = std::nullopt};
  bool any_done = false;
  for (std::size_t i = 0; i < *count; ++i) {
    auto item = read_reply_item(r, group);
    if (!item) return std::move(item).error();
    any_done = any_done || item->status == ItemStatus::done;
    reply.items.push_back(*std::move(item));
  }
  if (!any_done) return reply;
  auto proof = read_proof(r, group);
  if (!proof) return std::move(proof).error();
  reply.proof = *std::move(proof);
  return reply;
}

constexpr std::uint8_t kReplyAnswered = 0;
constexpr std::uint8_t kReplyRefused = 1;
constexpr std::size_t kSignatureSize = 64;

// The reply is not this party's answer to this request (SPEC.md §7.2).
Error bad_reply(std::string_view what) {
  return {Code::bad_proof, "reply: " + std::string(what)};
}
// The party's signature is valid, but the content is malformed.
Error malformed_reply(std::string_view what) {
  return {Code::malformed, "reply: " + std::string(what)};
}

Digest reply_digest(const Digest& request_hash, ByteView plaintext) {
  return tagged_hash("CPV1-REPLY", {request_hash, sha256(plaintext)});
}

Bytes reply_info(const Digest& request_hash) {
  Writer w;
  w.literal("CPV1-REPLY").bytes(request_hash);
  return std::move(w).take();
}

}  // namespace

std::string_view item_status_name(ItemStatus status) {
  switch (status) {
    case ItemStatus::done:
      return "done";
    case ItemStatus::denied_by_file:
      return "denied by the file's policy";
    case ItemStatus::denied_by_server:
      return "denied by the server's policy";
    case ItemStatus::bad_proof:
      return "proof of the ciphertext does not hold";
    case ItemStatus::malformed:
      return "malformed";
  }
  std::abort();
}

Secret PartialReply::encode() const {
  SecretWriter w;
  w.u8(index).u32(epoch).u16(static_cast<std::uint16_t>(items.size()));
  for (const Item& item : items) {
    w.u8(static_cast<std::uint8_t>(item.status));
    if (item.status == ItemStatus::done) {
      w.bytes(item.value->encode_secret().reveal());
    } else {
      w.lp(item.detail);
    }
  }
  if (proof) w.bytes(proof->c).bytes(proof->z.bytes().reveal());
  return std::move(w).take();
}

Secret encode_partial_replies(const std::vector<PartialReply>& replies) {
  SecretWriter w;
  for (const PartialReply& reply : replies) w.bytes(reply.encode().reveal());
  return std::move(w).take();
}

Result<std::vector<PartialReply>> parse_partial_replies(ByteView encoded, const Group& group) {
  Reader r(encoded);
  std::vector<PartialReply> replies;
  std::set<std::uint8_t> indices;
  do {
    auto reply = read_block(r, group);
    if (!reply) return std::move(reply).error();
    if (!indices.insert(reply->index).second) return not_partials("an index is repeated");
    replies.push_back(*std::move(reply));
    if (replies.back().items.size() != replies.front().items.size()) {
      return not_partials("indices differ in their number of items");
    }
  } while (!r.empty());
  return replies;
}

Bytes SealedReply::encode() const {
  Writer w;
  w.literal(kReplyMagic).bytes(party).lp4(sealed);
  return std::move(w).take();
}

Result<SealedReply> SealedReply::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kReplyMagic)) return Error(Code::malformed, "reply: not of version 1");
  const auto party = read_public_key(r);
  const auto sealed = r.lp4();
  if (!party || !sealed || !r.empty())
    return Error(Code::malformed, "reply: cut off, its party is not a P-256 point, or something follows");
  return SealedReply{.party = *party, .sealed = to_bytes(*sealed)};
}

namespace {

Result<SealedReply> sign_and_seal(const SigningKey& identity, std::uint8_t kind, ByteView content,
                                  const HpkePublicKey& reply_key, const Digest& request_hash,
                                  Random& random) {
  SecretWriter w;
  w.u8(kind).bytes(content);
  w.bytes(identity.sign(reply_digest(request_hash, w.reveal())));
  const PublicKeyBytes& party = identity.public_key().bytes();
  auto sealed = hpke_seal(reply_key, reply_info(request_hash), party, w.reveal(), random);
  if (!sealed) return std::move(sealed).error().in("reply key");
  return SealedReply{.party = party, .sealed = *std::move(sealed)};
}

}  // namespace

Result<SealedReply> SealedReply::answer(const SigningKey& identity, ByteView answer,
                                        const HpkePublicKey& reply_key, const Digest& request_hash,
                                        Random& random) {
  return sign_and_seal(identity, kReplyAnswered, answer, reply_key, request_hash, random);
}

Result<SealedReply> SealedReply::refuse(const SigningKey& identity, const Refusal& refusal,
                                        const HpkePublicKey& reply_key, const Digest& request_hash,
                                        Random& random) {
  return sign_and_seal(identity, kReplyRefused, refusal.encode(), reply_key, request_hash, random);
}

Result<ReplyContent> SealedReply::open(const VerifyKey& identity, const HpkePrivateKey& reply_key,
                                       const Digest& request_hash) const {
  if (party != identity.bytes()) return bad_reply("it is in another party's name");
  const auto opened = reply_key.open(sealed, reply_info(request_hash), party);
  if (!opened) return bad_reply("it was not sealed for this request");
  const ByteView all = opened->reveal();
  if (all.size() < 1 + kSignatureSize) return bad_reply("it is too short for a signature");
  const ByteView plaintext = all.first(all.size() - kSignatureSize);
  if (!identity.verify(reply_digest(request_hash, plaintext), all.last(kSignatureSize)))
    return bad_reply("the party did not sign it");
  const ByteView content = plaintext.subspan(1);
  if (plaintext[0] == kReplyAnswered) return ReplyContent(Secret::copy_of(content));
  if (plaintext[0] != kReplyRefused) return malformed_reply("it is neither an answer nor a refusal");
  Reader r(content);
  auto refusal = Refusal::read(r);
  if (!refusal || !r.empty()) return malformed_reply("its refusal is malformed");
  return ReplyContent(*std::move(refusal));
}

}  // namespace coprotect::protocol
