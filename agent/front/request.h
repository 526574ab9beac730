#pragma once

#include <microhttpd.h>

#include <optional>
#include <string>

#include "agent/front/routes.h"
#include "agent/ipc/messages.h"

namespace coprotect::agent::front {

// One request of a connection, while libmicrohttpd works on it.
struct Request {
  ipc::Route route;
  std::string subject;
  Bytes body{};
  std::size_t held{};              // bytes of the body counted in the server's total
  std::optional<Error> refused{};  // what is wrong with the body, told when it has ended
  unsigned refused_status{};
  std::optional<ipc::Reply> reply{};  // set before the connection is resumed
};

// Queue an answer of this connection's request.
MHD_Result answer(MHD_Connection* connection, ipc::Route route, ipc::Reply reply);
MHD_Result refuse(MHD_Connection* connection, const Error& error, unsigned status,
                  std::string_view allow = {});

}  // namespace coprotect::agent::front
