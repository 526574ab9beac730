#include <gtest/gtest.h>

#include "protocol/x509/certificate.h"
#include "protocol/x509/test_ca.h"

namespace coprotect::protocol {
namespace {

// A certificate with any bytes in its URIs.
Certificate with_raw_uris(const TestCa& ca, const std::vector<std::string>& uris) {
  return ca.issue_changed(client_request({"coprotect:acme:user:alice"}), [&](X509* x509) {
    remove_extension(x509, NID_subject_alt_name);
    const Owned<GENERAL_NAMES, GENERAL_NAMES_free> names(GENERAL_NAMES_new());
    for (const std::string& uri : uris) {
      ASN1_STRING* const text = ASN1_IA5STRING_new();
      ASN1_STRING_set(text, uri.data(), static_cast<int>(uri.size()));
      GENERAL_NAME* const name = GENERAL_NAME_new();
      GENERAL_NAME_set0_value(name, GEN_URI, text);
      sk_GENERAL_NAME_push(names.get(), name);
    }
    EXPECT_EQ(X509_add1_ext_i2d(x509, NID_subject_alt_name, names.get(), 0, X509V3_ADD_APPEND), 1);
  });
}

TEST(ClientIdentity, IsTheOneUriWithItsGroups) {
  const TestCa ca;
  const auto identity = client_identity(ca.issue(client_request(
      {"coprotect:acme:group:staff", "coprotect:acme:admin:Alice.B_c@x-1", "coprotect:acme:group:board"})));
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->tenant, "acme");
  EXPECT_EQ(identity->role, Role::admin);
  EXPECT_EQ(identity->uri, "coprotect:acme:admin:Alice.B_c@x-1");
  EXPECT_EQ(identity->groups,
            (std::vector<std::string>{"coprotect:acme:group:staff", "coprotect:acme:group:board"}));
  EXPECT_EQ(client_identity(ca.issue(client_request({"coprotect:acme:user:a"})))->role, Role::user);
  EXPECT_EQ(client_identity(ca.issue(client_request({"coprotect:acme:recovery:a"})))->role, Role::recovery);
}

TEST(ClientIdentity, RefusesWhatNamesNotExactlyOne) {
  const TestCa ca;
  const std::string alice = "coprotect:acme:user:alice";
  const std::vector<std::vector<std::string>> bad = {
      {},                                                       // the common name is no identity
      {"coprotect:acme:group:staff"},                           // groups alone
      {alice, "coprotect:acme:user:bob"},                       // two identities
      {alice, "coprotect:acme:admin:alice"},                    //
      {alice, alice},                                           //
      {alice, "coprotect:globex:group:staff"},                  // mixed tenants
      {"coprotect:globex:group:staff", alice},                  //
      {alice, "https://acme.example"},                          // not of this system
      {"coprotect:acme:root:alice"},                            // roles
      {"coprotect:acme:User:alice"},                            //
      {"coprotect:acme::alice"},                                //
      {"coprotect:invitation:00112233445566ff"},                // an invitation's certificate
      {"Coprotect:acme:user:alice"},                            // scheme
      {"coprotect:Acme:user:alice"},                            // tenants
      {"coprotect::user:alice"},                                //
      {"coprotect:" + std::string(65, 'a') + ":user:alice"},    //
      {"coprotect:acme:user:"},                                 // names
      {"coprotect:acme:user"},                                  //
      {"coprotect:acme:user:alice:bob"},                        //
      {"coprotect:acme:user:alice/bob"},                        //
      {"coprotect:acme:user:" + std::string(65, 'a')},          //
      {alice + std::string("\0.evil", 6)},                      // a zero byte inside
      {std::string("coprotect:acme\0:user:alice", 26)},         //
      {alice, std::string("coprotect:acme:group:board\0", 27)}  //
  };
  for (const auto& uris : bad) {
    const auto identity = client_identity(with_raw_uris(ca, uris));
    ASSERT_FALSE(identity) << (uris.empty() ? "none" : uris.back());
    EXPECT_EQ(identity.error().code(), Code::unauthenticated);
  }
}

TEST(ClientIdentity, IgnoresTheCommonName) {
  const TestCa ca;
  CertificateRequest request = client_request({});
  request.common_name = "coprotect:acme:user:alice";
  EXPECT_FALSE(client_identity(ca.issue(request)));
}

// Only the client CA's key makes one. Longer-lived certificates of its administrators may have been stolen.
TEST(ClientIdentity, OnlyAShortLivedAdministratorShowsTheAuthoritysKey) {
  const TestCa ca;
  constexpr std::int64_t kHourMs = 3'600'000;
  const auto shows = [&](const std::string& uri, std::int64_t lifetime_ms) {
    CertificateRequest request = client_request({uri});
    request.not_after_ms = request.not_before_ms + lifetime_ms;
    const Certificate certificate = ca.issue(request);
    return is_of_session(*client_identity(certificate), certificate);
  };
  EXPECT_TRUE(shows("coprotect:acme:admin:coprotect-provision", kHourMs));
  EXPECT_TRUE(shows("coprotect:acme:admin:root", 2 * kHourMs));
  EXPECT_FALSE(shows("coprotect:acme:admin:root", 2 * kHourMs + 1000));
  EXPECT_FALSE(shows("coprotect:acme:user:alice", kHourMs));
  EXPECT_FALSE(shows("coprotect:acme:recovery:recovery", kHourMs));
}

TEST(Names, HoldToTheirAlphabets) {
  EXPECT_TRUE(valid_tenant("acme-2"));
  EXPECT_TRUE(valid_tenant(std::string(64, 'a')));
  EXPECT_FALSE(valid_tenant(std::string(65, 'a')));
  EXPECT_FALSE(valid_tenant("Acme"));
  EXPECT_FALSE(valid_tenant(""));
  EXPECT_TRUE(valid_party_name(std::string(32, 'z')));
  EXPECT_FALSE(valid_party_name(std::string(33, 'z')));
  EXPECT_FALSE(valid_party_name("a_b"));
  EXPECT_TRUE(valid_subject_name("Alice.B_c@x-1"));
  EXPECT_FALSE(valid_subject_name("a:b"));
  EXPECT_FALSE(valid_subject_name("a b"));
}

}  // namespace
}  // namespace coprotect::protocol
