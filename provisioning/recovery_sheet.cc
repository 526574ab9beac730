#include "provisioning/recovery_sheet.h"

#include <sstream>

#include "protocol/base/in_groups.h"
#include "provisioning/clock.h"

namespace coprotect::provisioning {
namespace {

constexpr std::string_view kRule =
    "--------------------------------------------------------------------------\n";

void write_parties(std::ostream& page, const protocol::Bundle& bundle) {
  page << "The agents (SHA-256 of their identity keys):\n\n";
  for (const protocol::Party& party : bundle.parameters()->parties) {
    if (!party.is_agent()) continue;
    page << "  " << party.name << ", " << party.url << '\n'
         << in_groups(party.identity_certificate->key_hash(), "    ") << "\n\n";
  }
}

void write_place_for_code(std::ostream& page) {
  page << "The recovery code, in ink, by hand, capital letters and digits:\n\n"
       << "   _ _ _ _ _ - _ _ _ _ _ - _ _ _ _ _ - _ _ _ _ _ -\n\n"
       << "   _ _ _ _ _ - _ _ _ _ _ - _ _ _ _ _\n\n"
       << "The fifth sign of each group is a check. I and L count as 1, O as 0.\n\n";
}

void write_command(std::ostream& page, const std::string& kit) {
  page << ". On a machine that is not an agent's host, with coprotect installed:\n\n"
       << "  coprotect decrypt --recover --kit " << kit << " FILE.cop\n\n"
       << "It asks for the code and works with whichever agent answers:\n"
       << "  the company's agent, if the cloud is gone or refuses;\n"
       << "  the cloud's agent, if the company lost its machines.\n";
}

// None of our commands uses such a key.
void write_derivation(std::ostream& page) {
  page << ", whichever answers. This key opens no .cop files: other programs derive\n"
       << "keys with it (Diffie-Hellman). Without one of the two agents they need the\n"
       << "recovery share that agents keep for it; the share is not the key.\n";
}

}  // namespace

std::string recovery_sheet(const protocol::Bundle& bundle, const std::string& kit, std::int64_t made_ms) {
  std::ostringstream page;
  page << "CoProtect recovery sheet\n"
       << kRule << "Tenant   " << bundle.tenant() << '\n'
       << "Made     " << utc_text(made_ms) << '\n'
       << "Suite    " << protocol::suite_name(bundle.parameters()->suite) << "\n\n"
       << "The key's name (key_id):\n\n"
       << in_groups(bundle.key_id(), "    ") << "\n\n";
  write_parties(page, bundle);
  page << kRule;
  write_place_for_code(page);
  page << kRule << "To recover you need this code, the file " << kit << ", and one of the two\n"
       << "agents";
  bundle.parameters()->purpose == protocol::Purpose::envelope ? write_command(page, kit)
                                                              : write_derivation(page);
  page << "Every use is recorded by the agent that helped.\n\n"
       << kRule << "Keep this page apart from " << kit << " and from every agent's host. Whoever has\n"
       << "this page, the kit and access to one agent can read everything.\n\n"
       << "Whom to call: ________________________________________________________\n";
  return page.str();
}

}  // namespace coprotect::provisioning
