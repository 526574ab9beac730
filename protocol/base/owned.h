#pragma once

#include <memory>

namespace coprotect {

template <auto Free>
struct FreeWith {
  template <typename T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};

// A C object with the function that frees it: using Db = Owned<sqlite3, sqlite3_close_v2>;
template <typename T, auto Free>
using Owned = std::unique_ptr<T, FreeWith<Free>>;

// Lets a C function fill an Owned through its T** parameter: sqlite3_open(path, out(db)).
template <typename T, typename D>
class Out {
 public:
  explicit Out(std::unique_ptr<T, D>& target) : target_(target) {}
  Out(const Out&) = delete;
  Out& operator=(const Out&) = delete;
  ~Out() { target_.reset(raw_); }
  operator T**() && noexcept { return &raw_; }

 private:
  std::unique_ptr<T, D>& target_;
  T* raw_ = nullptr;
};
template <typename T, typename D>
Out<T, D> out(std::unique_ptr<T, D>& target) {
  return Out<T, D>(target);
}

}  // namespace coprotect
