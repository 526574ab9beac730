#include "client/cli/public_key.h"

#include <iostream>

#include "client/enrolment.h"
#include "client/joint_public_key.h"

namespace coprotect::client {
namespace {

Result<protocol::Bundle> named_bundle(const Options& options) {
  const auto config = find_config(options);
  if (!config) return config.error();
  if (!*config)
    return Error(Code::not_found, "there is no configuration \"" + default_config_file().string() + "\"");
  const auto key = find_key(**config, options.key_name);
  if (!key) return key.error();
  return load_bundle(key->bundle, key->key_id);
}

}  // namespace

ExitCode write_public_key(const Options& options, Report& report) {
  const auto bundle = named_bundle(options);
  if (!bundle) {
    report.failed(bundle.error(), exit_code_of_bundle(bundle.error().code()));
    return report.exit_code();
  }
  std::cout << joint_public_key_pem(*bundle) << std::flush;
  if (!std::cout) {
    report.failed(Error(Code::unavailable, "standard output cannot be written"), ExitCode::some_failed);
    return report.exit_code();
  }
  return ExitCode::done;
}

}  // namespace coprotect::client
