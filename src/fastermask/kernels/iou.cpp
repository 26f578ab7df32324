#include "fastermask/kernels/iou.h"

#include <algorithm>
#include <utility>

#include "fastermask/base/cpu.h"
#include "fastermask/base/error.h"
#include "fastermask/base/parallel.h"
#include "fastermask/kernels/iou_isa.h"

namespace fastermask {

const OverlapKernels& overlap_kernels() {
#if defined(__x86_64__)
  switch (best_isa()) {
    case Isa::avx512: return avx512::kOverlapKernels;
    case Isa::avx2: return avx2::kOverlapKernels;
    default: break;
  }
#endif
  return generic::kOverlapKernels;
}

void BoxColumnList::grow() {
  const std::size_t capacity = capacity_ == 0 ? 64 : capacity_ * 2;
  std::vector<float> data(5 * capacity, 0.0f);
  for (std::size_t column = 0; column < 5; ++column) {
    std::copy_n(data_.begin() + static_cast<std::ptrdiff_t>(column * capacity_), count_,
                data.begin() + static_cast<std::ptrdiff_t>(column * capacity));
  }
  data_ = std::move(data);
  capacity_ = capacity;
}

void pairwise_iou(Span<const Box> a, Span<const Box> b, Span<float> out) {
  FASTERMASK_CHECK(out.size() == a.size() * b.size(), "pairwise_iou: out must hold {} x {} values, got {}", a.size(),
                   b.size(), out.size());
  constexpr std::size_t kBlock = 512;
  const OverlapKernels& kernels = overlap_kernels();
  const std::size_t blocks = (b.size() + kBlock - 1) / kBlock;
  parallel_for(0, static_cast<std::int64_t>(blocks), 4, [&](std::int64_t first, std::int64_t last) {
    for (std::size_t block = static_cast<std::size_t>(first); block < static_cast<std::size_t>(last); ++block) {
      const std::size_t begin = block * kBlock;
      const std::size_t count = std::min(kBlock, b.size() - begin);
      BoxColumnList columns;
      for (std::size_t i = 0; i < count; ++i) columns.push_back(b[begin + i]);
      for (std::size_t row = 0; row < a.size(); ++row) {
        kernels.iou_row(a[row], columns.columns(), count, out.data() + row * b.size() + begin);
      }
    }
  });
}

std::vector<float> pairwise_iou(Span<const Box> a, Span<const Box> b) {
  std::vector<float> out(a.size() * b.size());
  pairwise_iou(a, b, out);
  return out;
}

}  // namespace fastermask
