// Names of persons in Chinese and English text and of organisations in Chinese text: candidates, their features, and a
// linear model over hashed features.
//
// A Chinese person starts at a surname and has one or two characters more; an English one is a run of one to four
// capitalised words; an organisation ends with a word like 公司 or 医院 and starts somewhere before it. A candidate is
// scored by the sum of the weights of its hashed features (its characters, its neighbours, whether it or a part of it
// is an ordinary word), as in Ganchev and Dredze, "Small statistical models by random feature mixing" (2008). Time is
// linear in the text: a position has a bounded number of candidates.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace guard {

// 张伟; 张 of 张先生; 小张; Mike Johnson; 北京华创科技有限公司
enum class NameKind : uint8_t { kChinese, kTitled, kFamiliar, kEnglish, kOrganisation };

inline constexpr size_t kNameFeatures = 24;
inline constexpr size_t kNameBuckets = size_t{1} << 18;  // weights of the model
inline constexpr size_t kWordBits = size_t{1} << 22;     // bits of the word filter

struct NameCandidate {
  uint32_t start;  // code points
  uint32_t end;
  NameKind kind;
  std::array<uint32_t, kNameFeatures> features;  // buckets; unused places are 0, whose weight is 0
};

struct NameHit {
  uint32_t start;
  uint32_t end;
  NameKind kind;
  float score;  // logit
};

// The classes of words in the filter; a word of two classes has two entries.
enum class WordClass : uint64_t { kChinese = 1, kEnglish, kGiven, kFamily, kSurname, kTitle, kEnding, kPlace };

// A Bloom filter over (class, word): three bits a word, so that about 0.2 % of the words asked for in vain are found
// at 200,000 entries.
class WordFilter {
 public:
  explicit WordFilter(const uint8_t* bits) : bits_(bits) {}
  bool has(WordClass word_class, const char32_t* word, size_t length) const;
  static std::array<uint32_t, 3> bits(WordClass word_class, const char32_t* word, size_t length);

 private:
  const uint8_t* bits_;  // kWordBits / 8 bytes
};

class NameModel {
 public:
  // words: kWordBits / 8 bytes; weights: kNameBuckets; both outlive the model. scale: logit of one weight step.
  NameModel(const uint8_t* words, const int8_t* weights, float scale);

  std::vector<NameCandidate> candidates(const char32_t* text, size_t length) const;
  // The best-scoring disjoint candidates whose logit is at least threshold, in order of their start.
  std::vector<NameHit> find(const char32_t* text, size_t length, float threshold) const;

 private:
  template <class Sink>
  void walk(const char32_t* text, size_t length, Sink&& sink) const;
  template <class Sink>
  void chinese_at(const char32_t* text, size_t length, size_t i, Sink&& sink) const;
  template <class Sink>
  size_t english_run(const char32_t* text, size_t length, size_t i, Sink&& sink) const;
  template <class Sink>
  void organisation_at(const char32_t* text, size_t length, size_t end, Sink&& sink) const;
  void organisation_features(const char32_t* text, size_t length, size_t ending, NameCandidate& candidate) const;
  size_t place_at(const char32_t* text, size_t length, size_t at) const;  // length of the longest place there, or 0
  void chinese_features(const char32_t* text, size_t length, size_t surname, NameCandidate& candidate) const;

  WordFilter words_;
  const int8_t* weights_;
  float scale_;
  // 65,536 bits by character: 1 a surname, 2 the first of a compound surname, 4 the last of an organisation's ending,
  // 8 the first of a place.
  std::vector<uint8_t> role_;
};

}  // namespace guard
