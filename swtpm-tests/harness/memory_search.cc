#include "swtpm-tests/harness/memory_search.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <unordered_map>

namespace coprotect::harness {
namespace {

constexpr std::size_t kWindow = 16;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kChunk = 16 * kPage;
// Larger mappings are address space that a sanitizer reserves.
constexpr std::size_t kLargestMapping = std::size_t{1} << 34;

std::string base64(ByteView bytes, std::string_view last_two) {
  const std::string digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + std::string(last_two);
  std::string text;
  for (std::size_t i = 0; i + 3 <= bytes.size(); i += 3) {
    const std::uint32_t three =
        std::uint32_t{bytes[i]} << 16 | std::uint32_t{bytes[i + 1]} << 8 | bytes[i + 2];
    for (const int shift : {18, 12, 6, 0}) text += digits[three >> shift & 63];
  }
  return text;
}

// As a hash function holds its input: big-endian words in a little-endian memory. A rest is left out.
Bytes with_reversed_words(const Bytes& bytes, std::size_t word) {
  Bytes reversed(bytes.begin(), bytes.end() - static_cast<std::ptrdiff_t>(bytes.size() % word));
  for (auto at = reversed.begin(); at != reversed.end(); at += static_cast<std::ptrdiff_t>(word))
    std::reverse(at, at + static_cast<std::ptrdiff_t>(word));
  return reversed;
}

std::uint64_t first_half(const std::uint8_t* window) {
  std::uint64_t half;
  std::memcpy(&half, window, sizeof half);
  return half;
}

// All windows of all forms of a secret, with a filter in front that most of memory does not pass.
class Windows {
 public:
  explicit Windows(ByteView secret) : filter_(std::size_t{1} << 16) {
    const Bytes raw(secret.begin(), secret.end());
    add("raw", raw);
    add("reversed", Bytes(raw.rbegin(), raw.rend()));
    for (const std::size_t word : {4u, 8u}) add("in reversed words", with_reversed_words(raw, word));
    std::string hex = to_hex(raw);
    add("hex", hex);
    std::transform(hex.begin(), hex.end(), hex.begin(),
                   [](char c) { return c >= 'a' ? static_cast<char>(c - 32) : c; });
    add("upper-case hex", hex);
    for (std::size_t skipped = 0; skipped < 3; ++skipped) {
      add("base64", base64(secret.subspan(skipped), "+/"));
      add("base64url", base64(secret.subspan(skipped), "-_"));
    }
  }

  // The form of which the 16 bytes at `at` are a window, or null.
  const std::string* match(const std::uint8_t* at) const {
    const std::uint64_t half = first_half(at);
    if (!filter_[slot(half)]) return nullptr;
    const auto [begin, end] = windows_.equal_range(half);
    for (auto it = begin; it != end; ++it)
      if (std::memcmp(it->second.bytes.data(), at, kWindow) == 0) return &it->second.form;
    return nullptr;
  }

 private:
  struct Window {
    ByteArray<kWindow> bytes;
    std::string form;
  };

  static std::size_t slot(std::uint64_t half) { return half * 0x9e3779b97f4a7c15 >> 48; }

  void add(const std::string& form, std::string_view text) { add(form, Bytes(text.begin(), text.end())); }
  void add(const std::string& form, const Bytes& bytes) {
    for (std::size_t i = 0; i + kWindow <= bytes.size(); ++i) {
      Window window{.bytes = {}, .form = form};
      std::memcpy(window.bytes.data(), bytes.data() + i, kWindow);
      filter_[slot(first_half(bytes.data() + i))] = true;
      windows_.emplace(first_half(bytes.data() + i), std::move(window));
    }
  }

  std::vector<bool> filter_;
  std::unordered_multimap<std::uint64_t, Window> windows_;
};

struct Mapping {
  std::uintptr_t begin;
  std::uintptr_t end;
  std::string line;
  bool locked = false;
};

// Where the mappings begin that are locked: "lo" among the VmFlags of proc(5).
std::set<std::uintptr_t> locked_mappings_of(pid_t process) {
  std::ifstream maps("/proc/" + std::to_string(process) + "/smaps");
  std::set<std::uintptr_t> locked;
  std::uintptr_t begin = 0;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    std::string first;
    fields >> first;
    if (first.find('-') != std::string::npos) begin = std::stoull(first, nullptr, 16);
    if (first != "VmFlags:") continue;
    for (std::string flag; fields >> flag;)
      if (flag == "lo") locked.insert(begin);
  }
  return locked;
}

std::vector<Mapping> mappings_of(pid_t process) {
  const std::set<std::uintptr_t> locked = locked_mappings_of(process);
  std::ifstream maps("/proc/" + std::to_string(process) + "/maps");
  std::vector<Mapping> mappings;
  for (std::string line; std::getline(maps, line);) {
    if (line.ends_with("[vvar]") || line.ends_with("[vsyscall]") || line.ends_with("[vvar_vclock]")) continue;
    std::istringstream fields(line);
    Mapping mapping{.begin = 0, .end = 0, .line = line};
    char dash = 0;
    fields >> std::hex >> mapping.begin >> dash >> mapping.end;
    mapping.locked = locked.contains(mapping.begin);
    if (mapping.end - mapping.begin <= kLargestMapping) mappings.push_back(mapping);
  }
  if (mappings.empty())
    throw std::runtime_error("cannot read the mappings of process " + std::to_string(process));
  return mappings;
}

class ProcFile {
 public:
  ProcFile(pid_t process, const std::string& name)
      : fd_(open(("/proc/" + std::to_string(process) + "/" + name).c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) throw std::runtime_error("cannot read the memory of process " + std::to_string(process));
  }
  ~ProcFile() { close(fd_); }
  ProcFile(const ProcFile&) = delete;
  ProcFile& operator=(const ProcFile&) = delete;

  // Bytes read from there on; 0 if nothing can be read there.
  std::size_t read(std::uintptr_t from, void* to, std::size_t size) const {
    const ssize_t n = pread(fd_, to, size, static_cast<off_t>(from));
    return n > 0 ? static_cast<std::size_t>(n) : 0;
  }

 private:
  int fd_;
};

class Memory {
 public:
  explicit Memory(pid_t process) : memory_(process, "mem"), pages_(process, "pagemap") {}

  // Bytes read from there on; 0 if the page cannot be read.
  std::size_t read(std::uintptr_t address, std::uint8_t* to, std::size_t size) const {
    return memory_.read(address, to, size);
  }
  // The first page from `at` on that the process has, in memory or swapped out, before `end`; or end.
  std::uintptr_t next_page(std::uintptr_t at, std::uintptr_t end) const {
    constexpr std::uint64_t kPresentOrSwapped = std::uint64_t{3} << 62;
    std::array<std::uint64_t, 4096> entries;
    while (at < end) {
      const std::size_t wanted = std::min<std::size_t>(entries.size(), (end - at) / kPage);
      const std::size_t known =
          pages_.read(at / kPage * sizeof entries[0], entries.data(), wanted * sizeof entries[0]);
      if (known == 0) return at;
      for (std::size_t i = 0; i < known / sizeof entries[0]; ++i, at += kPage)
        if ((entries[i] & kPresentOrSwapped) != 0) return at;
    }
    return end;
  }

 private:
  ProcFile memory_;
  ProcFile pages_;
};

void search_mapping(const Memory& memory, const Mapping& mapping, const Windows& windows,
                    MemorySearch& result) {
  Bytes buffer(kWindow - 1 + kChunk);
  std::size_t kept = 0;  // bytes at the front of the buffer that stand before `at`
  for (std::uintptr_t at = mapping.begin; at < mapping.end;) {
    if (const std::uintptr_t present = memory.next_page(at, mapping.end); present != at) {
      at = present;
      kept = 0;
      continue;
    }
    const std::size_t n =
        memory.read(at, buffer.data() + kept, std::min<std::size_t>(kChunk, mapping.end - at));
    if (n == 0) {
      ++result.unreadable_pages;
      at += kPage;
      kept = 0;
      continue;
    }
    result.bytes_read += n;
    const std::size_t filled = kept + n;
    for (std::size_t i = 0; i + kWindow <= filled; ++i)
      if (const std::string* form = windows.match(buffer.data() + i))
        result.found.push_back(
            {.address = at - kept + i, .form = *form, .mapping = mapping.line, .locked = mapping.locked});
    at += n;
    kept = std::min(filled, kWindow - 1);
    std::memmove(buffer.data(), buffer.data() + filled - kept, kept);
  }
}

}  // namespace

MemorySearch search_memory(pid_t process, ByteView secret) {
  const Windows windows(secret);
  const Memory memory(process);
  MemorySearch result;
  for (const Mapping& mapping : mappings_of(process)) search_mapping(memory, mapping, windows, result);
  return result;
}

std::vector<std::string> forms_in(ByteView bytes, ByteView secret) {
  const Windows windows(secret);
  std::vector<std::string> forms;
  for (std::size_t i = 0; i + kWindow <= bytes.size(); ++i)
    if (const std::string* form = windows.match(bytes.data() + i)) forms.push_back(*form);
  return forms;
}

}  // namespace coprotect::harness
