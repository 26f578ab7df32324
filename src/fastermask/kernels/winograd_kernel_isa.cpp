// See winograd_kernel.h. Kernels are the coefficients of polynomials of degree 2, evaluated at the points of
// winograd_tile.h and divided by what the interpolation will multiply with; +a and -a share even and odd powers.
#include "fastermask/kernels/winograd_kernel.h"

#include "fastermask/kernels/panel_product.h"
#include "fastermask/kernels/winograd_tile.h"

namespace fastermask::FASTERMASK_ISA {
namespace {

constexpr int kPositions = 9;

// What interpolation divides by at 0, +-a and +-b.
constexpr double kA = kWinogradPointA;
constexpr double kB = kWinogradPointB;
constexpr double kNorm0 = kA * kA * kB * kB;
constexpr double kNormA = 2 * kA * kA * (kA * kA - kB * kB);
constexpr double kNormB = 2 * kB * kB * (kB * kB - kA * kA);

// A value for each output channel of a panel.
template <typename Number>
struct Panel {
  Number values[kPanelWidth];
};

// G g, for three coefficients that lie `stride` panels apart.
void transform_kernel(const Panel<double>* g, int stride, Panel<double>* out) {
  for (int k = 0; k < kPanelWidth; ++k) {
    const double g0 = g[0].values[k], g1 = g[stride].values[k], g2 = g[2 * stride].values[k];
    const double even_a = (1 / kNormA) * g0 + (kA * kA / kNormA) * g2;
    const double odd_a = (kA / kNormA) * g1;
    const double even_b = (1 / kNormB) * g0 + (kB * kB / kNormB) * g2;
    const double odd_b = (kB / kNormB) * g1;
    out[0].values[k] = (1 / kNorm0) * g0;
    out[1].values[k] = even_a + odd_a;
    out[2].values[k] = even_a - odd_a;
    out[3].values[k] = even_b + odd_b;
    out[4].values[k] = even_b - odd_b;
    out[5].values[k] = g2;
  }
}

// G^T d: the transpose of the above, in float32.
void transform_back(const Panel<float>* d, int stride, Panel<float>* out) {
  constexpr auto norm_a = static_cast<float>(1 / kNormA);
  constexpr auto norm_b = static_cast<float>(1 / kNormB);
  constexpr auto a = static_cast<float>(kA);
  constexpr auto b = static_cast<float>(kB);
  for (int k = 0; k < kPanelWidth; ++k) {
    const float sum_a = norm_a * (d[stride].values[k] + d[2 * stride].values[k]);
    const float difference_a = norm_a * (d[stride].values[k] - d[2 * stride].values[k]);
    const float sum_b = norm_b * (d[3 * stride].values[k] + d[4 * stride].values[k]);
    const float difference_b = norm_b * (d[3 * stride].values[k] - d[4 * stride].values[k]);
    out[0].values[k] = static_cast<float>(1 / kNorm0) * d[0].values[k] + sum_a + sum_b;
    out[1].values[k] = a * difference_a + b * difference_b;
    out[2].values[k] = (a * a) * sum_a + (b * b) * sum_b + d[5 * stride].values[k];
  }
}

}  // namespace

void winograd_pack_kernels(const WinogradKernels& kernels, int channels, float* packed, std::ptrdiff_t matrix_stride) {
  const int last = kernels.turned ? kPositions - 1 : 0, step = kernels.turned ? -1 : 1;
  for (int c = 0; c < channels; ++c) {
    Panel<double> kernel[kPositions];
    for (int k = 0; k < kPanelWidth; ++k) {
      const float* values = kernels.data + k * kernels.out_step + c * kernels.in_step + last;
      for (int i = 0; i < kPositions; ++i) kernel[i].values[k] = static_cast<double>(values[step * i]);
    }
    Panel<double> half[18];  // [row of the domain][x]
    for (int x = 0; x < 3; ++x) {
      Panel<double> column[6];
      transform_kernel(kernel + x, 3, column);
      for (int i = 0; i < 6; ++i) half[i * 3 + x] = column[i];
    }
    for (int i = 0; i < 6; ++i) {
      Panel<double> row[6];
      transform_kernel(half + i * 3, 1, row);
      float* out = packed + i * 6 * matrix_stride + static_cast<std::ptrdiff_t>(c) * kPanelWidth;
      for (int j = 0; j < 6; ++j) {
        for (int k = 0; k < kPanelWidth; ++k) out[j * matrix_stride + k] = static_cast<float>(row[j].values[k]);
      }
    }
  }
}

void winograd_kernel_gradients(const float* sums, std::ptrdiff_t matrix_stride, std::ptrdiff_t row_stride,
                               float* gradients, std::ptrdiff_t out_stride) {
  Panel<float> block[kPanelWidth * kPositions];  // [channel in][position]
  for (int c = 0; c < kPanelWidth; ++c) {
    Panel<float> half[18];  // [row of the domain][x]
    for (int i = 0; i < 6; ++i) {
      Panel<float> row[6];
      for (int j = 0; j < 6; ++j) {
        const float* values = sums + (i * 6 + j) * matrix_stride + c * row_stride;
        for (int k = 0; k < kPanelWidth; ++k) row[j].values[k] = values[k];
      }
      transform_back(row, 1, half + i * 3);
    }
    for (int x = 0; x < 3; ++x) {
      Panel<float> column[3];
      transform_back(half + x, 3, column);
      for (int y = 0; y < 3; ++y) block[c * kPositions + y * 3 + x] = column[y];
    }
  }
  for (int k = 0; k < kPanelWidth; ++k) {
    float* out = gradients + k * out_stride;
    for (int i = 0; i < kPanelWidth * kPositions; ++i) out[i] = block[i].values[k];
  }
}

}  // namespace fastermask::FASTERMASK_ISA
