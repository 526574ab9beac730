// A small program of somebody else's: agrees on a secret with the key behind a URI, in a child too, and once
// more.
//   evp_program KEY_URI PEER.pub     prints the three in hexadecimal, one a line
// The tests' own program cannot fork for this: its OpenSSL has its memory in our locked arena, which a child
// does not inherit.

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  ERR_print_errors_fp(stderr);
  std::exit(1);
}

EVP_PKEY* private_key(const char* uri) {
  OSSL_STORE_CTX* const store = OSSL_STORE_open(uri, nullptr, nullptr, nullptr, nullptr);
  if (store == nullptr || OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY) != 1) fail("store");
  OSSL_STORE_INFO* const info = OSSL_STORE_load(store);
  if (info == nullptr) fail("key");
  EVP_PKEY* const key = OSSL_STORE_INFO_get1_PKEY(info);
  OSSL_STORE_INFO_free(info);
  OSSL_STORE_close(store);
  return key;
}

EVP_PKEY* public_key(const char* file) {
  FILE* const open = std::fopen(file, "r");
  EVP_PKEY* const key = open == nullptr ? nullptr : PEM_read_PUBKEY(open, nullptr, nullptr, nullptr);
  if (key == nullptr) fail("peer");
  std::fclose(open);
  return key;
}

void agree(EVP_PKEY* key, EVP_PKEY* peer) {
  EVP_PKEY_CTX* const context = EVP_PKEY_CTX_new(key, nullptr);
  std::size_t size = 0;
  if (EVP_PKEY_derive_init(context) != 1 || EVP_PKEY_derive_set_peer(context, peer) != 1 ||
      EVP_PKEY_derive(context, nullptr, &size) != 1)
    fail("derive");
  std::vector<unsigned char> secret(size);
  if (EVP_PKEY_derive(context, secret.data(), &size) != 1) fail("derive");
  for (std::size_t i = 0; i < size; ++i) std::printf("%02x", secret[i]);
  std::printf("\n");
  std::fflush(stdout);
  EVP_PKEY_CTX_free(context);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) fail("usage: evp_program KEY_URI PEER.pub");
  if (OSSL_PROVIDER_load(nullptr, "default") == nullptr ||
      OSSL_PROVIDER_load(nullptr, "coprotect") == nullptr)
    fail("providers");
  EVP_PKEY* const key = private_key(argv[1]);
  EVP_PKEY* const peer = public_key(argv[2]);
  agree(key, peer);
  const pid_t child = fork();
  if (child == 0) {
    agree(key, peer);
    return 0;
  }
  int status = 0;
  waitpid(child, &status, 0);
  agree(key, peer);
  EVP_PKEY_free(peer);
  EVP_PKEY_free(key);
  return status == 0 ? 0 : 1;
}
