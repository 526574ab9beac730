// The module inside a program that treats it badly: threads, forks, unloading, a helper that is killed,
// agents that come and go.

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "swtpm-tests/integration/joint_key.h"

namespace coprotect::harness {
namespace {

using std::filesystem::path;

// The module, loaded.
class Loaded {
 public:
  Loaded() : handle_(dlopen(COPROTECT_PKCS11_MODULE, RTLD_NOW | RTLD_LOCAL)) {
    EXPECT_NE(handle_, nullptr) << dlerror();
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(handle_, "C_GetFunctionList"));
    EXPECT_EQ(get(&list_), CKR_OK);
  }
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;
  ~Loaded() { dlclose(handle_); }
  CK_FUNCTION_LIST* operator->() const { return list_; }
  const CK_FUNCTION_LIST& list() const { return *list_; }

 private:
  void* handle_;
  CK_FUNCTION_LIST* list_ = nullptr;
};

bool is_mapped() {
  std::ifstream maps("/proc/self/maps");
  const std::string text{std::istreambuf_iterator<char>(maps), {}};
  return text.find("libcoprotect-pkcs11.so") != std::string::npos;
}

class Module : public JointKey {
 protected:
  void SetUp() override {
    JointKey::SetUp();
    if (HasFailure()) return;
    setenv("COPROTECT_CONFIG", alice().c_str(), 1);
    std::filesystem::create_symlink(System::program("coprotect-keyd"), keyd());
    setenv("COPROTECT_KEYD", keyd().c_str(), 1);
    make_peer("bob");
    peer_ = read_file(work() / "bob.raw");
    expected_ = secret_of_peer("bob");
  }

  static CK_SESSION_HANDLE open(const Loaded& module, CK_FLAGS flags = 0) {
    CK_SLOT_ID slot = 0;
    CK_ULONG count = 1;
    CK_SESSION_HANDLE session = 0;
    EXPECT_EQ(module->C_GetSlotList(CK_TRUE, nullptr, &count), CKR_OK);
    EXPECT_EQ(count, 1u);
    EXPECT_EQ(module->C_GetSlotList(CK_TRUE, &slot, &count), CKR_OK);
    EXPECT_EQ(module->C_OpenSession(slot, CKF_SERIAL_SESSION | flags, nullptr, nullptr, &session), CKR_OK);
    return session;
  }
  static CK_OBJECT_HANDLE find(const Loaded& module, CK_SESSION_HANDLE session, CK_OBJECT_CLASS kind) {
    CK_ATTRIBUTE wanted = {CKA_CLASS, &kind, sizeof kind};
    CK_OBJECT_HANDLE object = 0;
    CK_ULONG count = 0;
    EXPECT_EQ(module->C_FindObjectsInit(session, &wanted, 1), CKR_OK);
    EXPECT_EQ(module->C_FindObjects(session, &object, 1, &count), CKR_OK);
    EXPECT_EQ(module->C_FindObjectsFinal(session), CKR_OK);
    EXPECT_EQ(count, 1u);
    return object;
  }
  CK_RV derive(const Loaded& module, CK_SESSION_HANDLE session, std::string peer,
               CK_OBJECT_HANDLE& key) const {
    auto* const bytes = reinterpret_cast<CK_BYTE*>(peer.data());
    CK_ECDH1_DERIVE_PARAMS ecdh = {CKD_NULL, 0, nullptr, peer.size(), bytes};
    CK_MECHANISM mechanism = is_p256() ? CK_MECHANISM{CKM_ECDH1_DERIVE, &ecdh, sizeof ecdh}
                                       : CK_MECHANISM{CKM_DH_PKCS_DERIVE, bytes, peer.size()};
    return module->C_DeriveKey(session, &mechanism, find(module, session, CKO_PRIVATE_KEY), nullptr, 0, &key);
  }
  CK_RV derive(const Loaded& module, CK_SESSION_HANDLE session) const {
    CK_OBJECT_HANDLE key = 0;
    const CK_RV result = derive(module, session, peer_, key);
    if (result != CKR_OK) return result;
    std::string value(expected_.size() + 1, '\0');
    CK_ATTRIBUTE attribute = {CKA_VALUE, value.data(), value.size()};
    EXPECT_EQ(module->C_GetAttributeValue(session, key, &attribute, 1), CKR_OK);
    EXPECT_EQ(value.substr(0, attribute.ulValueLen), expected_);
    EXPECT_EQ(module->C_DestroyObject(session, key), CKR_OK);
    return CKR_OK;
  }
  path keyd() const { return work() / "coprotect-keyd"; }
  // Helpers of this test, which starts them by a name of its own.
  std::set<pid_t> helpers() const { return processes_of(keyd()); }
  bool wait_for_helpers(std::size_t count) const { return wait_for_processes(keyd(), count); }

  std::string peer_;
  std::string expected_;
};
INSTANTIATE_TEST_SUITE_P(Suites, Module, testing::Values("p256", "ffdhe3072"),
                         [](const auto& tested) { return tested.param; });

TEST_P(Module, LeavesNoFunctionOut) {
  const Loaded module;
  const auto* const first = reinterpret_cast<void* const*>(&module.list().C_Initialize);
  const auto* const last = reinterpret_cast<void* const*>(&module.list().C_WaitForSlotEvent);
  EXPECT_EQ(last - first + 1, 68);
  for (const auto* function = first; function <= last; ++function)
    EXPECT_NE(*function, nullptr) << function - first;
}

TEST_P(Module, StartsNothingBeforeItIsUsed) {
  const Loaded module;
  ASSERT_EQ(module->C_Initialize(nullptr), CKR_OK);
  EXPECT_TRUE(helpers().empty());
  EXPECT_EQ(derive(module, open(module)), CKR_OK);
  EXPECT_EQ(helpers().size(), 1u);
  EXPECT_EQ(module->C_Finalize(nullptr), CKR_OK);
  EXPECT_TRUE(wait_for_helpers(0));
}

TEST_P(Module, BearsCyclesOfInitializeAndFinalizeAndUnloading) {
  for (int i = 0; i < 3; ++i) {
    const Loaded module;
    CK_ULONG count = 0;
    EXPECT_EQ(module->C_GetSlotList(CK_TRUE, nullptr, &count), CKR_CRYPTOKI_NOT_INITIALIZED);
    for (int j = 0; j < 3; ++j) {
      ASSERT_EQ(module->C_Initialize(nullptr), CKR_OK);
      EXPECT_EQ(module->C_Initialize(nullptr), CKR_CRYPTOKI_ALREADY_INITIALIZED);
      EXPECT_EQ(derive(module, open(module)), CKR_OK);
      EXPECT_EQ(module->C_Finalize(nullptr), CKR_OK);
      EXPECT_EQ(module->C_Finalize(nullptr), CKR_CRYPTOKI_NOT_INITIALIZED);
    }
  }
  EXPECT_FALSE(is_mapped());
  EXPECT_TRUE(wait_for_helpers(0));
}

TEST_P(Module, DerivesInManyThreads) {
  const Loaded module;
  CK_C_INITIALIZE_ARGS args = {};
  args.flags = CKF_OS_LOCKING_OK;
  ASSERT_EQ(module->C_Initialize(&args), CKR_OK);
  const CK_SESSION_HANDLE shared = open(module);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 16; ++i)
      threads.emplace_back([&, i] {
        for (int j = 0; j < 4; ++j) {
          const CK_SESSION_HANDLE session = i % 2 == 0 ? open(module, CKF_RW_SESSION) : 0;
          CK_OBJECT_HANDLE key = 0;
          if (session == 0) {  // some share a session, where a search is one thread's at a time
            CK_SESSION_INFO info;
            EXPECT_EQ(module->C_GetSessionInfo(shared, &info), CKR_OK);
          } else {
            EXPECT_EQ(derive(module, session), CKR_OK);
            EXPECT_EQ(derive(module, session, peer_, key), CKR_OK);
            EXPECT_EQ(module->C_CloseSession(session), CKR_OK);
          }
        }
      });
  }
  EXPECT_EQ(derive(module, shared), CKR_OK);
  EXPECT_EQ(module->C_Finalize(nullptr), CKR_OK);
}

TEST_P(Module, IsNewInAChildOfFork) {
  const Loaded module;
  ASSERT_EQ(module->C_Initialize(nullptr), CKR_OK);
  const CK_SESSION_HANDLE session = open(module);
  ASSERT_EQ(derive(module, session), CKR_OK);
  const pid_t child = fork();
  if (child == 0) {
    CK_SESSION_INFO info;
    if (module->C_GetSessionInfo(session, &info) != CKR_CRYPTOKI_NOT_INITIALIZED) _exit(1);
    if (module->C_Initialize(nullptr) != CKR_OK) _exit(2);
    if (derive(module, open(module)) != CKR_OK) _exit(3);
    if (helpers().size() != 2) _exit(4);
    if (module->C_Finalize(nullptr) != CKR_OK) _exit(5);
    _exit(testing::Test::HasFailure() ? 6 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(derive(module, session), CKR_OK);
  EXPECT_EQ(module->C_Finalize(nullptr), CKR_OK);
}

TEST_P(Module, ForksWhileOtherThreadsDerive) {
  const Loaded module;
  ASSERT_EQ(module->C_Initialize(nullptr), CKR_OK);
  std::atomic<bool> over = false;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      const CK_SESSION_HANDLE session = open(module);
      while (!over) EXPECT_EQ(derive(module, session), CKR_OK);
    });
  for (int i = 0; i < 10; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(30);
      _exit(module->C_Initialize(nullptr) == CKR_OK && derive(module, open(module)) == CKR_OK ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  over = true;
  threads.clear();
  EXPECT_EQ(module->C_Finalize(nullptr), CKR_OK);
}

TEST_P(Module, GoesOnAfterItsHelperWasKilled) {
  const Loaded module;
  ASSERT_EQ(module->C_Initialize(nullptr), CKR_OK);
  const CK_SESSION_HANDLE session = open(module);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(derive(module, session), CKR_OK);
    const auto running = helpers();
    ASSERT_EQ(running.size(), 1u);
    kill(*running.begin(), SIGKILL);
  }
  EXPECT_EQ(derive(module, session), CKR_OK);
  setenv("COPROTECT_KEYD", "/nonexistent", 1);
  for (const pid_t helper : helpers()) kill(helper, SIGKILL);
  ASSERT_TRUE(wait_for_helpers(0));
  EXPECT_EQ(derive(module, session), CKR_DEVICE_ERROR);
  setenv("COPROTECT_KEYD", keyd().c_str(), 1);
  EXPECT_EQ(derive(module, session), CKR_OK);
  EXPECT_EQ(module->C_Finalize(nullptr), CKR_OK);
}

TEST_P(Module, TellsAgentsThatAreAwayFromAgentsThatRefuse) {
  const Loaded module;
  ASSERT_EQ(module->C_Initialize(nullptr), CKR_OK);
  const CK_SESSION_HANDLE session = open(module);
  ASSERT_EQ(derive(module, session), CKR_OK);
  for (Agent* const agent : {&system().cloud(), &system().company()}) {
    agent->stop();
    EXPECT_EQ(derive(module, session), CKR_DEVICE_REMOVED);
    ASSERT_TRUE(agent->start());
    EXPECT_EQ(derive(module, session), CKR_OK);  // in the same session, through the same helper
  }
  EXPECT_EQ(helpers().size(), 1u);
  CK_OBJECT_HANDLE key = 0;
  for (const std::string& bad : {std::string("\x01"), std::string(65, '\0'), std::string(1'000, 'x')})
    EXPECT_EQ(derive(module, session, bad, key), CKR_MECHANISM_PARAM_INVALID);
  ASSERT_EQ(remove_alice().exit_code, 0);
  EXPECT_EQ(derive(module, session), CKR_FUNCTION_REJECTED);
  EXPECT_EQ(module->C_Finalize(nullptr), CKR_OK);
}

TEST_P(Module, GivesAwayNothingOfThePrivateKey) {
  const Loaded module;
  ASSERT_EQ(module->C_Initialize(nullptr), CKR_OK);
  const CK_SESSION_HANDLE session = open(module);
  const CK_OBJECT_HANDLE key = find(module, session, CKO_PRIVATE_KEY);
  CK_BYTE bytes[1024];
  CK_ATTRIBUTE value = {CKA_VALUE, bytes, sizeof bytes};
  EXPECT_EQ(module->C_GetAttributeValue(session, key, &value, 1), CKR_ATTRIBUTE_SENSITIVE);
  EXPECT_EQ(value.ulValueLen, ~CK_ULONG{0});
  CK_BBOOL extractable = CK_TRUE;
  CK_BBOOL never = CK_FALSE;
  CK_ATTRIBUTE flags[] = {{CKA_EXTRACTABLE, &extractable, 1}, {CKA_NEVER_EXTRACTABLE, &never, 1}};
  EXPECT_EQ(module->C_GetAttributeValue(session, key, flags, 2), CKR_OK);
  EXPECT_EQ(extractable, CK_FALSE);
  EXPECT_EQ(never, CK_TRUE);
  EXPECT_EQ(module->C_DestroyObject(session, key), CKR_ACTION_PROHIBITED);
  EXPECT_EQ(module->C_Finalize(nullptr), CKR_OK);
}

TEST_P(Module, TakesItsConfigurationAsItChanges) {
  const Loaded module;
  ASSERT_EQ(module->C_Initialize(nullptr), CKR_OK);
  const std::string config = read_file(alice());
  write_file(alice(), config.substr(0, config.find("[keys.derive]")));
  CK_ULONG count = 7;
  EXPECT_EQ(module->C_GetSlotList(CK_TRUE, nullptr, &count), CKR_OK);
  EXPECT_EQ(count, 0u);
  write_file(alice(), config);
  EXPECT_EQ(derive(module, open(module)), CKR_OK);
  EXPECT_EQ(module->C_Finalize(nullptr), CKR_OK);
}

}  // namespace
}  // namespace coprotect::harness
