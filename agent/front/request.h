#pragma once

#include <microhttpd.h>

#include <chrono>
#include <optional>
#include <string>

#include "agent/front/budgets.h"
#include "agent/front/routes.h"
#include "agent/ipc/messages.h"

namespace coprotect::agent::front {

// Why the front answers a request itself.
struct Refusal {
  Error error;
  unsigned status;
  std::string_view allow{};      // the path's methods, if the method is wrong
  std::chrono::seconds later{};  // Retry-After unless zero
  bool close = false;            // whether to close the connection after the answer
};

// One request of a connection while libmicrohttpd processes it.
struct Request {
  ipc::Route route;
  std::string subject;
  Bytes body{};
  std::optional<Holder> holder{};     // whose budget it is charged to, if any
  std::size_t held{};                 // bytes that the budget was charged with
  std::optional<Refusal> refusal{};   // sent when the body has ended
  std::optional<ipc::Reply> reply{};  // set before the connection is resumed
};

// Queue an answer to this connection's request.
MHD_Result answer(MHD_Connection* connection, ipc::Route route, ipc::Reply reply);
MHD_Result answer(MHD_Connection* connection, const Refusal& refusal);

// The same as bytes, for a request that libmicrohttpd does not know of. The connection ends afterwards.
std::string whole_answer(const Refusal& refusal);

}  // namespace coprotect::agent::front
