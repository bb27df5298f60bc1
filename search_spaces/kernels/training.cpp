// Training kernels for float32 channels_last tensors on the CPU, where memory traffic is what a
// step of an EfficientNet costs: BatchNorm with its activation in one pass each way, the
// squeeze-excite product with both its gradients in one pass, and a depthwise convolution's
// gradients. A tensor (N, C, H, W) is seen as rows of C channels, one row a pixel.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/cpu/vec/vec.h>
#include <torch/library.h>

#include <algorithm>
#include <tuple>
#include <vector>

namespace {

using at::Tensor;
using Vec = at::vec::Vectorized<float>;

constexpr int64_t kRowsSummed = 256;  // in float, before they are added to the thread's sums

enum Activation : int64_t { kLinear, kSilu, kRelu, kRelu6, kHardSwish };

template <int64_t kAct>
inline Vec activate(Vec y) {
  if constexpr (kAct == kSilu) return y / (Vec(1.f) + y.neg().exp_u20());
  if constexpr (kAct == kRelu) return at::vec::maximum(y, Vec(0.f));
  if constexpr (kAct == kRelu6) return at::vec::minimum(at::vec::maximum(y, Vec(0.f)), Vec(6.f));
  if constexpr (kAct == kHardSwish)
    return y * at::vec::minimum(at::vec::maximum(y + Vec(3.f), Vec(0.f)), Vec(6.f)) * Vec(1.f / 6.f);
  return y;
}

template <int64_t kAct>
inline Vec slope(Vec y) {  // the activation's derivative at y
  if constexpr (kAct == kSilu) {
    Vec gate = Vec(1.f) / (Vec(1.f) + y.neg().exp_u20());
    return gate * (Vec(1.f) + y * (Vec(1.f) - gate));
  }
  if constexpr (kAct == kRelu) return (y > Vec(0.f)) & Vec(1.f);
  if constexpr (kAct == kRelu6) return (y > Vec(0.f)) & (y < Vec(6.f)) & Vec(1.f);
  if constexpr (kAct == kHardSwish) {
    Vec middle = at::vec::fmadd(y, Vec(1.f / 3.f), Vec(0.5f));
    return Vec::blendv((y >= Vec(3.f)) & Vec(1.f), middle, (y > Vec(-3.f)) & (y < Vec(3.f)));
  }
  return Vec(1.f);
}

template <typename F>
inline void over_channels(int64_t channels, F body) {
  int64_t c = 0;
  for (; c + Vec::size() <= channels; c += Vec::size()) body(c, Vec::size());
  if (c < channels) body(c, channels - c);
}

inline void add(float* into, Vec value, int64_t n) {
  (Vec::loadu(into, n) + value).store(into, static_cast<int>(n));
}

// Calls body(part, first, last) for each thread's share of `count` items.
template <typename F>
void share(int64_t count, int threads, F body) {
  at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; part++)
      body(part, count * part / threads, count * (part + 1) / threads);
  });
}

// Sums what body(row, sums) adds for each row into `width` floats, exactly enough: short float
// sums first, whose totals are added in double.
template <typename F>
Tensor sum_rows(int64_t rows, int64_t width, const at::TensorOptions& options, F body) {
  const int threads = at::get_num_threads();
  Tensor totals = at::zeros({threads, width}, options.dtype(at::kDouble));
  share(rows, threads, [&](int64_t part, int64_t first, int64_t last) {
    double* total = totals.data_ptr<double>() + part * width;
    std::vector<float> sums(width);
    for (int64_t start = first; start < last; start += kRowsSummed) {
      std::fill(sums.begin(), sums.end(), 0.f);
      for (int64_t row = start; row < std::min(start + kRowsSummed, last); row++)
        body(row, sums.data());
      for (int64_t i = 0; i < width; i++) total[i] += sums[i];
    }
  });
  return totals.sum(0);
}

template <typename F>
auto dispatch(int64_t act, F body) {
  switch (act) {
    case kSilu: return body(std::integral_constant<int64_t, kSilu>{});
    case kRelu: return body(std::integral_constant<int64_t, kRelu>{});
    case kRelu6: return body(std::integral_constant<int64_t, kRelu6>{});
    case kHardSwish: return body(std::integral_constant<int64_t, kHardSwish>{});
    default: return body(std::integral_constant<int64_t, kLinear>{});
  }
}

Tensor as_float(const Tensor& x) { return x.to(at::kFloat).contiguous(); }

struct Affine {  // y = x·scale + offset, by channel
  Tensor scale, offset;
  Affine(const Tensor& weight, const Tensor& bias, const Tensor& mean, const Tensor& inverse)
      : scale((weight * inverse).contiguous()), offset((bias - mean * scale).contiguous()) {}
};

// Returns act(batch_norm(x)), and the batch's mean, 1/sqrt(variance + eps) and variance.
std::tuple<Tensor, Tensor, Tensor, Tensor> norm_act(
    const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, int64_t act) {
  const int64_t channels = x.size(1), rows = x.numel() / channels;
  const float* in = x.const_data_ptr<float>();
  const float* shift = in;  // the first row, taken out so that the squares stay small
  Tensor sums = sum_rows(rows, 2 * channels, weight.options(), [&](int64_t row, float* into) {
    over_channels(channels, [&](int64_t c, int64_t n) {
      Vec value = Vec::loadu(in + row * channels + c, n) - Vec::loadu(shift + c, n);
      add(into + c, value, n);
      add(into + channels + c, value * value, n);
    });
  }).view({2, channels}) / static_cast<double>(rows);
  Tensor first = x.permute({0, 2, 3, 1}).reshape({rows, channels})[0].to(at::kDouble);
  Tensor mean = as_float(sums[0] + first);
  Tensor variance = (sums[1] - sums[0] * sums[0]).clamp_min(0);
  Tensor inverse = as_float((variance + eps).rsqrt());
  Affine affine(weight, bias, mean, inverse);
  const float *scale = affine.scale.const_data_ptr<float>(), *offset = affine.offset.const_data_ptr<float>();
  Tensor out = at::empty_like(x);
  float* to = out.data_ptr<float>();
  dispatch(act, [&](auto kind) {
    share(rows, at::get_num_threads(), [&](int64_t, int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++)
        over_channels(channels, [&](int64_t c, int64_t n) {
          Vec y = at::vec::fmadd(Vec::loadu(in + row * channels + c, n), Vec::loadu(scale + c, n),
                                 Vec::loadu(offset + c, n));
          activate<kind.value>(y).store(to + row * channels + c, static_cast<int>(n));
        });
    });
  });
  return {out, mean, inverse, as_float(variance)};
}

// Returns the gradients of x, weight and bias; y is worked out again from x, so it is not kept.
std::tuple<Tensor, Tensor, Tensor> norm_act_backward(
    const Tensor& grad, const Tensor& x, const Tensor& weight, const Tensor& bias,
    const Tensor& mean, const Tensor& inverse, int64_t act) {
  const int64_t channels = x.size(1), rows = x.numel() / channels;
  const float *in = x.const_data_ptr<float>(), *from = grad.const_data_ptr<float>();
  const float* middle = mean.const_data_ptr<float>();
  Affine affine(weight, bias, mean, inverse);
  const float *scale = affine.scale.const_data_ptr<float>(), *offset = affine.offset.const_data_ptr<float>();
  Tensor dx = at::empty_like(x), dweight, dbias;
  dispatch(act, [&](auto kind) {
    auto inner = [&](int64_t row, int64_t c, int64_t n, Vec value) {  // the gradient of y
      Vec g = Vec::loadu(from + row * channels + c, n);
      if constexpr (kind.value == kLinear) return g;
      Vec y = at::vec::fmadd(value, Vec::loadu(scale + c, n), Vec::loadu(offset + c, n));
      return g * slope<kind.value>(y);
    };
    Tensor sums = sum_rows(rows, 2 * channels, weight.options(), [&](int64_t row, float* into) {
      over_channels(channels, [&](int64_t c, int64_t n) {
        Vec value = Vec::loadu(in + row * channels + c, n);
        Vec g = inner(row, c, n, value);
        add(into + c, g, n);
        add(into + channels + c, g * (value - Vec::loadu(middle + c, n)), n);
      });
    }).view({2, channels});
    dbias = as_float(sums[0]);
    dweight = as_float(sums[1] * inverse);
    // dx = scale·(g − mean(g) − x̂·mean(g·x̂)), as scale·g + slope·x + level.
    Tensor slopes = (affine.scale * inverse * dweight / -static_cast<double>(rows)).contiguous();
    Tensor levels = (affine.scale * dbias / -static_cast<double>(rows) - slopes * mean).contiguous();
    const float *k1 = slopes.const_data_ptr<float>(), *k0 = levels.const_data_ptr<float>();
    float* to = dx.data_ptr<float>();
    share(rows, at::get_num_threads(), [&](int64_t, int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++)
        over_channels(channels, [&](int64_t c, int64_t n) {
          Vec value = Vec::loadu(in + row * channels + c, n);
          Vec rest = at::vec::fmadd(value, Vec::loadu(k1 + c, n), Vec::loadu(k0 + c, n));
          at::vec::fmadd(inner(row, c, n, value), Vec::loadu(scale + c, n), rest)
              .store(to + row * channels + c, static_cast<int>(n));
        });
    });
  });
  return {dx, dweight, dbias};
}

// Returns x·gate for x (N, C, H, W) and gate (N, C, 1, 1).
Tensor gated(const Tensor& x, const Tensor& gate) {
  const int64_t channels = x.size(1), pixels = x.size(2) * x.size(3), rows = x.size(0) * pixels;
  const float *in = x.const_data_ptr<float>(), *factor = gate.const_data_ptr<float>();
  Tensor out = at::empty_like(x);
  float* to = out.data_ptr<float>();
  share(rows, at::get_num_threads(), [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const float* own = factor + row / pixels * channels;
      over_channels(channels, [&](int64_t c, int64_t n) {
        (Vec::loadu(in + row * channels + c, n) * Vec::loadu(own + c, n))
            .store(to + row * channels + c, static_cast<int>(n));
      });
    }
  });
  return out;
}

// Returns the gradients of x and of the gate in one pass over both.
std::tuple<Tensor, Tensor> gated_backward(const Tensor& grad, const Tensor& x, const Tensor& gate) {
  const int64_t images = x.size(0), channels = x.size(1), pixels = x.size(2) * x.size(3);
  const int64_t strips = pixels > 64 ? 8 : 1;  // so that one image can keep several threads busy
  const float *in = x.const_data_ptr<float>(), *from = grad.const_data_ptr<float>();
  const float* factor = gate.const_data_ptr<float>();
  Tensor dx = at::empty_like(x);
  Tensor sums = at::zeros({images, strips, channels}, gate.options().memory_format(at::MemoryFormat::Contiguous));
  float *to = dx.data_ptr<float>(), *total = sums.data_ptr<float>();
  share(images * strips, at::get_num_threads(), [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t strip = begin; strip < end; strip++) {
      const int64_t image = strip / strips, part = strip % strips;
      const float* own = factor + image * channels;
      for (int64_t p = pixels * part / strips; p < pixels * (part + 1) / strips; p++) {
        const int64_t at = (image * pixels + p) * channels;
        over_channels(channels, [&](int64_t c, int64_t n) {
          Vec g = Vec::loadu(from + at + c, n);
          (g * Vec::loadu(own + c, n)).store(to + at + c, static_cast<int>(n));
          add(total + strip * channels + c, g * Vec::loadu(in + at + c, n), n);
        });
      }
    }
  });
  return {dx, sums.sum(1).view({images, channels, 1, 1})};
}

struct Window {  // of a depthwise convolution: what it slides over, and how
  int64_t images, channels, height, width, out_height, out_width, stride, padding;
};

// Fills rows of the input's gradient: each pixel gathers the outputs that it took part in.
template <int K>
void depthwise_input_rows(const Window& w, const float* from, const float* taps, float* to,
                          int64_t begin, int64_t end) {
  for (int64_t line = begin; line < end; line++) {
    const int64_t image = line / w.height, y = line % w.height;
    for (int64_t x = 0; x < w.width; x++) {
      const float *at[K * K], *tap[K * K];
      int count = 0;
      for (int64_t ky = 0; ky < K; ky++) {
        const int64_t top = y + w.padding - ky, oy = top / w.stride;
        if (top < 0 || top % w.stride || oy >= w.out_height) continue;
        for (int64_t kx = 0; kx < K; kx++) {
          const int64_t left = x + w.padding - kx, ox = left / w.stride;
          if (left < 0 || left % w.stride || ox >= w.out_width) continue;
          at[count] = from + ((image * w.out_height + oy) * w.out_width + ox) * w.channels;
          tap[count++] = taps + (ky * K + kx) * w.channels;
        }
      }
      float* into = to + (line * w.width + x) * w.channels;
      over_channels(w.channels, [&](int64_t c, int64_t n) {
        Vec sum(0.f);
        for (int i = 0; i < count; i++)
          sum = at::vec::fmadd(Vec::loadu(at[i] + c, n), Vec::loadu(tap[i] + c, n), sum);
        sum.store(into + c, static_cast<int>(n));
      });
    }
  }
}

// Adds one output row's share of the weights' gradient (K·K, C) to `sums`.
template <int K>
void depthwise_weight_row(const Window& w, const float* in, const float* from, float* sums,
                          int64_t line) {
  const int64_t image = line / w.out_height, oy = line % w.out_height;
  const float* grad = from + line * w.out_width * w.channels;
  for (int64_t ky = 0; ky < K; ky++) {
    const int64_t y = oy * w.stride - w.padding + ky;
    if (y < 0 || y >= w.height) continue;
    const float* row = in + (image * w.height + y) * w.width * w.channels;
    over_channels(w.channels, [&](int64_t c, int64_t n) {
      Vec total[K];
      for (int kx = 0; kx < K; kx++) total[kx] = Vec(0.f);
      for (int64_t ox = 0; ox < w.out_width; ox++) {
        const int64_t left = ox * w.stride - w.padding;
        Vec g = Vec::loadu(grad + ox * w.channels + c, n);
        if (left >= 0 && left + K <= w.width) {
          for (int kx = 0; kx < K; kx++)
            total[kx] = at::vec::fmadd(g, Vec::loadu(row + (left + kx) * w.channels + c, n), total[kx]);
          continue;
        }
        for (int kx = 0; kx < K; kx++)
          if (left + kx >= 0 && left + kx < w.width)
            total[kx] = at::vec::fmadd(g, Vec::loadu(row + (left + kx) * w.channels + c, n), total[kx]);
      }
      for (int kx = 0; kx < K; kx++) add(sums + (ky * K + kx) * w.channels + c, total[kx], n);
    });
  }
}

template <int K>
std::tuple<Tensor, Tensor> depthwise_gradients(const Tensor& grad, const Tensor& x,
                                               const Tensor& weight, const Window& w) {
  Tensor taps = weight.view({w.channels, K * K}).t().contiguous();
  Tensor dx = at::empty_like(x);
  const float *in = x.const_data_ptr<float>(), *from = grad.const_data_ptr<float>();
  share(w.images * w.height, at::get_num_threads(), [&](int64_t, int64_t begin, int64_t end) {
    depthwise_input_rows<K>(w, from, taps.const_data_ptr<float>(), dx.data_ptr<float>(), begin, end);
  });
  const int64_t size = K * K * w.channels;
  Tensor sums = sum_rows(w.images * w.out_height, size, taps.options(), [&](int64_t line, float* into) {
    depthwise_weight_row<K>(w, in, from, into, line);
  });
  Tensor dweight = as_float(sums.view({K * K, w.channels}).t()).view(weight.sizes());
  return {dx, dweight};
}

// Returns the gradients of input and weight of a depthwise convolution of 3×3, 5×5 or 7×7.
std::tuple<Tensor, Tensor> depthwise_backward(const Tensor& grad, const Tensor& x,
                                              const Tensor& weight, int64_t stride, int64_t padding) {
  Window w{x.size(0), x.size(1), x.size(2), x.size(3), grad.size(2), grad.size(3), stride, padding};
  switch (weight.size(2)) {
    case 3: return depthwise_gradients<3>(grad, x, weight.contiguous(), w);
    case 5: return depthwise_gradients<5>(grad, x, weight.contiguous(), w);
    case 7: return depthwise_gradients<7>(grad, x, weight.contiguous(), w);
    default: TORCH_CHECK(false, "no depthwise kernel of ", weight.size(2), "×", weight.size(2));
  }
}

}  // namespace

TORCH_LIBRARY(compound_nas, m) {
  m.def("norm_act", &norm_act);
  m.def("norm_act_backward", &norm_act_backward);
  m.def("gated", &gated);
  m.def("gated_backward", &gated_backward);
  m.def("depthwise_backward", &depthwise_backward);
}
