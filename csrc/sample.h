// What a step does with a row of logits: their sum, the likeliest tokens, a draw. The same bits on every machine.
#pragma once

#include <cstdint>
#include <vector>

namespace fathom {

struct Choice {
  float temperature;  // > 0
  int64_t top_k;      // 0: all
  double top_p;       // 1: all
  double min_p;       // of the largest weight; 0: all
  double uniform;     // in [0, 1)
};

// log of the sum of e^x; NaN if a logit is not finite.
double logsumexp(const float* logits, int64_t n);
// The k largest, likeliest first; of equals the lower id comes first.
std::vector<int64_t> top(const float* logits, int64_t n, int64_t k);
// temperature -> top_k -> top_p (the token that crosses it stays) -> min_p -> draw; greedy if temperature is 0. `mask`
// may be null, otherwise 1 where a token is allowed. -1 if a logit is not finite.
int64_t draw(const float* logits, const bool* mask, int64_t n, const Choice& choice);

}  // namespace fathom
