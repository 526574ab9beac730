// The small messages. The first byte selects one. Accepted input encodes to the same bytes.

#include "protocol/crypto/hash.h"
#include "protocol/dkg/test_ceremony.h"
#include "protocol/fuzz/read_back.h"
#include "protocol/message/base64url.h"
#include "protocol/message/chain.h"
#include "protocol/message/client_list.h"
#include "protocol/message/drill_signature.h"
#include "protocol/message/key_list.h"
#include "protocol/message/log_cut.h"
#include "protocol/message/onboarding.h"
#include "protocol/message/peer_state.h"

using namespace coprotect;
using namespace coprotect::protocol;
using fuzz::read;
using fuzz::read_with_mac;

namespace {

void read_invitation(ByteView payload) {
  Bytes checked(payload.begin(), payload.end());
  const Digest digest = sha256(payload);
  checked.insert(checked.end(), digest.begin(), digest.begin() + 4);
  const Secret symbols = base64url_encode(checked);
  const auto decoded = base64url_decode(symbols.reveal());
  invariant(decoded && equal_in_constant_time(decoded->reveal(), checked));
  const std::string line = "coprotect-invitation-1." + std::string(text_of(symbols.reveal()));
  const auto invitation = Invitation::parse(bytes_of(line));
  invariant(!invitation || text_of(invitation->encode().reveal()) == line);
}

// The position of the sender's key. The fuzzer's key replaces it, so that it can sign.
constexpr std::size_t kSender = 5;

template <typename Message>
void read_of_peer(ByteView input, std::string_view tag) {
  static const SigningKey key = SigningKey::generate(system_random());
  (void)Message::parse(input);
  Bytes signed_message(input.begin(), input.end());
  const auto& own = key.public_key().bytes();
  if (input.size() < kSender + own.size()) return;
  std::copy(own.begin(), own.end(), signed_message.begin() + static_cast<std::ptrdiff_t>(kSender));
  const Signature signature = key.sign(tagged_hash(tag, {sha256(signed_message)}));
  signed_message.insert(signed_message.end(), signature.begin(), signature.end());
  const auto message = Message::parse(signed_message);
  if (!message) return;
  const Bytes again = message->sign(key);
  invariant(std::equal(signed_message.begin(), signed_message.end() - 64, again.begin(), again.end() - 64));
}

// Reads a list as it is, and with a valid signature appended.
template <typename List>
void read_signed_list(ByteView input, std::string_view tag) {
  static const SigningKey key = SigningKey::generate(system_random());
  static const Certificate ca = test::make_authority("acme client CA", key);
  (void)List::parse(input, ca);
  Bytes signed_list(input.begin(), input.end());
  const Signature signature = key.sign(tagged_hash(tag, {sha256(input)}));
  signed_list.insert(signed_list.end(), signature.begin(), signature.end());
  const auto list = List::parse(signed_list, ca);
  if (!list) return;
  const Bytes again = list->sign(key);
  invariant(std::equal(input.begin(), input.end(), again.begin(), again.end() - 64));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input(data + 1, size - 1);
  switch (data[0] % 21) {
    case 0:
      read<LogEntry>(input);
      break;
    case 1:
      read<LogHead>(input);
      break;
    case 2:
      read<LogReply>(input);
      break;
    case 3:
      read<StatusMessage>(input);
      break;
    case 4:
      read<MessageList>(input);
      break;
    case 5:
      read<StoreBlobMessage>(input);
      break;
    case 6:
      read_with_mac<OpenMessage>(input);
      break;
    case 7:
      read_with_mac<OfferMessage>(input, ByteView());
      break;
    case 8:
      read_with_mac<ParametersMessage>(input);
      break;
    case 9:
      read_with_mac<ControlMessage>(input);
      break;
    case 10:
      read_invitation(input);
      break;
    case 11:
      (void)Invitation::parse(input);
      break;
    case 12:
      read_signed_list<ClientList>(input, "CPV1-CLIENTS");
      break;
    case 13:
      read<ForwardMessage>(input);
      break;
    case 14:
      read<ChainReply>(input);
      break;
    case 15:
      read_of_peer<PeerQuestion>(input, "CPV1-PEER-QUESTION");
      break;
    case 16:
      read_of_peer<PeerAnswer>(input, "CPV1-PEER-ANSWER");
      break;
    case 17:
      read<DrillSignature>(input);
      break;
    case 18:
      read_signed_list<KeyList>(input, "CPV1-KEYS");
      break;
    case 19:
      read<LogCut>(input);
      break;
    case 20:
      static_cast<void>(LogArchive::read(input, [](const auto&, const auto&) { return Status(Done{}); }));
      break;
  }
  return 0;
}
