#include "client/cli/update.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "client/key_update.h"

namespace coprotect::client {
namespace {

struct Updated {
  KeyStore store;
  KeyUpdate update;
};

Result<Updated> ask(const Options& options) {
  const auto config = find_config(options);
  if (!config) return config.error();
  if (!*config) return Error(Code::not_found, "no configuration \"" + default_config_file().string() + "\"");
  auto store = open_key_store(**config);
  if (!store) return std::move(store).error();
  const auto credentials = own_credentials(**config);
  if (!credentials) return credentials.error();
  auto update = update_keys(*store, *credentials, (*config)->deadline);
  if (!update) return std::move(update).error();
  if (update->not_kept) return *std::move(update->not_kept);
  return Updated{*std::move(store), *std::move(update)};
}

void print(const Updated& updated) {
  const protocol::KeyList* const list = updated.store.list();
  const std::string& tenant = updated.store.first().tenant();
  if (list == nullptr) {
    std::cout << "\"" << tenant << "\" has no key list: its first key encrypts" << std::endl;
    return;
  }
  std::cout << "\"" << tenant << "\": key list " << list->serial
            << (updated.update.newer_list ? ", which is new here\n" : ", as before\n");
  for (const auto& entry : list->keys)
    std::cout << "  " << to_hex(entry.key_id) << "  " << key_use_name(entry.use) << '\n';
  std::cout << std::flush;
}

void print_json(const Updated& updated) {
  nlohmann::ordered_json json = {{"tenant", updated.store.first().tenant()},
                                 {"newer", updated.update.newer_list}};
  if (const protocol::KeyList* const list = updated.store.list()) {
    json["serial"] = list->serial;
    json["keys"] = nlohmann::ordered_json::array();
    for (const auto& entry : list->keys)
      json["keys"].push_back({{"key_id", to_hex(entry.key_id)}, {"state", key_use_name(entry.use)}});
  }
  std::cout << json.dump() << std::endl;
}

}  // namespace

ExitCode update(const Options& options, Report& report) {
  const auto updated = ask(options);
  if (!updated) {
    report.failed(updated.error(), exit_code_of_bundle(updated.error().code()));
    return report.exit_code();
  }
  if (updated->update.disputed) report.warn(*updated->update.disputed);
  for (const auto& [key_id, why] : updated->update.missing)
    report.warn(Error(why).in("key " + to_hex(key_id) + ", whose files do not open"));
  options.json ? print_json(*updated) : print(*updated);
  return ExitCode::done;
}

}  // namespace coprotect::client
