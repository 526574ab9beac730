#include "protocol/base/registers.h"

namespace coprotect {

void wipe_vector_registers() noexcept {
  if (__builtin_cpu_supports("avx") == 0) {
    asm volatile(
        "pxor %%xmm0, %%xmm0\n\t pxor %%xmm1, %%xmm1\n\t pxor %%xmm2, %%xmm2\n\t pxor %%xmm3, %%xmm3\n\t"
        "pxor %%xmm4, %%xmm4\n\t pxor %%xmm5, %%xmm5\n\t pxor %%xmm6, %%xmm6\n\t pxor %%xmm7, %%xmm7\n\t"
        "pxor %%xmm8, %%xmm8\n\t pxor %%xmm9, %%xmm9\n\t pxor %%xmm10, %%xmm10\n\t pxor %%xmm11, %%xmm11\n\t"
        "pxor %%xmm12, %%xmm12\n\t pxor %%xmm13, %%xmm13\n\t pxor %%xmm14, %%xmm14\n\t pxor %%xmm15, "
        "%%xmm15" ::
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
              "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    return;
  }
  asm volatile("vzeroall" ::
                   : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                     "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
  if (__builtin_cpu_supports("avx512f") == 0) return;
  // The compiler does not use these registers, because it does not know about AVX-512 here.
  asm volatile(
      "vpxorq %zmm16, %zmm16, %zmm16\n\t vpxorq %zmm17, %zmm17, %zmm17\n\t vpxorq %zmm18, %zmm18, %zmm18\n\t"
      "vpxorq %zmm19, %zmm19, %zmm19\n\t vpxorq %zmm20, %zmm20, %zmm20\n\t vpxorq %zmm21, %zmm21, %zmm21\n\t"
      "vpxorq %zmm22, %zmm22, %zmm22\n\t vpxorq %zmm23, %zmm23, %zmm23\n\t vpxorq %zmm24, %zmm24, %zmm24\n\t"
      "vpxorq %zmm25, %zmm25, %zmm25\n\t vpxorq %zmm26, %zmm26, %zmm26\n\t vpxorq %zmm27, %zmm27, %zmm27\n\t"
      "vpxorq %zmm28, %zmm28, %zmm28\n\t vpxorq %zmm29, %zmm29, %zmm29\n\t vpxorq %zmm30, %zmm30, %zmm30\n\t"
      "vpxorq %zmm31, %zmm31, %zmm31");
}

}  // namespace coprotect
