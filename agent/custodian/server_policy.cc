#include "agent/custodian/server_policy.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::Action;
using protocol::Operation;
using protocol::Purpose;
using protocol::Role;

Error needs(std::string_view what, std::string_view roles) {
  return {Code::denied, std::string(what).append(" needs a certificate of role ").append(roles)};
}

}  // namespace

Status ServerPolicy::check(const protocol::Request& request, const protocol::ClientIdentity& client,
                           Purpose purpose) const {
  const bool recovery = client.role == Role::recovery;
  if (request.action == Action::recover) {
    if (!recovery) return needs("action recover", "recovery");
    if (!allow_recover) return Error(Code::denied, "this agent does not allow action recover");
  }
  switch (request.operation()) {
    case Operation::partial_decrypt:
      if (purpose != Purpose::envelope) return Error(Code::denied, "the key is not for files");
      return Done{};
    case Operation::recovery_share:
      if (!recovery && client.role != Role::admin) return needs("recovery-share", "recovery or admin");
      return Done{};
    case Operation::log:
      if (client.role != Role::admin) return needs("log", "admin");
      return Done{};
    case Operation::derive:
      if (purpose != Purpose::derive) return Error(Code::denied, "the key is for files, not to derive with");
      if (!derive) return Error(Code::denied, "this agent's policy allows nobody to derive");
      return derive->check(request, client);
    case Operation::handover:
      if (!recovery && client.role != Role::admin) return needs("handover", "recovery or admin");
      return Done{};
    case Operation::drill_report:
      if (client.role != Role::admin) return needs("drill-report", "admin");
      return Done{};
  }
  return Error(Code::malformed, "unknown operation");
}

}  // namespace coprotect::agent::custodian
