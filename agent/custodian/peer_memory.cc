#include "agent/custodian/peer_memory.h"

#include "protocol/base/writer.h"

namespace coprotect::agent::custodian {

Digest PeerMemory::mac(ByteView peer, ByteView question) const {
  Writer w;
  w.literal("CPV1-ROW-PEER").lp(peer).lp4(question);
  return keyring_.mac(w.view());
}

Status PeerMemory::load(Transaction& transaction) {
  Query query = transaction.query("SELECT peer, question, mac FROM peer_questions");
  return query.each([&]() -> Status {
    const Bytes peer = query.blob(0);
    const Bytes question = query.blob(1);
    if (!equal_in_constant_time(mac(peer, question), query.blob(2)))
      return Error(Code::altered, "store: what a peer said was altered: its MAC does not hold");
    transaction.rows().put(Table::peer_questions, peer, query.blob(2));
    questions_.emplace(peer, question);
    return Done{};
  });
}

Bytes PeerMemory::of(const protocol::PublicKeyBytes& peer) const {
  const auto found = questions_.find(Bytes(peer.begin(), peer.end()));
  return found == questions_.end() ? Bytes{} : found->second;
}

Status PeerMemory::put(Transaction& transaction, const protocol::PublicKeyBytes& peer, Bytes question) {
  const Digest row_mac = mac(peer, question);
  const auto written =
      transaction.query("INSERT OR REPLACE INTO peer_questions(peer, question, mac) VALUES(?, ?, ?)")
          .bind(peer)
          .bind(question)
          .bind(row_mac)
          .run(Rows::one);
  if (!written) return written;
  transaction.rows().put(Table::peer_questions, Bytes(peer.begin(), peer.end()),
                         Bytes(row_mac.begin(), row_mac.end()));
  transaction.after_commit([this, peer, question = std::move(question)]() mutable {
    questions_.insert_or_assign(Bytes(peer.begin(), peer.end()), std::move(question));
  });
  return Done{};
}

}  // namespace coprotect::agent::custodian
