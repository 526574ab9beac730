#include "agent/custodian/log_query.h"

namespace coprotect::agent::custodian {

Result<Secret> log_query(Store& store, const Log& log, const Key& key, const protocol::LogBody& body) {
  auto transaction = store.begin();
  if (!transaction) return std::move(transaction).error();
  const auto reply = log.read(*transaction, key.tenant(), body.from, body.limit);
  if (!reply) return reply.error();
  return Secret::copy_of(reply->encode());
}

}  // namespace coprotect::agent::custodian
