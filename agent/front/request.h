#pragma once

#include <microhttpd.h>

#include <optional>
#include <string>

#include "agent/front/routes.h"
#include "agent/ipc/messages.h"

namespace coprotect::agent::front {

// Why the front answers a request itself.
struct Refusal {
  Error error;
  unsigned status;
  std::string_view allow{};  // the methods of the path, if that is what is wrong
};

// One request of a connection, while libmicrohttpd works on it.
struct Request {
  ipc::Route route;
  std::string subject;
  Bytes body{};
  std::size_t held{};                 // bytes of the body counted in the server's total
  std::optional<Refusal> refusal{};   // told when the body has ended
  std::optional<ipc::Reply> reply{};  // set before the connection is resumed
};

// Queue an answer of this connection's request.
MHD_Result answer(MHD_Connection* connection, ipc::Route route, ipc::Reply reply);
MHD_Result answer(MHD_Connection* connection, const Refusal& refusal);

}  // namespace coprotect::agent::front
